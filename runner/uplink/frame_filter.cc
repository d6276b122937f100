#include "uplink/frame_filter.h"

#include <algorithm>

namespace runner {
namespace {

constexpr std::uint8_t kEchoRequest6 = 128;
constexpr std::uint8_t kRouterSolicitation = 133;
constexpr std::uint8_t kNeighbourAdvertisement = 136;

// Takes URG away and keeps the checksum right (RFC 1624): whoever sends urgent data through libslirp 4.7 reads its
// heap.
void ClearUrgent(std::uint8_t* tcp) {
  const std::uint16_t flags = Get16(tcp + 12);
  const std::uint16_t pointer = Get16(tcp + 18);
  if ((flags & kTcpUrgent) == 0 && pointer == 0) return;
  const auto cleared = static_cast<std::uint16_t>(flags & ~kTcpUrgent);
  std::uint32_t sum = static_cast<std::uint16_t>(~Get16(tcp + 16));
  sum += static_cast<std::uint16_t>(~flags);
  sum += cleared;
  sum += static_cast<std::uint16_t>(~pointer);
  Put16(tcp + 12, cleared);
  Put16(tcp + 18, 0);
  Put16(tcp + 16, Checksum(sum));
}

Verdict ParseTransport(Packet& packet) {
  const auto l4 = packet.l4_bytes();
  switch (packet.protocol) {
    case kProtoTcp: {
      if (l4.size() < 20) return Verdict::kRunt;
      const std::size_t header = std::size_t{l4[12]} >> 4 << 2;
      if (header < 20 || header > l4.size()) return Verdict::kMalformed;
      ClearUrgent(l4.data());
      packet.type = l4[13];
      break;
    }
    case kProtoUdp:
      if (l4.size() < 8) return Verdict::kRunt;
      if (Get16(&l4[4]) != l4.size()) return Verdict::kMalformed;
      break;
    case kProtoIcmp:
    case kProtoIcmp6:
      if (l4.size() < 8) return Verdict::kRunt;
      packet.type = l4[0];
      return Verdict::kPass;
    default:
      return Verdict::kProtocol;
  }
  packet.source_port = Get16(&l4[0]);
  packet.destination_port = Get16(&l4[2]);
  return Verdict::kPass;
}

Verdict ParseIpv4(Packet& packet) {
  const auto ip = packet.frame.subspan(kEthernetHeader);
  if (ip.size() < 20) return Verdict::kRunt;
  // 0x45: version 4, no options (source routes are one).
  if (ip[0] != 0x45) return Verdict::kMalformed;
  const std::size_t length = Get16(&ip[2]);
  if (length < 20 || length > ip.size()) return Verdict::kMalformed;
  if ((Get16(&ip[6]) & 0x3fff) != 0) return Verdict::kFragment;
  packet.frame = packet.frame.first(kEthernetHeader + length);
  packet.source = IpAddress::FromBytes(Family::kIpv4, &ip[12]);
  packet.destination = IpAddress::FromBytes(Family::kIpv4, &ip[16]);
  packet.protocol = ip[9];
  packet.l4 = kEthernetHeader + 20;
  if (packet.protocol == kProtoIcmp6) return Verdict::kProtocol;
  return ParseTransport(packet);
}

Verdict ParseIpv6(Packet& packet) {
  const auto ip = packet.frame.subspan(kEthernetHeader);
  if (ip.size() < 40) return Verdict::kRunt;
  if (ip[0] >> 4 != 6) return Verdict::kMalformed;
  const std::size_t length = Get16(&ip[4]);
  if (40 + length > ip.size()) return Verdict::kMalformed;
  packet.frame = packet.frame.first(kEthernetHeader + 40 + length);
  packet.source = IpAddress::FromBytes(Family::kIpv6, &ip[8]);
  packet.destination = IpAddress::FromBytes(Family::kIpv6, &ip[24]);
  packet.protocol = ip[6];
  packet.l4 = kEthernetHeader + 40;
  if (packet.protocol == kProtoFragment6) return Verdict::kFragment;
  if (packet.protocol == kProtoIcmp) return Verdict::kProtocol;
  return ParseTransport(packet);
}

Verdict ParseArp(const Packet& packet) {
  const auto arp = packet.frame.subspan(kEthernetHeader);
  if (arp.size() < 28) return Verdict::kRunt;
  // Ethernet and IPv4, addresses of 6 and 4 bytes.
  if (Get16(&arp[0]) != 1 || Get16(&arp[2]) != kEtherIpv4 || arp[4] != 6 || arp[5] != 4) return Verdict::kMalformed;
  return Verdict::kPass;
}

bool StartsWith(const IpAddress& address, std::initializer_list<std::uint8_t> bytes) {
  return std::equal(bytes.begin(), bytes.end(), address.bytes());
}

// ::/8 holds ::, ::1, the IPv4-mapped and the IPv4-compatible addresses: none of them is on a wire.
bool MeansThisHost(const IpAddress& address) {
  if (address.is_ipv6()) return StartsWith(address, {0});
  return address.bytes()[0] == 127 || address.bytes()[0] == 0 || address.ipv4() == 0xffffffff;
}

}  // namespace

std::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return "passed";
    case Verdict::kRunt:
      return "too short";
    case Verdict::kEthertype:
      return "not ARP or IP";
    case Verdict::kMalformed:
      return "malformed";
    case Verdict::kFragment:
      return "fragment";
    case Verdict::kProtocol:
      return "not TCP, UDP or ICMP";
    case Verdict::kSource:
      return "impossible source";
    case Verdict::kMulticast:
      return "multicast";
    case Verdict::kHostLoopback:
      return "host loopback";
    case Verdict::kOwnNetwork:
      return "unused address of the uplink";
    case Verdict::kService:
      return "DHCP or TFTP";
    case Verdict::kDnsOff:
      return "DNS is off";
    case Verdict::kPolicy:
      return "denied";
  }
  return "";
}

