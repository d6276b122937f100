// The segment size that each TCP connection of the lab asks for. libslirp is told a large one, so that it hands over
// much at a time; the kernel then cuts to what was really asked, which is what routers on the way to a node can take.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "uplink/packet.h"

namespace runner {

class SegmentSizes {
 public:
  SegmentSizes() : entries_(kEntries) {}

  /// A SYN of the lab, alone or with ACK: remembers and returns the size in it, and writes `told` in its place
  /// (checksum kept right).
  std::uint16_t Take(const Packet& syn, std::uint16_t told);
  /// For a TCP frame to the lab: the most payload that its receiver takes, options of TCP counted in; 0 when unknown.
  std::uint16_t Of(std::span<const std::uint8_t> frame) const;

 private:
  // Two connections with one place: the older one is forgotten, and cut to the tap's MTU.
  static constexpr std::size_t kEntries = 8192;
  struct Entry {
    std::uint64_t connection = 0;
    std::uint16_t size = 0;
  };
  std::vector<Entry> entries_;
};

}  // namespace runner
