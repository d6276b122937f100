#include "uplink/packet.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

namespace runner {
namespace {

constexpr std::size_t kUdpHeader = 8;

void PutEthernet(std::uint8_t* at, const MacAddress& source, const MacAddress& destination, std::uint16_t ethertype) {
  std::memcpy(at, destination.bytes(), 6);
  std::memcpy(at + 6, source.bytes(), 6);
  Put16(at + 12, ethertype);
}

std::uint32_t NextFragmentId() {
  static std::uint32_t id = 0;
  return ++id;
}

}  // namespace

std::uint32_t SumWords(std::span<const std::uint8_t> bytes, std::uint32_t sum) {
  // In the machine's order, for a one's complement sum may be swapped at the end; 32 bits at a time into lanes of 64,
  // of which none overflows.
  using Wide = std::uint64_t __attribute__((vector_size(16)));
  constexpr Wide kLow = {0xffffffff, 0xffffffff};
  std::array<Wide, 4> lanes = {};
  std::size_t at = 0;
  for (; at + 32 <= bytes.size(); at += 32) {
    Wide first;
    Wide second;
    std::memcpy(&first, bytes.data() + at, 16);
    std::memcpy(&second, bytes.data() + at + 16, 16);
    lanes[0] += first & kLow;
    lanes[1] += first >> 32;
    lanes[2] += second & kLow;
    lanes[3] += second >> 32;
  }
  const Wide all = lanes[0] + lanes[1] + lanes[2] + lanes[3];
  std::uint64_t total = all[0] + all[1];
  for (; at < bytes.size(); at += 4) {
    std::uint32_t word = 0;
    std::memcpy(&word, bytes.data() + at, std::min<std::size_t>(4, bytes.size() - at));
    total += word;
  }
  while (total >> 16 != 0) total = (total & 0xffff) + (total >> 16);
  if constexpr (std::endian::native == std::endian::little) total = (total & 0xff) << 8 | total >> 8;
  return sum + static_cast<std::uint32_t>(total);
}

std::uint16_t Checksum(std::uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

void ReplaceUnder(std::uint8_t* at, std::span<const std::uint8_t> with, std::uint8_t* checksum) {
  std::uint32_t sum = static_cast<std::uint16_t>(~Get16(checksum));
  for (std::size_t i = 0; i < with.size(); i += 2) {
    sum += static_cast<std::uint16_t>(~Get16(at + i));
    sum += Get16(&with[i]);
  }
  std::copy(with.begin(), with.end(), at);
  Put16(checksum, Checksum(sum));
}

std::uint32_t PseudoHeaderSum(const IpAddress& source, const IpAddress& destination, std::uint8_t protocol,
                              std::size_t length) {
  std::uint32_t sum = SumWords({source.bytes(), source.size()});
  sum = SumWords({destination.bytes(), destination.size()}, sum);
  return sum + protocol + static_cast<std::uint32_t>(length >> 16) + static_cast<std::uint32_t>(length & 0xffff);
}

std::vector<std::vector<std::uint8_t>> FragmentIpv6(std::span<const std::uint8_t> frame, std::uint32_t mtu) {
  const std::size_t limit = kEthernetHeader + std::max<std::size_t>(mtu, 1280);
  if (frame.size() <= limit || Get16(&frame[12]) != kEtherIpv6) return {{frame.begin(), frame.end()}};
  constexpr std::size_t kHeaders = kEthernetHeader + kIpv6Header;
  constexpr std::size_t kFragmentHeader = 8;
  // All but the last carry a multiple of eight bytes.
  const std::size_t step = (limit - kHeaders - kFragmentHeader) / 8 * 8;
  const auto payload = frame.subspan(kHeaders);
  const std::uint32_t id = NextFragmentId();
  std::vector<std::vector<std::uint8_t>> fragments;
  for (std::size_t at = 0; at < payload.size(); at += step) {
    const auto part = payload.subspan(at, std::min(step, payload.size() - at));
    auto& out = fragments.emplace_back(kHeaders + kFragmentHeader + part.size());
    std::copy_n(frame.begin(), kHeaders, out.begin());
    Put16(&out[kEthernetHeader + 4], kFragmentHeader + part.size());
    std::uint8_t* header = &out[kHeaders];
    header[0] = std::exchange(out[kEthernetHeader + 6], kProtoFragment6);
    Put16(header + 2, at | (at + part.size() < payload.size() ? 1U : 0U));
    Put16(header + 4, id >> 16);
    Put16(header + 6, id & 0xffff);
    std::copy(part.begin(), part.end(), header + kFragmentHeader);
  }
  return fragments;
}

std::vector<std::vector<std::uint8_t>> FragmentIpv4(std::span<const std::uint8_t> frame, std::uint32_t mtu) {
  std::vector<std::vector<std::uint8_t>> fragments;
  constexpr std::size_t kLeastMtu = 68;
  if (ProtocolOf(frame) == 0 || Get16(&frame[12]) != kEtherIpv4 || mtu < kLeastMtu) return fragments;
  const std::size_t ip_header = IpHeaderOf(frame);
  const std::size_t headers = kEthernetHeader + ip_header;
  if (ip_header < 20 || frame.size() <= kEthernetHeader + mtu) return fragments;
  const std::size_t step = (mtu - ip_header) / 8 * 8;
  const auto payload = frame.subspan(headers);
  // It may be a fragment itself.
  constexpr std::uint32_t kMore = 0x2000;
  const std::uint32_t whole = Get16(&frame[kEthernetHeader + 6]) & 0x3fffU;
  for (std::size_t at = 0; at < payload.size(); at += step) {
    const auto part = payload.subspan(at, std::min(step, payload.size() - at));
    auto& out = fragments.emplace_back(headers + part.size());
    std::copy_n(frame.begin(), headers, out.begin());
    std::copy(part.begin(), part.end(), &out[headers]);
    std::uint8_t* ip = &out[kEthernetHeader];
    Put16(ip + 2, ip_header + part.size());
    Put16(ip + 6, (whole + at / 8) | (at + part.size() < payload.size() ? kMore : 0U));
    Put16(ip + 10, 0);
    Put16(ip + 10, Checksum(SumWords({ip, ip_header})));
  }
  return fragments;
}

std::uint8_t ProtocolOf(std::span<const std::uint8_t> frame) {
  if (frame.size() < kEthernetHeader + 20) return 0;
  const std::uint8_t* ip = &frame[kEthernetHeader];
  const std::uint16_t ethertype = Get16(&frame[12]);
  if (ethertype != kEtherIpv4 && (ethertype != kEtherIpv6 || frame.size() < kEthernetHeader + kIpv6Header)) return 0;
  const bool ipv6 = ethertype == kEtherIpv6;
  const std::uint8_t protocol = ip[ipv6 ? 6 : 9];
  const std::size_t ip_header = ipv6 ? kIpv6Header : std::size_t{ip[0]} % 16 * 4;
  if (protocol == kProtoTcp && (ip_header < 20 || frame.size() < kEthernetHeader + ip_header + 20)) return 0;
  return protocol;
}

TcpConnection TcpConnection::OfFrameToLab(std::span<const std::uint8_t> frame) {
  const bool ipv6 = Get16(&frame[12]) == kEtherIpv6;
  const Family family = ipv6 ? Family::kIpv6 : Family::kIpv4;
  const std::uint8_t* ip = &frame[kEthernetHeader];
  const std::uint8_t* addresses = ip + (ipv6 ? 8 : 12);
  const std::uint8_t* tcp = ip + IpHeaderOf(frame);
  return {.lab = {IpAddress::FromBytes(family, addresses + (ipv6 ? 16 : 4)), Get16(tcp + 2)},
          .other = {IpAddress::FromBytes(family, addresses), Get16(tcp)}};
}

std::uint8_t* FindTcpOption(std::span<std::uint8_t> header, std::uint8_t kind, std::size_t length) {
  constexpr std::uint8_t kEnd = 0;
  constexpr std::uint8_t kNone = 1;
  for (std::size_t at = 20; at < header.size() && header[at] != kEnd;) {
    if (header[at] == kNone) {
      ++at;
      continue;
    }
    if (at + 1 >= header.size()) break;
    const std::size_t size = header[at + 1];
    if (size < 2 || at + size > header.size()) break;
    if (header[at] == kind && size == length) return &header[at];
    at += size;
  }
  return nullptr;
}

void SetIpLength(std::span<std::uint8_t> headers, std::size_t size) {
  std::uint8_t* ip = &headers[kEthernetHeader];
  const std::size_t length = size - kEthernetHeader;
  if (Get16(&headers[12]) == kEtherIpv6) return Put16(ip + 4, length - kIpv6Header);
  Put16(ip + 2, length);
  Put16(ip + 10, 0);
  Put16(ip + 10, Checksum(SumWords({ip, IpHeaderOf(headers)})));
}

std::vector<std::uint8_t> BuildOfLab(const TcpConnection& connection, const TcpFields& fields) {
  const auto& [source, destination] = connection;
  const bool ipv6 = source.address.is_ipv6();
  const std::size_t ip_header = ipv6 ? 40 : 20;
  constexpr std::size_t kTcpHeader = 20;
  std::vector<std::uint8_t> frame(kEthernetHeader + ip_header + kTcpHeader);
  Put16(&frame[12], ipv6 ? kEtherIpv6 : kEtherIpv4);
  std::uint8_t* ip = &frame[kEthernetHeader];
  const std::size_t size = source.address.size();
  std::uint8_t* addresses = ip + (ipv6 ? 8 : 12);
  std::copy_n(source.address.bytes(), size, addresses);
  std::copy_n(destination.address.bytes(), size, addresses + size);
  if (ipv6) {
    ip[0] = 0x60;
    Put16(ip + 4, kTcpHeader);
    ip[6] = kProtoTcp;
    ip[7] = 64;
  } else {
    ip[0] = 0x45;
    Put16(ip + 2, ip_header + kTcpHeader);
    ip[8] = 64;
    ip[9] = kProtoTcp;
    Put16(ip + 10, Checksum(SumWords({ip, ip_header})));
  }
  std::uint8_t* tcp = ip + ip_header;
  Put16(tcp, source.port);
  Put16(tcp + 2, destination.port);
  Put32(tcp + 4, fields.sequence);
  Put32(tcp + 8, fields.acknowledged);
  tcp[12] = kTcpHeader / 4 << 4;
  tcp[13] = fields.flags;
  Put16(tcp + 14, fields.window);
  const std::uint32_t sum = PseudoHeaderSum(source.address, destination.address, kProtoTcp, kTcpHeader);
  Put16(tcp + kTcpChecksum, Checksum(SumWords({tcp, kTcpHeader}, sum)));
  return frame;
}

bool BuildUdp(std::vector<std::uint8_t>& frame, const MacAddress& source_mac, const MacAddress& destination_mac,
              const UdpEndpoint& source, const UdpEndpoint& destination, std::span<const std::uint8_t> payload) {
  const bool ipv6 = source.address.is_ipv6();
  const std::size_t ip_header = ipv6 ? kIpv6Header : 20;
  const std::size_t udp_length = kUdpHeader + payload.size();
  // IPv6 does not count its own header.
  if ((ipv6 ? 0 : ip_header) + udp_length > 65535) return false;
  frame.resize(kEthernetHeader + ip_header + udp_length);
  std::fill_n(frame.begin(), kEthernetHeader + ip_header, std::uint8_t{0});
  PutEthernet(frame.data(), source_mac, destination_mac, ipv6 ? kEtherIpv6 : kEtherIpv4);
  std::uint8_t* ip = &frame[kEthernetHeader];
  if (ipv6) {
    ip[0] = 0x60;
    Put16(ip + 4, udp_length);
    ip[6] = kProtoUdp;
    ip[7] = 64;
    std::memcpy(ip + 8, source.address.bytes(), 16);
    std::memcpy(ip + 24, destination.address.bytes(), 16);
  } else {
    ip[0] = 0x45;
    Put16(ip + 2, ip_header + udp_length);
    Put16(ip + 4, NextFragmentId());
    ip[8] = 64;
    ip[9] = kProtoUdp;
    std::memcpy(ip + 12, source.address.bytes(), 4);
    std::memcpy(ip + 16, destination.address.bytes(), 4);
    Put16(ip + 10, Checksum(SumWords({ip, ip_header})));
  }
  std::uint8_t* udp = ip + ip_header;
  Put16(udp + 6, 0);  // the checksum, while it is made
  Put16(udp, source.port);
  Put16(udp + 2, destination.port);
  Put16(udp + 4, udp_length);
  std::copy(payload.begin(), payload.end(), udp + kUdpHeader);
  const std::uint16_t sum = Checksum(
      SumWords({udp, udp_length}, PseudoHeaderSum(source.address, destination.address, kProtoUdp, udp_length)));
  Put16(udp + 6, sum == 0 ? 0xffff : sum);  // 0 says "no checksum".
  return true;
}

}  // namespace runner
