#include "commands/pcapng.h"

#include <cstring>

namespace runner::pcapng {
namespace {

constexpr std::uint32_t kSectionHeader = 0x0a0d0d0a;
constexpr std::uint32_t kByteOrder = 0x1a2b3c4d;
constexpr std::uint32_t kInterfaceDescription = 1;
constexpr std::uint32_t kInterfaceStatistics = 5;
constexpr std::uint32_t kEnhancedPacket = 6;

// Options, each of its own block.
constexpr std::uint16_t kEndOfOptions = 0;
constexpr std::uint16_t kApplication = 4;
constexpr std::uint16_t kInterfaceName = 2;
constexpr std::uint16_t kTimeResolution = 9;
constexpr std::uint16_t kFlags = 2;
constexpr std::uint16_t kReceived = 4;
constexpr std::uint16_t kDroppedBySystem = 7;
constexpr std::uint16_t kDelivered = 8;

constexpr std::uint32_t kInbound = 1;
constexpr std::uint32_t kOutbound = 2;

/// A block of pcapng as it grows: type, length, body, length again.
class Block {
 public:
  explicit Block(std::uint32_t type) { Add(type).Add(std::uint32_t{0}); }

  template <class Number>
  Block& Add(Number number) {
    bytes_.append(reinterpret_cast<const char*>(&number), sizeof number);
    return *this;
  }
  /// Padded to 32 bits, as all of it is.
  Block& AddPadded(std::string_view bytes) {
    bytes_.append(bytes);
    bytes_.append((4 - bytes.size() % 4) % 4, '\0');
    return *this;
  }
  Block& AddOption(std::uint16_t code, std::string_view value) {
    return Add(code).Add(static_cast<std::uint16_t>(value.size())).AddPadded(value);
  }
  template <class Number>
  Block& AddNumber(std::uint16_t code, Number number) {
    return AddOption(code, {reinterpret_cast<const char*>(&number), sizeof number});
  }
  /// High half first, in whatever byte order.
  Block& AddTime(std::uint64_t time) {
    return Add(static_cast<std::uint32_t>(time >> 32)).Add(static_cast<std::uint32_t>(time));
  }
  std::string Finish() {
    const auto length = static_cast<std::uint32_t>(bytes_.size() + sizeof(std::uint32_t));
    std::memcpy(bytes_.data() + sizeof(std::uint32_t), &length, sizeof length);
    Add(length);
    return std::move(bytes_);
  }

 private:
  std::string bytes_;
};

}  // namespace

std::string Section() {
  constexpr std::uint64_t kUnknownLength = ~std::uint64_t{0};
  Block block(kSectionHeader);
  block.Add(kByteOrder).Add(std::uint16_t{1}).Add(std::uint16_t{0}).Add(kUnknownLength);
  return block.AddOption(kApplication, "toporun").AddOption(kEndOfOptions, "").Finish();
}

std::string Describe(const Interface& interface) {
  Block block(kInterfaceDescription);
  block.Add(interface.link_type).Add(std::uint16_t{0}).Add(interface.most);
  block.AddOption(kInterfaceName, interface.name);
  block.AddOption(kTimeResolution, interface.in_nanoseconds ? "\x09" : "\x06");
  return block.AddOption(kEndOfOptions, "").Finish();
}

std::string Write(const Packet& packet) {
  Block block(kEnhancedPacket);
  block.Add(packet.interface).AddTime(packet.time);
  block.Add(static_cast<std::uint32_t>(packet.bytes.size())).Add(packet.length).AddPadded(packet.bytes);
  if (packet.is_outgoing) {
    block.AddNumber(kFlags, *packet.is_outgoing ? kOutbound : kInbound).AddOption(kEndOfOptions, "");
  }
  return block.Finish();
}

std::string Write(const Statistics& statistics) {
  Block block(kInterfaceStatistics);
  block.Add(statistics.interface).AddTime(statistics.time);
  block.AddNumber(kReceived, statistics.passed).AddNumber(kDroppedBySystem, statistics.lost);
  return block.AddNumber(kDelivered, statistics.delivered).AddOption(kEndOfOptions, "").Finish();
}

}  // namespace runner::pcapng

namespace runner {
namespace {

// Of pcap.
constexpr std::size_t kFileHeader = 24;
constexpr std::size_t kPacketHeader = 16;
constexpr std::uint32_t kMicroseconds = 0xa1b2c3d4;
constexpr std::uint32_t kNanoseconds = 0xa1b23c4d;
constexpr std::uint32_t kLongestPacket = std::uint32_t{1} << 20;

std::uint32_t Word(std::string_view bytes, std::size_t at) {
  std::uint32_t word = 0;
  std::memcpy(&word, bytes.data() + at, sizeof word);
  return word;
}

}  // namespace

PcapMerger::PcapMerger(std::vector<std::string> interfaces, Write write) : write_(std::move(write)) {
  for (std::string& name : interfaces) streams_.push_back({.name = std::move(name)});
}

Status PcapMerger::Begin() { return write_(pcapng::Section()); }

Status PcapMerger::Take(std::size_t index, std::string_view bytes) {
  Stream& stream = streams_[index];
  stream.pending.append(bytes);
  if (!stream.is_described) {
    if (stream.pending.size() < kFileHeader) return {};
    TRY(Describe(stream));
  }
  return Pass(stream);
}

Status PcapMerger::Describe(Stream& stream) {
  const std::uint32_t magic = Word(stream.pending, 0);
  if (magic != kMicroseconds && magic != kNanoseconds) {
    return Fail("read the packets of " + stream.name, "they do not begin as a pcap file does");
  }
  const pcapng::Interface interface {
    .link_type = static_cast<std::uint16_t>(Word(stream.pending, 20)), .most = Word(stream.pending, 16),
    .name = stream.name, .in_nanoseconds = magic == kNanoseconds
  };
  stream.id = described_++;
  stream.is_described = true;
  stream.per_second = magic == kNanoseconds ? 1'000'000'000 : 1'000'000;
  stream.pending.erase(0, kFileHeader);
  return write_(pcapng::Describe(interface));
}

Status PcapMerger::Pass(Stream& stream) {
  std::string_view left = stream.pending;
  while (left.size() >= kPacketHeader) {
    const std::uint32_t captured = Word(left, 8);
    if (captured > kLongestPacket) return Fail("read the packets of " + stream.name, "a length in them cannot be");
    if (left.size() < kPacketHeader + captured) break;
    const std::uint64_t time = std::uint64_t{Word(left, 0)} * stream.per_second + Word(left, 4);
    TRY(write_(pcapng::Write({.interface = stream.id,
                              .time = time,
                              .length = Word(left, 12),
                              .bytes = left.substr(kPacketHeader, captured)})));
    left.remove_prefix(kPacketHeader + captured);
  }
  stream.pending.erase(0, stream.pending.size() - left.size());
  return {};
}

}  // namespace runner
