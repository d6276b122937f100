#include "kernel/address.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>

namespace runner {
namespace {

constexpr std::uint32_t kForever = 0xffffffffU;

std::optional<std::uint32_t> Lifetime(std::uint32_t seconds) {
  if (seconds == kForever) return {};
  return seconds;
}

std::optional<AddressInfo> DecodeAddress(const nlmsghdr& message) {
  const auto* header = FixedPart<ifaddrmsg>(message);
  if (message.nlmsg_type != RTM_NEWADDR || header == nullptr) return {};
  if (header->ifa_family != AF_INET && header->ifa_family != AF_INET6) return {};
  const Family family = header->ifa_family == AF_INET6 ? Family::kIpv6 : Family::kIpv4;
  const auto attributes = NetlinkAttributes::Of(message, sizeof *header, IFA_MAX);
  const auto far = attributes.Address(IFA_ADDRESS, family);
  // IPv6 names its own address only where there is a peer.
  const auto own = attributes.Has(IFA_LOCAL) ? attributes.Address(IFA_LOCAL, family) : far;
  if (!own) return {};
  AddressInfo address;
  address.index = static_cast<int>(header->ifa_index);
  address.prefix = IpPrefix(*own, header->ifa_prefixlen);
  if (far && *far != *own) address.peer = IpPrefix(*far, header->ifa_prefixlen);
  address.scope = header->ifa_scope;
  address.protocol = attributes.U8(IFA_PROTO).value_or(0);
  const std::uint32_t flags = attributes.U32(IFA_FLAGS).value_or(header->ifa_flags);
  address.permanent = (flags & IFA_F_PERMANENT) != 0;
  address.secondary = family == Family::kIpv4 && (flags & IFA_F_SECONDARY) != 0;
  address.nodad = (flags & IFA_F_NODAD) != 0;
  address.tentative = (flags & IFA_F_TENTATIVE) != 0;
  address.dad_failed = (flags & IFA_F_DADFAILED) != 0;
  const std::string_view lifetimes = attributes.Bytes(IFA_CACHEINFO);
  if (ifa_cacheinfo times{}; lifetimes.size() >= sizeof times) {
    lifetimes.copy(reinterpret_cast<char*>(&times), sizeof times);
    address.preferred = Lifetime(times.ifa_prefered);
    address.valid = Lifetime(times.ifa_valid);
  }
  // IPv4 says "for ever" of an address that is no longer preferred but valid for ever.
  if ((flags & IFA_F_DEPRECATED) != 0) address.preferred = 0;
  return address;
}

// What names an address on an interface, in adding and in deleting.
void EncodeIdentity(NetlinkMessage& message, int index, const IpPrefix& prefix, const std::optional<IpPrefix>& peer,
                    std::uint8_t scope) {
  ifaddrmsg header{};
  header.ifa_family = FamilyNumber(prefix.family());
  header.ifa_prefixlen = static_cast<std::uint8_t>(peer ? peer->length() : prefix.length());
  header.ifa_scope = scope;
  header.ifa_index = static_cast<std::uint32_t>(index);
  message.Append(header);
  message.PutAddress(IFA_LOCAL, prefix.address());
  message.PutAddress(IFA_ADDRESS, peer ? peer->address() : prefix.address());
}

}  // namespace

std::uint8_t DefaultScope(const IpPrefix& prefix) {
  if (prefix.address().is_loopback()) return RT_SCOPE_HOST;
  // IPv6 derives the scope from the address, whatever it is told.
  return prefix.is_ipv6() && prefix.address().is_link_local() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

IpPrefix LinkLocalAddress(const MacAddress& mac) {
  constexpr int kLength = 64;
  const std::uint8_t* m = mac.bytes();
  const std::array<std::uint8_t, 16> bytes = {
      0xfe, 0x80, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(m[0] ^ 2), m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]};
  return {IpAddress::FromBytes(Family::kIpv6, bytes.data()), kLength};
}

Result<std::vector<AddressInfo>> ReadAddresses(NetlinkSocket& socket) {
  NetlinkMessage message(RTM_GETADDR, 0);
  message.Append(ifaddrmsg{});
  std::vector<AddressInfo> addresses;
  TRY(socket.Dump(message, "read addresses", [&](const nlmsghdr& answer) -> Status {
    if (auto address = DecodeAddress(answer)) addresses.push_back(*address);
    return {};
  }));
  return addresses;
}

Status AddAddress(NetlinkSocket& socket, const AddressSpec& address) {
  NetlinkMessage message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  EncodeIdentity(message, address.index, address.prefix, address.peer,
                 address.scope.value_or(DefaultScope(address.prefix)));
  if (address.prefix.is_ipv6() && !address.dad) message.PutU32(IFA_FLAGS, IFA_F_NODAD);
  if (address.preferred) {
    // The time of an IPv4 address that is valid for ever never runs: let it be a century.
    const bool must_end = !address.prefix.is_ipv6() && *address.preferred != 0;
    const ifa_cacheinfo times{
        .ifa_prefered = *address.preferred, .ifa_valid = must_end ? kForever - 1 : kForever, .cstamp = 0, .tstamp = 0};
    message.PutBytes(IFA_CACHEINFO, &times, sizeof times);
  }
  message.PutU8(IFA_PROTO, address.protocol);
  return socket.Request(message, "add address " + address.prefix.text());
}

Status DeleteAddress(NetlinkSocket& socket, int index, const IpPrefix& prefix, const std::optional<IpPrefix>& peer) {
  NetlinkMessage message(RTM_DELADDR, 0);
  EncodeIdentity(message, index, prefix, peer, RT_SCOPE_UNIVERSE);
  return socket.Request(message, "delete address " + prefix.text());
}

}  // namespace runner
