#include "uplink/offload.h"

#include <algorithm>

#include "uplink/packet.h"

namespace runner {
namespace {

constexpr std::size_t kUdpChecksum = 6;

}  // namespace

bool CompleteChecksum(const VnetHeader& header, std::span<std::uint8_t> frame) {
  if ((header.flags & VnetHeader::kNeedsChecksum) == 0) return true;
  const std::size_t start = header.checksum_start;
  const std::size_t field = start + header.checksum_offset;
  if (field + 2 > frame.size()) return false;
  // The field holds the pseudo header's sum.
  std::uint16_t sum = Checksum(SumWords(frame.subspan(start)));
  if (sum == 0 && header.checksum_offset == kUdpChecksum) sum = 0xffff;
  Put16(&frame[field], sum);
  return true;
}

VnetHeader PrepareOffload(std::span<std::uint8_t> frame, const Outgoing& outgoing) {
  VnetHeader header = {};
  header.flags = VnetHeader::kDataValid;
  const std::size_t length = frame.size() + outgoing.rest.size();
  const bool fits = length <= kEthernetHeader + outgoing.mtu && (outgoing.segment == 0 || length <= outgoing.segment);
  if (fits && outgoing.cut == 0) return header;

  const std::uint16_t ethertype = Get16(&frame[12]);
  const auto ip = frame.subspan(kEthernetHeader);
  std::size_t ip_header = 0;
  Family family = Family::kIpv4;
  if (ethertype == kEtherIpv4 && ip.size() >= 20 && ip[9] == kProtoTcp) {
    ip_header = std::size_t{ip[0]} % 16 * 4;
  } else if (ethertype == kEtherIpv6 && ip.size() >= 40 && ip[6] == kProtoTcp) {
    ip_header = 40;
    family = Family::kIpv6;
  }
  if (ip_header == 0 || ip.size() < ip_header + 20) return header;
  const auto tcp = ip.subspan(ip_header);
  const std::size_t tcp_header = std::size_t{tcp[12]} >> 4 << 2;
  std::size_t payload = outgoing.mtu - std::min<std::size_t>(outgoing.mtu, ip_header + tcp_header);
  // What a receiver asks for does not count the options of a segment (RFC 6691).
  const std::size_t options = tcp_header - std::min<std::size_t>(tcp_header, 20);
  if (outgoing.segment > options) payload = std::min(payload, outgoing.segment - options);
  if (outgoing.cut > 0) payload = std::min(payload, outgoing.cut);
  const std::size_t of_tcp = tcp.size() + outgoing.rest.size();
  const bool cut = payload > 0 && of_tcp > tcp_header + payload;
  if (!cut && outgoing.cut == 0) return header;

  const std::size_t addresses = family == Family::kIpv4 ? 12 : 8;
  const std::size_t size = family == Family::kIpv4 ? 4 : 16;
  const std::uint32_t sum = PseudoHeaderSum(IpAddress::FromBytes(family, &ip[addresses]),
                                            IpAddress::FromBytes(family, &ip[addresses + size]), kProtoTcp, of_tcp);
  Put16(&tcp[kTcpChecksum], static_cast<std::uint16_t>(~Checksum(sum)));
  header.flags = VnetHeader::kNeedsChecksum;
  header.checksum_start = static_cast<std::uint16_t>(kEthernetHeader + ip_header);
  header.checksum_offset = kTcpChecksum;
  if (!cut) return header;
  header.segments = family == Family::kIpv4 ? VnetHeader::kSegmentsTcp4 : VnetHeader::kSegmentsTcp6;
  header.segment_size = static_cast<std::uint16_t>(payload);
  header.headers = static_cast<std::uint16_t>(kEthernetHeader + ip_header + tcp_header);
  return header;
}

}  // namespace runner