Verdict ParseFrame(std::span<std::uint8_t> frame, Packet& packet) {
  if (frame.size() < kEthernetHeader) return Verdict::kRunt;
  packet = {};
  packet.frame = frame;
  packet.ethertype = Get16(&frame[12]);
  switch (packet.ethertype) {
    case kEtherArp:
      return ParseArp(packet);
    case kEtherIpv4:
      return ParseIpv4(packet);
    case kEtherIpv6:
      return ParseIpv6(packet);
    default:
      return Verdict::kEthertype;
  }
}

FrameFilter::FrameFilter(const UplinkSpec& spec, const std::vector<ForwardSpec>& forwards)
    : spec_(spec),
      forwards_(forwards),
      gateway_(spec.gateway()),
      dns_(spec.dns_address()),
      gateway6_(spec.gateway6().value_or(IpAddress())),
      dns6_(spec.dns_address6().value_or(IpAddress())) {}

bool FrameFilter::IsDns(const Packet& packet) const {
  return packet.destination_port == 53 && (packet.protocol == kProtoUdp || packet.protocol == kProtoTcp) &&
         (packet.destination == dns_ || (spec_.ipv6 && packet.destination == dns6_));
}

Verdict FrameFilter::Check(const Packet& packet) const {
  if (!packet.is_ip()) return Verdict::kPass;
  const bool neighbour_discovery =
      packet.protocol == kProtoIcmp6 && packet.type >= kRouterSolicitation && packet.type <= kNeighbourAdvertisement;
  // An address is looked for from :: before it is used.
  if (neighbour_discovery) return spec_.ipv6 ? Verdict::kPass : Verdict::kProtocol;
  if (packet.destination.is_ipv6() && !spec_.ipv6) return Verdict::kProtocol;
  const IpAddress& source = packet.source;
  if (MeansThisHost(source) || source.is_multicast() || source == gateway_ || source == dns_ ||
      (spec_.ipv6 && (source == gateway6_ || source == dns6_))) {
    return Verdict::kSource;
  }
  return CheckDestination(packet);
}

Verdict FrameFilter::CheckDestination(const Packet& packet) const {
  const IpAddress& to = packet.destination;
  if (to.is_multicast()) return Verdict::kMulticast;
  const bool ping = packet.protocol == kProtoIcmp || packet.protocol == kProtoIcmp6;
  const bool gateway = to == (to.is_ipv6() ? gateway6_ : gateway_);
  const bool dns = to == (to.is_ipv6() ? dns6_ : dns_);
  const bool own = to.is_ipv6() ? spec_.ipv6->Contains(to) : spec_.cidr.Contains(to);

  if (ping && (gateway || dns)) return Verdict::kPass;  // libslirp answers itself.
  if (dns) {
    if (!spec_.dns) return Verdict::kDnsOff;
    return IsDns(packet) ? Verdict::kPass : Verdict::kOwnNetwork;
  }
  if (to.is_ipv6() && to.is_link_local()) {
    // The router's own; everything else there would be the host's link.
    return ping && packet.type == kEchoRequest6 ? Verdict::kPass : Verdict::kHostLoopback;
  }
  if (packet.protocol == kProtoUdp && (gateway || MeansThisHost(to)) &&
      (packet.destination_port == 67 || packet.destination_port == 69 || packet.destination_port == 547)) {
    return Verdict::kService;
  }
  // The gateway's address stands for clients on the host's loopback.
  if (gateway && IsReplyOfPublished(packet)) return Verdict::kPass;
  if (gateway || MeansThisHost(to)) return spec_.host_loopback ? Verdict::kPass : Verdict::kHostLoopback;
  if (own) {
    // libslirp maps the whole IPv6 prefix to ::1, and hands the rest of the IPv4 one to the host's network.
    return to.is_ipv6() && !spec_.host_loopback ? Verdict::kHostLoopback : Verdict::kOwnNetwork;
  }
  if (IsAllowed(to) || IsReplyOfPublished(packet)) return Verdict::kPass;
  return Verdict::kPolicy;
}

bool FrameFilter::IsAllowed(const IpAddress& address) const {
  const auto longest = [&address](const std::vector<IpPrefix>& prefixes) {
    int length = -1;
    for (const IpPrefix& prefix : prefixes) {
      if (prefix.Contains(address)) length = std::max(length, prefix.length());
    }
    return length;
  };
  const int allowed = longest(spec_.allow);
  const int denied = longest(spec_.deny);
  if (allowed < 0 && denied < 0) return spec_.allow.empty() || !spec_.deny.empty();
  return allowed > denied;
}

bool FrameFilter::IsReplyOfPublished(const Packet& packet) const {
  // A connection of a client never begins with a bare SYN from the server. UDP replies are taken by the forwarder
  // before the filter.
  if (packet.protocol != kProtoTcp || (packet.type & (kTcpSyn | kTcpAck)) == kTcpSyn) return false;
  return std::any_of(forwards_.begin(), forwards_.end(), [&packet](const ForwardSpec& forward) {
    return forward.protocol == ForwardSpec::Protocol::kTcp && forward.target == packet.source &&
           packet.source_port >= forward.first_port && packet.source_port <= forward.last_port;
  });
}

}  // namespace runner
