// The packets of one interface as they pass, in both directions, without changing anything about it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/fd.h"

namespace runner {

/// How a packet begins: the numbers of pcap's link types.
enum class PacketHead : std::uint16_t {
  kEthernet = 1,
  kCooked = 113  // LINKTYPE_LINUX_SLL: of what has no head of its own, or one that only the kernel knows
};

struct PassedPacket {
  std::int64_t time = 0;     // nanoseconds since 1970, as the kernel took it
  std::uint32_t length = 0;  // as it passed; `bytes` may be less
  bool is_outgoing = false;
  std::string bytes = {};
};

/// Stays in the namespace where it was opened, and with its interface through down and up. Packets that its user does
/// not take in time are lost, and counted.
class PacketSocket {
 public:
  /// In the calling thread's namespace. Of a packet no more than `most` bytes are kept.
  static Result<PacketSocket> Open(int interface_index, std::uint32_t most);

  PacketHead head() const { return head_; }
  /// The next one, without waiting. On loopback each is seen once.
  std::optional<PassedPacket> Take();
  /// How many were lost since the last call.
  std::uint32_t TakeLost();
  /// Readable when a packet waits.
  int fd() const { return fd_.get(); }

 private:
  PacketSocket(Fd fd, PacketHead head, bool is_loopback, std::uint32_t most)
      : fd_(std::move(fd)), head_(head), is_loopback_(is_loopback), most_(most) {}

  Fd fd_;
  PacketHead head_;
  bool is_loopback_;
  std::uint32_t most_;
};

}  // namespace runner
