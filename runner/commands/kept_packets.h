// The last packets of one interface, within a bound of memory.
#pragma once
#include <cstdint>
#include <deque>

#include "kernel/packet_socket.h"

namespace runner {

class KeptPackets {
 public:
  void Add(PassedPacket packet) {
    size_ += SizeOf(packet);
    packets_.push_back(std::move(packet));
    ++passed_;
  }
  /// The oldest go.
  void Trim(std::size_t most) {
    while (size_ > most && !packets_.empty()) {
      size_ -= SizeOf(packets_.front());
      packets_.pop_front();
    }
  }

  const std::deque<PassedPacket>& packets() const { return packets_; }
  std::uint64_t passed() const { return passed_; }  // of all times

 private:
  static std::size_t SizeOf(const PassedPacket& packet) { return sizeof packet + packet.bytes.capacity(); }

  std::deque<PassedPacket> packets_;
  std::size_t size_ = 0;
  std::uint64_t passed_ = 0;
};

}  // namespace runner
