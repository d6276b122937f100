// Packets of several interfaces in one file, in the format of Wireshark (draft-ietf-opsawg-pcapng): one section in this
// machine's byte order, which is blocks one after another.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace runner {

/// The file's first block.
std::string PcapngHeader();

enum class PcapngTime { kMicroseconds, kNanoseconds };
/// The first interface of a file is its number 0. Packets name it; so it stands before them.
struct PcapngInterface {
  std::string name;
  std::uint16_t link_type = 1;       // LINKTYPE_ETHERNET
  std::uint32_t longest_packet = 0;  // what is kept of one; 0: all
  PcapngTime time = PcapngTime::kMicroseconds;
};
std::string PcapngBlock(const PcapngInterface& interface);

struct PcapngPacket {
  std::uint32_t interface = 0;
  std::uint64_t time = 0;    // since 1970, in the units of its interface
  std::uint32_t length = 0;  // as it passed; `bytes` may be less of it
  std::string_view bytes;
  std::optional<bool> is_outgoing = {};
};
std::string PcapngBlock(const PcapngPacket& packet);

struct PcapngStatistics {
  std::uint32_t interface = 0;
  std::uint64_t time = 0;       // as of its packets
  std::uint64_t passed = 0;     // all packets
  std::uint64_t lost = 0;       // of which so many were never read
  std::uint64_t delivered = 0;  // and so many are in the file
};
std::string PcapngBlock(const PcapngStatistics& statistics);

}  // namespace runner
