// Files of packets in which each packet names its interface: pcapng (draft-ietf-opsawg-pcapng), in this machine's byte
// order.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace runner::pcapng {

/// The file's head; Wireshark shows it before the first packet.
std::string Section();

struct Interface {
  std::uint16_t link_type = 0;
  std::uint32_t most = 0;  // bytes kept of a packet
  std::string name = {};
  bool in_nanoseconds = false;  // what the times of its packets count; else microseconds
};
/// Each describes the next interface, which are numbered from 0.
std::string Describe(const Interface& interface);

struct Packet {
  std::uint32_t interface = 0;
  std::uint64_t time = 0;
  std::uint32_t length = 0;  // as it passed; `bytes` may be less
  std::string_view bytes = {};
  std::optional<bool> is_outgoing = {};
};
std::string Write(const Packet& packet);

struct Statistics {
  std::uint32_t interface = 0;
  std::uint64_t time = 0;       // as of its packets
  std::uint64_t passed = 0;     // all packets
  std::uint64_t lost = 0;       // of which so many were never read
  std::uint64_t delivered = 0;  // and so many are in the file
};
std::string Write(const Statistics& statistics);

}  // namespace runner::pcapng

namespace runner {

/// From pcap streams (draft-ietf-opsawg-pcap, in this machine's byte order, as a local tcpdump writes them) to one
/// pcapng file: an interface description for each stream, named, then its packets as they come.
class PcapMerger {
 public:
  using Write = std::function<Status(std::string_view bytes)>;
  PcapMerger(std::vector<std::string> interfaces, Write write);

  Status Begin();
  /// The next bytes of the stream of interface `index`, cut anywhere. An error of `write`, or a stream that is no pcap.
  Status Take(std::size_t index, std::string_view bytes);

 private:
  struct Stream {
    std::string name;
    std::string pending = {};
    bool is_described = false;
    std::uint32_t id = 0;          // its number in the file, in the order of the descriptions
    std::uint64_t per_second = 0;  // what its times count
  };

  Status Describe(Stream& stream);
  Status Pass(Stream& stream);

  std::vector<Stream> streams_;
  Write write_;
  std::uint32_t described_ = 0;
};

}  // namespace runner
