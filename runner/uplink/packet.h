// Frames as the uplink sees them: parsed once with every length checked, checksums, and frames built from payload.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/ip.h"
#include "base/mac.h"

namespace runner {

inline constexpr std::size_t kEthernetHeader = 14;
inline constexpr std::size_t kIpv6Header = 40;
inline constexpr std::uint16_t kEtherIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherArp = 0x0806;
inline constexpr std::uint16_t kEtherIpv6 = 0x86dd;
inline constexpr std::uint8_t kProtoIcmp = 1;
inline constexpr std::uint8_t kProtoTcp = 6;
inline constexpr std::uint8_t kProtoUdp = 17;
inline constexpr std::uint8_t kProtoFragment6 = 44;
inline constexpr std::uint8_t kProtoIcmp6 = 58;
// TCP's flags (RFC 9293 3.1).
inline constexpr std::uint8_t kTcpFin = 0x01;
inline constexpr std::uint8_t kTcpSyn = 0x02;
inline constexpr std::uint8_t kTcpReset = 0x04;
inline constexpr std::uint8_t kTcpPush = 0x08;
inline constexpr std::uint8_t kTcpAck = 0x10;
inline constexpr std::uint8_t kTcpUrgent = 0x20;
inline constexpr std::size_t kTcpChecksum = 16;  // its place in the header

inline std::uint16_t Get16(const std::uint8_t* at) { return static_cast<std::uint16_t>(at[0] << 8 | at[1]); }
inline void Put16(std::uint8_t* at, std::size_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}
inline void Put32(std::uint8_t* at, std::uint32_t value) {
  Put16(at, value >> 16);
  Put16(at + 2, value & 0xffff);
}
inline std::uint32_t Get32(const std::uint8_t* at) {
  return static_cast<std::uint32_t>(Get16(at)) << 16 | Get16(at + 2);
}

/// The one's complement sum of big-endian words, not yet inverted; chain by passing the former sum. Only the last part
/// of a chain may have an odd length.
std::uint32_t SumWords(std::span<const std::uint8_t> bytes, std::uint32_t sum = 0);
/// Folded and inverted, as it stands in a header.
std::uint16_t Checksum(std::uint32_t sum);
/// Replaces whole words under a checksum without reading what else it covers (RFC 1624).
void ReplaceUnder(std::uint8_t* at, std::span<const std::uint8_t> with, std::uint8_t* checksum);

/// Of sequence numbers: whether `a` is behind `b` (RFC 9293 3.4).
inline bool SequenceBefore(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) < 0; }

/// A frame with ARP, or with IPv4 or IPv6 around TCP, UDP or ICMP; nothing else is let through.
struct Packet {
  std::span<std::uint8_t> frame;  // up to the end of the IP packet; padding is cut off
  std::uint16_t ethertype = 0;
  IpAddress source;  // unset for ARP
  IpAddress destination;
  std::uint8_t protocol = 0;
  std::size_t l4 = 0;             // offset in `frame`
  std::uint16_t source_port = 0;  // TCP and UDP
  std::uint16_t destination_port = 0;
  std::uint8_t type = 0;  // ICMP's type; TCP's flags
  bool summed = false;    // its checksum is known to be right
  bool is_ip() const { return ethertype != kEtherArp; }
  std::span<std::uint8_t> l4_bytes() const { return frame.subspan(l4); }
  /// What a UDP datagram carries.
  std::span<std::uint8_t> udp_payload() const { return frame.subspan(l4 + 8); }
};

/// Sum over the pseudo header (RFC 793, RFC 8200 8.1).
std::uint32_t PseudoHeaderSum(const IpAddress& source, const IpAddress& destination, std::uint8_t protocol,
                              std::size_t length);

struct UdpEndpoint {
  IpAddress address;
  std::uint16_t port = 0;
  friend auto operator<=>(const UdpEndpoint&, const UdpEndpoint&) = default;
};

/// A TCP connection as the lab's side of the uplink sees it.
struct TcpConnection {
  UdpEndpoint lab;
  UdpEndpoint other;
  friend auto operator<=>(const TcpConnection&, const TcpConnection&) = default;
  static TcpConnection OfLab(const Packet& packet) {
    return {{packet.source, packet.source_port}, {packet.destination, packet.destination_port}};
  }
  /// Of a frame to the lab with whole IP and TCP headers.
  static TcpConnection OfFrameToLab(std::span<const std::uint8_t> frame);
};

/// Bytes of the IP header of an IP frame.
inline std::size_t IpHeaderOf(std::span<const std::uint8_t> frame) {
  return Get16(&frame[12]) == kEtherIpv6 ? 40 : std::size_t{frame[kEthernetHeader]} % 16 * 4;
}

/// The protocol of a frame that holds an IP header and, for TCP, a whole TCP header; 0 for any other.
std::uint8_t ProtocolOf(std::span<const std::uint8_t> frame);

/// The option of this kind and length in a whole TCP header; null where there is none.
std::uint8_t* FindTcpOption(std::span<std::uint8_t> header, std::uint8_t kind, std::size_t length);

/// Writes the length of an IP packet whose frame, were it in one piece, would have `size` bytes; IPv4's checksum too.
void SetIpLength(std::span<std::uint8_t> headers, std::size_t size);

struct TcpFields {
  std::uint8_t flags = 0;
  std::uint32_t sequence = 0;
  std::uint32_t acknowledged = 0;
  std::uint16_t window = 0;
};
/// A segment without payload as the lab would have sent it: libslirp looks at the numbers and the checksums.
std::vector<std::uint8_t> BuildOfLab(const TcpConnection& connection, const TcpFields& fields);

/// A whole frame with right checksums, in place of what `frame` was; false if the payload is more than a datagram
/// holds. It may be longer than an MTU: IPv6 is to be fragmented by whoever sends it, IPv4 by the kernel where it
/// routes, or where the interface does not take it.
bool BuildUdp(std::vector<std::uint8_t>& frame, const MacAddress& source_mac, const MacAddress& destination_mac,
              const UdpEndpoint& source, const UdpEndpoint& destination, std::span<const std::uint8_t> payload);

/// An IPv6 frame over `mtu` in fragments (RFC 8200 4.5); others as they are.
std::vector<std::vector<std::uint8_t>> FragmentIpv6(std::span<const std::uint8_t> frame, std::uint32_t mtu);
/// An IPv4 frame over `mtu` in fragments (RFC 791 3.2), whether or not it may be; others not at all.
std::vector<std::vector<std::uint8_t>> FragmentIpv4(std::span<const std::uint8_t> frame, std::uint32_t mtu);

}  // namespace runner
