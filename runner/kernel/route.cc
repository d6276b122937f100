#include "kernel/route.h"

#include <sys/socket.h>

#include <cstring>

#include "kernel/encap.h"

namespace runner {
namespace {

void EncodeGateway(NetlinkMessage& message, const IpAddress& via, Family family) {
  if (via.family() == family) return message.PutAddress(RTA_GATEWAY, via);
  struct {
    std::uint16_t family;
    std::uint8_t address[16];
  } other{FamilyNumber(via.family()), {}};
  std::memcpy(other.address, via.bytes(), via.size());
  message.PutBytes(RTA_VIA, &other, sizeof other.family + via.size());
}

Status EncodeMultipath(NetlinkMessage& message, const RouteInfo& route) {
  const NetlinkMessage::Nest nest(message, RTA_MULTIPATH);
  for (const RouteNextHop& hop : route.nexthops) {
    const std::size_t start = message.header()->nlmsg_len;
    rtnexthop header{};
    header.rtnh_flags = hop.onlink ? RTNH_F_ONLINK : 0;
    header.rtnh_hops = static_cast<std::uint8_t>(hop.weight - 1);
    header.rtnh_ifindex = hop.oif;
    message.Append(header);
    if (hop.via) EncodeGateway(message, *hop.via, route.family());
    if (!route.encap.empty()) TRY(EncodeEncap(message, route.encap));
    if (!message.is_complete()) return {};
    // Its length is known only now; it counts the attributes.
    header.rtnh_len = static_cast<std::uint16_t>(message.header()->nlmsg_len - start);
    std::memcpy(reinterpret_cast<char*>(message.header()) + start, &header, sizeof header);
  }
  return {};
}

Status EncodeRoute(NetlinkMessage& message, const RouteInfo& route) {
  rtmsg header{};
  header.rtm_family = FamilyNumber(route.family());
  header.rtm_dst_len = static_cast<std::uint8_t>(route.to.length());
  header.rtm_table = static_cast<std::uint8_t>(route.table < 256 ? route.table : RT_TABLE_UNSPEC);
  header.rtm_protocol = route.protocol;
  header.rtm_scope = route.scope.value_or(DefaultScope(route));
  header.rtm_type = route.type;
  const RouteNextHop* only = route.nexthops.size() == 1 ? &route.nexthops.front() : nullptr;
  if (only != nullptr && only->onlink) header.rtm_flags |= RTNH_F_ONLINK;
  message.Append(header);
  message.PutU32(RTA_TABLE, route.table);
  message.PutAddress(RTA_DST, route.to.address());
  if (route.metric != 0) message.PutU32(RTA_PRIORITY, route.metric);
  if (route.prefsrc) message.PutAddress(RTA_PREFSRC, *route.prefsrc);
  if (route.mtu) {
    const NetlinkMessage::Nest metrics(message, RTA_METRICS);
    message.PutU32(RTAX_MTU, *route.mtu);
  }
  if (only != nullptr) {
    if (only->via) EncodeGateway(message, *only->via, route.family());
    if (only->oif != 0) message.PutU32(RTA_OIF, static_cast<std::uint32_t>(only->oif));
    if (!route.encap.empty()) TRY(EncodeEncap(message, route.encap));
  } else if (!route.nexthops.empty()) {
    TRY(EncodeMultipath(message, route));
  }
  return {};
}

// "add via 10.0.0.254"; the caller knows the route's name.
std::string Words(const char* verb, const RouteInfo& route) {
  std::string words = verb;
  for (const RouteNextHop& hop : route.nexthops) {
    if (hop.via) words += (words == verb ? " via " : ", ") + hop.via->text();
  }
  return words == verb ? words + " route" : words;
}

}  // namespace

bool LeadsNowhere(std::uint8_t type) {
  return type == RTN_BLACKHOLE || type == RTN_UNREACHABLE || type == RTN_PROHIBIT || type == RTN_THROW;
}

std::uint32_t DefaultMetric(Family family) { return family == Family::kIpv6 ? 1024 : 0; }

std::uint8_t DefaultScope(const RouteInfo& route) {
  if (route.family() == Family::kIpv6) return RT_SCOPE_UNIVERSE;
  if (route.type == RTN_LOCAL) return RT_SCOPE_HOST;
  if (route.type == RTN_BROADCAST || route.type == RTN_MULTICAST || route.type == RTN_ANYCAST) return RT_SCOPE_LINK;
  const bool straight = route.nexthops.size() == 1 && !route.nexthops.front().via;
  return route.type == RTN_UNICAST && straight ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

Status AddRoute(NetlinkSocket& socket, const RouteSpec& route) {
  NetlinkMessage message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  TRY(EncodeRoute(message, route));
  return socket.Request(message, Words("add", route));
}

Status ReplaceRoute(NetlinkSocket& socket, const RouteSpec& route) {
  NetlinkMessage message(RTM_NEWROUTE, NLM_F_REPLACE);
  TRY(EncodeRoute(message, route));
  return socket.Request(message, Words("change to", route));
}

Status DeleteRoute(NetlinkSocket& socket, const RouteInfo& route) {
  NetlinkMessage message(RTM_DELROUTE, 0);
  RouteInfo exact = route;
  if (exact.metric == 0) exact.metric = DefaultMetric(route.family());
  if (LeadsNowhere(route.type)) exact.nexthops.clear();
  exact.encap.clear();  // no part of what names a route
  TRY(EncodeRoute(message, exact));
  return socket.Request(message, Words("delete", route));
}

}  // namespace runner
