#include "kernel/neighbour.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace runner {
namespace {

std::optional<NeighbourInfo> DecodeNeighbour(const nlmsghdr& message) {
  const auto* header = FixedPart<ndmsg>(message);
  if (message.nlmsg_type != RTM_NEWNEIGH || header == nullptr) return {};
  if (header->ndm_family != AF_INET && header->ndm_family != AF_INET6) return {};
  const bool proxy = (header->ndm_flags & NTF_PROXY) != 0;
  if (!proxy && (header->ndm_state & NUD_PERMANENT) == 0) return {};
  const auto attributes = NetlinkAttributes::Of(message, sizeof *header, NDA_MAX);
  const auto to = attributes.Address(NDA_DST, header->ndm_family == AF_INET6 ? Family::kIpv6 : Family::kIpv4);
  if (!to) return {};
  return NeighbourInfo{.index = header->ndm_ifindex,
                       .to = *to,
                       .mac = attributes.Mac(NDA_LLADDR),
                       .proxy = proxy,
                       .protocol = attributes.U8(NDA_PROTOCOL).value_or(0)};
}

Status ReadInto(NetlinkSocket& socket, std::uint8_t flags, std::vector<NeighbourInfo>& neighbours) {
  NetlinkMessage message(RTM_GETNEIGH, 0);
  ndmsg header{};
  header.ndm_flags = flags;
  message.Append(header);
  return socket.Dump(message, "read neighbours", [&](const nlmsghdr& answer) -> Status {
    if (auto neighbour = DecodeNeighbour(answer)) neighbours.push_back(*neighbour);
    return {};
  });
}

void Encode(NetlinkMessage& message, const NeighbourInfo& neighbour) {
  ndmsg header{};
  header.ndm_family = FamilyNumber(neighbour.to.family());
  header.ndm_ifindex = neighbour.index;
  header.ndm_state = NUD_PERMANENT;
  header.ndm_flags = neighbour.proxy ? NTF_PROXY : 0;
  message.Append(header);
  message.PutAddress(NDA_DST, neighbour.to);
  if (neighbour.mac) message.PutMac(NDA_LLADDR, *neighbour.mac);
}

Status Set(NetlinkSocket& socket, const NeighbourInfo& neighbour, int flags) {
  NetlinkMessage message(RTM_NEWNEIGH, flags);
  Encode(message, neighbour);
  message.PutU8(NDA_PROTOCOL, neighbour.protocol);
  return socket.Request(message, "add neighbour " + neighbour.to.text());
}

}  // namespace

Result<std::vector<NeighbourInfo>> ReadNeighbours(NetlinkSocket& socket) {
  std::vector<NeighbourInfo> neighbours;
  TRY(ReadInto(socket, 0, neighbours));
  TRY(ReadInto(socket, NTF_PROXY, neighbours));
  return neighbours;
}

Status AddNeighbour(NetlinkSocket& socket, const NeighbourInfo& neighbour) {
  auto added = Set(socket, neighbour, NLM_F_CREATE | NLM_F_EXCL);
  if (added.ok() || added.error().code != EEXIST) return added;
  const auto standing = TRY(ReadNeighbours(socket));
  const auto same_place = [&](const NeighbourInfo& other) {
    return !other.proxy && other.index == neighbour.index && other.to == neighbour.to;
  };
  if (std::ranges::any_of(standing, same_place)) return added;
  // The kernel learnt it from traffic: nobody's entry.
  return Set(socket, neighbour, NLM_F_CREATE | NLM_F_REPLACE);
}

Status DeleteNeighbour(NetlinkSocket& socket, const NeighbourInfo& neighbour) {
  NetlinkMessage message(RTM_DELNEIGH, 0);
  Encode(message, neighbour);
  return socket.Request(message, "delete neighbour " + neighbour.to.text());
}

}  // namespace runner
