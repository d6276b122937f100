// Consecutive segments of one TCP connection to the lab as one frame: the kernel takes 64 kB at a time and cuts them
// where they have to be cut. What costs is the frame, not its length: the way through the lab's stack, and waking who
// reads.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace runner {

class Coalescer {
 public:
  /// Takes a frame in two parts, of which the second may be empty and the first holds all headers. Of one that was put
  /// together, `segment` is the payload that its parts had, and TCP's checksum is missing; of another, it is 0.
  using Write =
      std::function<void(std::span<std::uint8_t> first, std::span<const std::uint8_t> rest, std::size_t segment)>;
  explicit Coalescer(Write write) : write_(std::move(write)) {}

  /// An IP frame of TCP with whole headers. It is sent at once, or with its successor, or by Flush.
  void Send(std::span<std::uint8_t> frame);
  /// Before any other frame, and when nothing more is due.
  void Flush();

 private:
  static constexpr std::size_t kLongest = 65535;  // an IP packet
  static constexpr std::size_t kWorthIt = 4096;   // bytes of payload; less is not held back

  bool Follows(std::span<const std::uint8_t> frame, std::size_t headers) const;
  void TakeHeaders(std::span<const std::uint8_t> frame, std::size_t headers, std::size_t length);

  Write write_;
  std::vector<std::uint8_t> held_;
  std::size_t headers_ = 0;  // of held_
  std::size_t segment_ = 0;  // payload of the first one in it
  bool merged_ = false;
  std::uint32_t next_ = 0;  // the sequence number behind it
};

}  // namespace runner
