#include "uplink/packet.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace runner {
namespace {

constexpr std::size_t kIpv6Header = 40;
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
  // Eight bytes a step, in the machine's order: a one's complement sum may be swapped at the end.
  std::uint64_t total = 0;
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, 8);
    total += word;
    if (total < word) ++total;
  }
  std::uint64_t rest = 0;
  if (at < bytes.size()) std::memcpy(&rest, bytes.data() + at, bytes.size() - at);
  total += rest;
  if (total < rest) ++total;
  total = (total & 0xffffffff) + (total >> 32);
  while (total >> 16 != 0) total = (total & 0xffff) + (total >> 16);
  if constexpr (std::endian::native == std::endian::little) total = (total & 0xff) << 8 | total >> 8;
  return sum + static_cast<std::uint32_t>(total);
}

std::uint16_t Checksum(std::uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
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

std::vector<std::vector<std::uint8_t>> BuildUdp(const MacAddress& source_mac, const MacAddress& destination_mac,
                                                const UdpEndpoint& source, const UdpEndpoint& destination,
                                                std::span<const std::uint8_t> payload, std::uint32_t mtu) {
  const bool ipv6 = source.address.is_ipv6();
  const std::size_t ip_header = ipv6 ? kIpv6Header : 20;
  const std::size_t udp_length = kUdpHeader + payload.size();
  if (ip_header + udp_length > 65535) return {};  // No socket gives so much at once.
  std::vector<std::uint8_t> frame(kEthernetHeader + ip_header + udp_length);
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
  Put16(udp, source.port);
  Put16(udp + 2, destination.port);
  Put16(udp + 4, udp_length);
  std::copy(payload.begin(), payload.end(), udp + kUdpHeader);
  const std::uint16_t sum = Checksum(
      SumWords({udp, udp_length}, PseudoHeaderSum(source.address, destination.address, kProtoUdp, udp_length)));
  Put16(udp + 6, sum == 0 ? 0xffff : sum);  // 0 says "no checksum".
  return FragmentIpv6(frame, mtu);
}

}  // namespace runner
