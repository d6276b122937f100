#include "kernel/label_route.h"

#include <arpa/inet.h>
#include <linux/mpls.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.h"

namespace runner {
namespace {

constexpr std::uint8_t kLabelBits = 20;

std::uint32_t Entry(std::uint32_t label, bool is_last) {
  return htonl(label << MPLS_LS_LABEL_SHIFT | (is_last ? 1U << MPLS_LS_S_SHIFT : 0));
}

Result<std::vector<std::uint32_t>> Stack(const std::string& as) {
  std::vector<std::uint32_t> entries;
  if (as.empty()) return entries;
  const auto labels = Split(as, '/');
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto label = ParseInteger(labels[i]);
    if (!label) return SystemError(EINVAL, "put on the labels " + Quote(as));
    entries.push_back(Entry(static_cast<std::uint32_t>(*label), i + 1 == labels.size()));
  }
  return entries;
}

std::string StackText(std::string_view bytes) {
  std::string out;
  for (std::uint32_t entry = 0; bytes.size() >= sizeof entry; bytes.remove_prefix(sizeof entry)) {
    bytes.copy(reinterpret_cast<char*>(&entry), sizeof entry);
    out += (out.empty() ? "" : "/") + std::to_string(ntohl(entry) >> MPLS_LS_LABEL_SHIFT);
  }
  return out;
}

Status EncodeHop(NetlinkMessage& message, const LabelHop& hop) {
  if (hop.via) {
    struct {
      std::uint16_t family;
      std::uint8_t address[16];
    } via{FamilyNumber(hop.via->family()), {}};
    std::memcpy(via.address, hop.via->bytes(), hop.via->size());
    message.PutBytes(RTA_VIA, &via, sizeof via.family + hop.via->size());
  }
  const std::vector<std::uint32_t> stack = TRY(Stack(hop.as));
  if (!stack.empty()) message.PutBytes(RTA_NEWDST, stack.data(), stack.size() * sizeof stack[0]);
  return {};
}

Status EncodeMultipath(NetlinkMessage& message, const std::vector<LabelHop>& hops) {
  const NetlinkMessage::Nest nest(message, RTA_MULTIPATH);
  for (const LabelHop& hop : hops) {
    const std::size_t start = message.header()->nlmsg_len;
    rtnexthop header{};
    header.rtnh_ifindex = hop.oif;
    message.Append(header);
    TRY(EncodeHop(message, hop));
    if (!message.is_complete()) return {};
    // Its length is known only now; it counts the attributes.
    header.rtnh_len = static_cast<std::uint16_t>(message.header()->nlmsg_len - start);
    std::memcpy(reinterpret_cast<char*>(message.header()) + start, &header, sizeof header);
  }
  return {};
}

void EncodeLabel(NetlinkMessage& message, const LabelRoute& route) {
  rtmsg header{};
  header.rtm_family = AF_MPLS;
  header.rtm_dst_len = kLabelBits;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = route.protocol;
  header.rtm_scope = RT_SCOPE_UNIVERSE;
  header.rtm_type = RTN_UNICAST;
  message.Append(header);
  const std::uint32_t label = Entry(route.label, true);
  message.PutBytes(RTA_DST, &label, sizeof label);
}

Status Write(NetlinkSocket& socket, const LabelRoute& route, int flags, const char* verb) {
  NetlinkMessage message(RTM_NEWROUTE, flags);
  EncodeLabel(message, route);
  if (route.hops.size() == 1) {
    TRY(EncodeHop(message, route.hops.front()));
    if (route.hops.front().oif != 0) message.PutU32(RTA_OIF, static_cast<std::uint32_t>(route.hops.front().oif));
  } else {
    TRY(EncodeMultipath(message, route.hops));
  }
  return socket.Request(message, verb);
}

LabelHop DecodeHop(const NetlinkAttributes& attributes, int oif) {
  LabelHop hop{.oif = oif, .as = StackText(attributes.Bytes(RTA_NEWDST))};
  const std::string_view via = attributes.Bytes(RTA_VIA);
  std::uint16_t family = 0;
  if (via.size() < sizeof family) return hop;
  via.copy(reinterpret_cast<char*>(&family), sizeof family);
  const std::string_view address = via.substr(sizeof family);
  if (family == AF_INET && address.size() == 4) hop.via = IpAddress::FromBytes(Family::kIpv4, address.data());
  if (family == AF_INET6 && address.size() == 16) hop.via = IpAddress::FromBytes(Family::kIpv6, address.data());
  return hop;
}

std::vector<LabelHop> DecodeMultipath(std::string_view bytes) {
  std::vector<LabelHop> hops;
  rtnexthop header{};
  while (bytes.size() >= sizeof header) {
    bytes.copy(reinterpret_cast<char*>(&header), sizeof header);
    if (header.rtnh_len < sizeof header || header.rtnh_len > bytes.size()) break;
    const NetlinkAttributes attributes(bytes.data() + sizeof header, header.rtnh_len - sizeof header, RTA_MAX);
    hops.push_back(DecodeHop(attributes, header.rtnh_ifindex));
    bytes.remove_prefix(std::min<std::size_t>(RTNH_ALIGN(header.rtnh_len), bytes.size()));
  }
  return hops;
}

std::optional<LabelRoute> DecodeLabelRoute(const nlmsghdr& message) {
  const auto* header = FixedPart<rtmsg>(message);
  // Without MPLS the kernel tells the routes of the families that it has.
  if (message.nlmsg_type != RTM_NEWROUTE || header == nullptr || header->rtm_family != AF_MPLS) return {};
  const auto attributes = NetlinkAttributes::Of(message, sizeof *header, RTA_MAX);
  std::uint32_t entry = 0;
  const std::string_view destination = attributes.Bytes(RTA_DST);
  if (destination.size() != sizeof entry) return {};
  destination.copy(reinterpret_cast<char*>(&entry), sizeof entry);
  LabelRoute route{.label = ntohl(entry) >> MPLS_LS_LABEL_SHIFT, .protocol = header->rtm_protocol};
  if (attributes.Has(RTA_MULTIPATH)) {
    route.hops = DecodeMultipath(attributes.Bytes(RTA_MULTIPATH));
  } else {
    route.hops.push_back(DecodeHop(attributes, attributes.S32(RTA_OIF).value_or(0)));
  }
  return route;
}

}  // namespace

Result<std::vector<LabelRoute>> ReadLabelRoutes(NetlinkSocket& socket) {
  std::vector<LabelRoute> routes;
  NetlinkMessage message(RTM_GETROUTE, 0);
  rtmsg header{};
  header.rtm_family = AF_MPLS;
  message.Append(header);
  TRY(socket.Dump(message, "read the routes for labels", [&](const nlmsghdr& answer) -> Status {
    if (auto route = DecodeLabelRoute(answer)) routes.push_back(std::move(*route));
    return {};
  }));
  return routes;
}

Status AddLabelRoute(NetlinkSocket& socket, const LabelRoute& route) {
  return Write(socket, route, NLM_F_CREATE | NLM_F_EXCL, "add route");
}

Status ReplaceLabelRoute(NetlinkSocket& socket, const LabelRoute& route) {
  return Write(socket, route, NLM_F_REPLACE, "change route");
}

Status DeleteLabelRoute(NetlinkSocket& socket, std::uint32_t label) {
  NetlinkMessage message(RTM_DELROUTE, 0);
  EncodeLabel(message, {.label = label});
  return socket.Request(message, "delete route");
}

}  // namespace runner
