// Several streams of packets, as tcpdump writes them, in one file in which each packet names its interface.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace runner {

/// From pcap streams (draft-ietf-opsawg-pcap, in this machine's byte order, as a local tcpdump writes them) to one
/// pcapng file (draft-ietf-opsawg-pcapng): an interface description for each stream, named, then its packets as they
/// come.
class PcapMerger {
 public:
  using Write = std::function<Status(std::string_view bytes)>;
  PcapMerger(std::vector<std::string> interfaces, Write write);

  /// The file's head; Wireshark shows it before the first packet.
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
