#include "commands/pcapng.h"

#include <cstring>

#include "base/pcapng.h"

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

Status PcapMerger::Begin() { return write_(PcapngHeader()); }

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
  const bool is_nano = magic == kNanoseconds;
  const PcapngInterface interface {
    .name = stream.name, .link_type = static_cast<std::uint16_t>(Word(stream.pending, 20)),
    .longest_packet = Word(stream.pending, 16), .time = is_nano ? PcapngTime::kNanoseconds : PcapngTime::kMicroseconds
  };
  stream.id = described_++;
  stream.is_described = true;
  stream.per_second = is_nano ? 1'000'000'000 : 1'000'000;
  stream.pending.erase(0, kFileHeader);
  return write_(PcapngBlock(interface));
}

Status PcapMerger::Pass(Stream& stream) {
  std::string_view left = stream.pending;
  while (left.size() >= kPacketHeader) {
    const std::uint32_t captured = Word(left, 8);
    if (captured > kLongestPacket) return Fail("read the packets of " + stream.name, "a length in them cannot be");
    if (left.size() < kPacketHeader + captured) break;
    TRY(write_(PcapngBlock(PcapngPacket{.interface = stream.id,
                                        .time = std::uint64_t{Word(left, 0)} * stream.per_second + Word(left, 4),
                                        .length = Word(left, 12),
                                        .bytes = left.substr(kPacketHeader, captured)})));
    left.remove_prefix(kPacketHeader + captured);
  }
  stream.pending.erase(0, stream.pending.size() - left.size());
  return {};
}

}  // namespace runner
