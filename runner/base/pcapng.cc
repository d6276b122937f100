#include "base/pcapng.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace runner {
namespace {

constexpr std::uint32_t kSectionHeader = 0x0a0d0d0a;
constexpr std::uint32_t kByteOrder = 0x1a2b3c4d;
constexpr std::uint32_t kInterfaceDescription = 1;
constexpr std::uint32_t kInterfaceStatistics = 5;
constexpr std::uint32_t kEnhancedPacket = 6;

// Options, by code and block.
constexpr std::uint16_t kEndOfOptions = 0;
constexpr std::uint16_t kApplication = 4;      // shb_userappl
constexpr std::uint16_t kInterfaceName = 2;    // if_name
constexpr std::uint16_t kTimeResolution = 9;   // if_tsresol
constexpr std::uint16_t kFlags = 2;            // epb_flags
constexpr std::uint16_t kReceived = 4;         // isb_ifrecv
constexpr std::uint16_t kDroppedBySystem = 7;  // isb_osdrop
constexpr std::uint16_t kDelivered = 8;        // isb_usrdeliv

constexpr std::uint32_t kInbound = 1;
constexpr std::uint32_t kOutbound = 2;

/// A block as it grows: type, length, body, length again.
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
    value = value.substr(0, std::numeric_limits<std::uint16_t>::max());
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

std::string PcapngHeader() {
  constexpr std::uint64_t kUnknownLength = ~std::uint64_t{0};
  Block block(kSectionHeader);
  block.Add(kByteOrder).Add(std::uint16_t{1}).Add(std::uint16_t{0}).Add(kUnknownLength);
  return block.AddOption(kApplication, "toporun").AddOption(kEndOfOptions, "").Finish();
}

std::string PcapngBlock(const PcapngInterface& interface) {
  Block block(kInterfaceDescription);
  block.Add(interface.link_type).Add(std::uint16_t{0}).Add(interface.longest_packet);
  block.AddOption(kInterfaceName, interface.name);
  // Digits behind the second's point.
  block.AddOption(kTimeResolution, interface.time == PcapngTime::kNanoseconds ? "\x09" : "\x06");
  return block.AddOption(kEndOfOptions, "").Finish();
}

std::string PcapngBlock(const PcapngPacket& packet) {
  Block block(kEnhancedPacket);
  block.Add(packet.interface).AddTime(packet.time);
  block.Add(static_cast<std::uint32_t>(packet.bytes.size())).Add(packet.length).AddPadded(packet.bytes);
  if (packet.is_outgoing) {
    block.AddNumber(kFlags, *packet.is_outgoing ? kOutbound : kInbound).AddOption(kEndOfOptions, "");
  }
  return block.Finish();
}

std::string PcapngBlock(const PcapngStatistics& statistics) {
  Block block(kInterfaceStatistics);
  block.Add(statistics.interface).AddTime(statistics.time);
  block.AddNumber(kReceived, statistics.passed).AddNumber(kDroppedBySystem, statistics.lost);
  return block.AddNumber(kDelivered, statistics.delivered).AddOption(kEndOfOptions, "").Finish();
}

}  // namespace runner
