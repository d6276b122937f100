#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "kernel/encap.h"
#include "kernel/route.h"
#include "kernel/route_lookup.h"

namespace runner {
namespace {

std::optional<IpAddress> DecodeGateway(const NetlinkAttributes& attributes, Family family) {
  if (auto via = attributes.Address(RTA_GATEWAY, family)) return via;
  const std::string_view other = attributes.Bytes(RTA_VIA);
  std::uint16_t number = 0;
  if (other.size() < sizeof number) return {};
  other.copy(reinterpret_cast<char*>(&number), sizeof number);
  const std::string_view address = other.substr(sizeof number);
  if (number == AF_INET && address.size() == 4) return IpAddress::FromBytes(Family::kIpv4, address.data());
  if (number == AF_INET6 && address.size() == 16) return IpAddress::FromBytes(Family::kIpv6, address.data());
  return {};
}

RouteNextHop DecodeHop(const NetlinkAttributes& attributes, Family family, int oif, std::uint32_t flags) {
  return RouteNextHop{.via = DecodeGateway(attributes, family),
                      .oif = oif,
                      .weight = 1,
                      .onlink = (flags & RTNH_F_ONLINK) != 0,
                      .linkdown = (flags & RTNH_F_LINKDOWN) != 0,
                      .dead = (flags & RTNH_F_DEAD) != 0};
}

std::vector<RouteNextHop> DecodeMultipath(std::string_view bytes, Family family, std::string& encap) {
  std::vector<RouteNextHop> hops;
  rtnexthop header{};
  while (bytes.size() >= sizeof header) {
    bytes.copy(reinterpret_cast<char*>(&header), sizeof header);
    if (header.rtnh_len < sizeof header || header.rtnh_len > bytes.size()) break;
    const NetlinkAttributes attributes(bytes.data() + sizeof header, header.rtnh_len - sizeof header, RTA_MAX);
    hops.push_back(DecodeHop(attributes, family, header.rtnh_ifindex, header.rtnh_flags));
    hops.back().weight = header.rtnh_hops + 1;
    if (attributes.Has(RTA_ENCAP)) encap = DecodeEncap(attributes);
    bytes.remove_prefix(std::min<std::size_t>(RTNH_ALIGN(header.rtnh_len), bytes.size()));
  }
  return hops;
}

std::optional<RouteInfo> DecodeRoute(const nlmsghdr& message, Family family) {
  const auto* header = FixedPart<rtmsg>(message);
  if (message.nlmsg_type != RTM_NEWROUTE || header == nullptr) return {};
  if (header->rtm_family != FamilyNumber(family)) return {};
  if ((header->rtm_flags & RTM_F_CLONED) != 0) return {};
  const auto attributes = NetlinkAttributes::Of(message, sizeof *header, RTA_MAX);
  RouteInfo route;
  const std::array<std::uint8_t, 16> zero{};
  route.to = IpPrefix(attributes.Address(RTA_DST, family).value_or(IpAddress::FromBytes(family, zero.data())),
                      header->rtm_dst_len);
  route.table = attributes.U32(RTA_TABLE).value_or(header->rtm_table);
  route.protocol = header->rtm_protocol;
  route.scope = header->rtm_scope;
  route.type = header->rtm_type;
  route.metric = attributes.U32(RTA_PRIORITY).value_or(0);
  route.prefsrc = attributes.Address(RTA_PREFSRC, family);
  route.mtu = attributes.Nested(RTA_METRICS, RTAX_MAX).U32(RTAX_MTU);
  if (LeadsNowhere(route.type)) return route;
  if (attributes.Has(RTA_MULTIPATH)) {
    route.nexthops = DecodeMultipath(attributes.Bytes(RTA_MULTIPATH), family, route.encap);
  } else {
    route.nexthops.push_back(DecodeHop(attributes, family, attributes.S32(RTA_OIF).value_or(0), header->rtm_flags));
    route.encap = DecodeEncap(attributes);
  }
  return route;
}

// What the kernel keeps for each address, and nobody configures.
bool IsDerived(const RouteInfo& route) {
  return route.protocol == RTPROT_KERNEL && (route.type == RTN_LOCAL || route.type == RTN_BROADCAST ||
                                             route.type == RTN_MULTICAST || route.type == RTN_ANYCAST);
}

}  // namespace

bool JoinSibling(RouteInfo& route, const RouteInfo& next) {
  const auto all_have_gateways = [](const RouteInfo& one) {
    return !one.nexthops.empty() &&
           std::ranges::all_of(one.nexthops, [](const RouteNextHop& hop) { return hop.via.has_value(); });
  };
  // Routes that a router advertised stand side by side, each on its own.
  if (route.family() != Family::kIpv6 || route.protocol == RTPROT_RA) return false;
  if (!all_have_gateways(route) || !all_have_gateways(next)) return false;
  RouteInfo same = next;
  same.nexthops = route.nexthops;
  if (same != route) return false;
  route.nexthops.insert(route.nexthops.end(), next.nexthops.begin(), next.nexthops.end());
  return true;
}

Result<std::vector<RouteInfo>> ReadRoutesOf(Family family, NetlinkSocket& socket, RouteFilter filter) {
  std::vector<RouteInfo> routes;
  NetlinkMessage message(RTM_GETROUTE, 0);
  rtmsg header{};
  header.rtm_family = FamilyNumber(family);
  message.Append(header);
  TRY(socket.Dump(message, "read routes", [&](const nlmsghdr& answer) -> Status {
    auto route = DecodeRoute(answer, family);
    if (!route || (filter == RouteFilter::kConfigurable && IsDerived(*route))) return {};
    if (routes.empty() || !JoinSibling(routes.back(), *route)) routes.push_back(std::move(*route));
    return {};
  }));
  return routes;
}

Result<std::vector<RouteInfo>> ReadRoutes(NetlinkSocket& socket, RouteFilter filter) {
  auto routes = TRY(ReadRoutesOf(Family::kIpv4, socket, filter));
  for (RouteInfo& route : TRY(ReadRoutesOf(Family::kIpv6, socket, filter))) routes.push_back(std::move(route));
  return routes;
}

Result<std::optional<RouteInfo>> LookUpRoute(NetlinkSocket& socket, const IpAddress& to) {
  NetlinkMessage message(RTM_GETROUTE, 0);
  rtmsg header{};
  header.rtm_family = FamilyNumber(to.family());
  header.rtm_dst_len = static_cast<unsigned char>(to.bits());
  // The entry that was found, not one made from it for this address.
  header.rtm_flags = RTM_F_FIB_MATCH | RTM_F_LOOKUP_TABLE;
  message.Append(header);
  message.PutAddress(RTA_DST, to);
  std::optional<RouteInfo> found;
  const Status asked = socket.Get(message, "look up the way to " + to.text(), [&](const nlmsghdr& answer) -> Status {
    found = DecodeRoute(answer, to.family());
    return {};
  });
  const auto forbids = [](int code) {
    return code == ENETUNREACH || code == EHOSTUNREACH || code == EACCES || code == EINVAL || code == EAGAIN;
  };
  if (!asked.ok() && !forbids(asked.error().code)) return asked.error();
  if (found && LeadsNowhere(found->type)) found.reset();
  return found;
}

}  // namespace runner
