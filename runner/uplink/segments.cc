#include "uplink/segments.h"

namespace runner {
namespace {

constexpr std::uint8_t kOptionSize = 2;
// Where the option is missing (RFC 9293 3.7.1).
constexpr std::uint16_t kDefault4 = 536;
constexpr std::uint16_t kDefault6 = 1220;

// FNV-1a over addresses and ports, the lab's first.
std::uint64_t Connection(std::span<const std::uint8_t> lab, std::span<const std::uint8_t> other,
                         const std::uint8_t* lab_port, const std::uint8_t* other_port) {
  std::uint64_t hash = 14695981039346656037ULL;
  const auto add = [&hash](std::span<const std::uint8_t> bytes) {
    for (const std::uint8_t byte : bytes) hash = (hash ^ byte) * 1099511628211ULL;
  };
  add(lab);
  add(other);
  add({lab_port, 2});
  add({other_port, 2});
  return hash;
}

}  // namespace

std::uint16_t SegmentSizes::Take(const Packet& syn, std::uint16_t told) {
  const auto tcp = syn.l4_bytes();
  const std::uint64_t connection = Connection({syn.source.bytes(), syn.source.size()},
                                              {syn.destination.bytes(), syn.destination.size()}, &tcp[0], &tcp[2]);
  Entry& entry = entries_[connection % kEntries];
  entry = {.connection = connection, .size = syn.source.is_ipv6() ? kDefault6 : kDefault4};
  std::uint8_t* option = FindTcpOption(tcp.first(std::size_t{tcp[12]} >> 4 << 2), kOptionSize, 4);
  if (option == nullptr) return entry.size;
  std::uint8_t* size = option + 2;
  entry.size = Get16(size);
  // An option may begin at an odd place, where its halves are parts of two words of the sum: swapped, as they stand.
  const bool odd = (size - tcp.data()) % 2 != 0;
  const auto word = [odd](std::uint16_t value) {
    return odd ? static_cast<std::uint16_t>(value << 8 | value >> 8) : value;
  };
  std::uint32_t sum = static_cast<std::uint16_t>(~Get16(&tcp[16]));
  sum += static_cast<std::uint16_t>(~word(entry.size));
  sum += word(told);
  Put16(size, told);
  Put16(&tcp[16], Checksum(sum));
  return entry.size;
}

std::uint16_t SegmentSizes::Of(std::span<const std::uint8_t> frame) const {
  const auto ip = frame.subspan(kEthernetHeader);
  const bool ipv6 = Get16(&frame[12]) == kEtherIpv6;
  const std::size_t addresses = ipv6 ? 8 : 12;
  const std::size_t size = ipv6 ? 16 : 4;
  const std::size_t tcp = IpHeaderOf(frame);
  const std::uint64_t connection =
      Connection(ip.subspan(addresses + size, size), ip.subspan(addresses, size), &ip[tcp + 2], &ip[tcp]);
  const Entry& entry = entries_[connection % kEntries];
  return entry.connection == connection ? entry.size : std::uint16_t{0};
}

}  // namespace runner
