// The receiving half of a TCP connection (RFC 9293 3.10.7.4): what comes in order goes on at once, what the next one
// does not take yet waits, and what comes early is kept until the hole before it is filled.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <vector>

namespace runner {

class TcpReceiver {
 public:
  /// Takes as much as it can, and says how much that was.
  using Deliver = std::function<std::size_t(std::span<const std::uint8_t> bytes)>;

  /// `next` is the number of the first byte.
  explicit TcpReceiver(std::uint32_t next) : next_(next), edge_(next) {}

  /// The window to be told when `room` bytes may wait, in whole units of so many bytes. It is never less than what was
  /// told before, and so much is taken.
  std::size_t Offer(std::size_t room, std::size_t unit);
  /// A segment's payload, at most what the window allows.
  void Take(std::uint32_t sequence, std::span<const std::uint8_t> payload, const Deliver& deliver);
  /// The next one takes more again.
  void Flush(const Deliver& deliver);

  /// The number behind all that came in order: what is acknowledged.
  std::uint32_t next() const { return next_; }
  /// Bytes from there on that were told.
  std::size_t window() const { return edge_ - next_; }
  std::size_t waiting() const { return waiting_.size() - taken_; }
  bool has_early() const { return !early_.empty(); }

 private:
  void Accept(std::span<const std::uint8_t> bytes, const Deliver& deliver);

  std::uint32_t next_;
  std::uint32_t edge_;
  std::vector<std::uint8_t> waiting_;
  std::size_t taken_ = 0;  // of waiting_, from its beginning
  std::map<std::uint32_t, std::vector<std::uint8_t>> early_;
  std::size_t early_bytes_ = 0;
};

}  // namespace runner
