// The sending half of a TCP connection: what is sent, kept until it is acknowledged, and sent again. It follows RFC
// 9293 (3.8.4 to 3.8.6), RFC 6298 (retransmission timer), RFC 5681 and 6582 (congestion, NewReno), and has neither
// sockets nor a clock of its own.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "uplink/packet.h"

namespace runner {

class TcpSender {
 public:
  struct Segment {
    std::uint32_t sequence = 0;
    std::span<const std::uint8_t> payload;  // valid until the next call
    bool push = false;                      // nothing is behind it
  };
  /// Of the receiver: what its segment says. `window` is in bytes.
  struct Acknowledgement {
    std::uint32_t number = 0;
    std::uint32_t sequence = 0;
    std::size_t window = 0;
    bool bare = true;  // neither payload nor SYN nor FIN
  };

  static constexpr std::size_t kMostKept = 1U << 20;
  /// Read ahead of what may be sent: the next segments are there when the window opens.
  static constexpr std::size_t kAhead = 256U << 10;

  /// `next` is the number of the first byte; `segment` what the receiver takes at a time, `burst` what may be handed
  /// over at once, to be cut by another.
  TcpSender(std::uint32_t next, std::size_t segment, std::size_t burst);

  /// Where bytes to be sent go, at most `limit` kept in all; empty when enough is there.
  std::span<std::uint8_t> Room(std::size_t limit = kMostKept);
  bool wants(std::size_t limit) const { return unsent() < kAhead && kept_ < limit; }
  /// So many of them are there.
  void Filled(std::size_t bytes) { kept_ += bytes; }

  void Acknowledged(const Acknowledgement& got, std::int64_t now);
  /// What is to be sent now, one after the other until there is none.
  std::optional<Segment> Next(std::int64_t now);
  /// When Expired is to be called, in milliseconds; -1 is never.
  std::int64_t due() const { return due_; }
  void Expired(std::int64_t now);

  /// Gives up what is kept: nobody will read it.
  void Discard();

  /// The number behind the last byte that was ever sent: what a segment without payload carries.
  std::uint32_t top() const { return top_; }
  /// The window is shut, and next() is its edge.
  bool probing() const { return probing_; }
  std::uint32_t next() const { return next_; }
  bool all_sent() const { return !probing_ && top_ == oldest_ + static_cast<std::uint32_t>(kept_); }
  std::size_t kept() const { return kept_; }
  /// The receiver has not answered for minutes.
  bool given_up() const { return given_up_; }
  std::size_t segment() const { return segment_; }

 private:
  std::size_t flight() const { return top_ - oldest_; }
  std::size_t unsent() const { return kept_ - (next_ - oldest_); }
  void Grow(std::size_t wanted);
  void Forget(std::size_t bytes, std::int64_t now);
  void Duplicate();
  void Measure(std::int64_t milliseconds);
  void Arm(std::int64_t now) { due_ = now + timeout_; }

  std::unique_ptr<std::uint8_t[]> ring_;
  std::size_t capacity_ = 0;
  std::size_t head_ = 0;  // place of oldest_ in the ring
  std::size_t kept_ = 0;

  std::uint32_t oldest_;  // SND.UNA
  std::uint32_t next_;    // SND.NXT
  std::uint32_t top_;     // the highest SND.NXT so far
  std::size_t window_ = 0;
  std::size_t widest_ = 0;         // of all windows
  std::uint32_t window_sequence_;  // SND.WL1, SND.WL2
  std::uint32_t window_number_;
  bool has_window_ = false;

  std::size_t segment_;
  std::size_t burst_;
  std::size_t congestion_;  // cwnd
  std::size_t threshold_;   // ssthresh
  unsigned duplicates_ = 0;
  bool recovering_ = false;
  std::uint32_t recover_;
  bool again_ = false;  // the oldest segment, whatever the window

  bool probing_ = false;  // a closed window
  bool probe_ = false;    // is due
  std::int64_t due_ = -1;
  std::int64_t last_sent_ = 0;
  std::int64_t timeout_;
  unsigned expiries_ = 0;  // in a row
  bool given_up_ = false;
  std::optional<std::uint32_t> timed_;  // acknowledged above it, it gives a round trip
  std::int64_t timed_since_ = 0;
  std::int64_t round_trip_ = -1;  // smoothed, in eighths of a millisecond
  std::int64_t variation_ = 0;    // in quarters
};

}  // namespace runner
