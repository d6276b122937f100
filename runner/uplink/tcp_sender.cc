#include "uplink/tcp_sender.h"

#include <algorithm>
#include <bit>

namespace runner {
namespace {

constexpr std::int64_t kFirstTimeout = 1000;
// RFC 6298 asks for a second; 200 ms is what Linux takes.
constexpr std::int64_t kLeastTimeout = 200;
constexpr std::int64_t kMostTimeout = 60000;
constexpr unsigned kMostExpiries = 12;  // more than four minutes
constexpr unsigned kDuplicates = 3;
constexpr std::size_t kInitialSegments = 10;  // RFC 6928
constexpr std::size_t kLeastRing = 16U << 10;
constexpr std::size_t kMostCongestion = 4 * TcpSender::kMostKept;

}  // namespace

TcpSender::TcpSender(std::uint32_t next, std::size_t segment, std::size_t burst)
    : oldest_(next),
      next_(next),
      top_(next),
      window_sequence_(0),
      window_number_(next),
      segment_(segment),
      burst_(std::max(segment, burst - burst % segment)),
      congestion_(kInitialSegments * segment),
      threshold_(kMostCongestion),
      recover_(next - 1),
      timeout_(kFirstTimeout) {}

std::span<std::uint8_t> TcpSender::Room(std::size_t limit) {
  if (!wants(limit)) return {};
  const std::size_t wanted = std::min(kAhead - unsent(), limit - kept_);
  if (kept_ + wanted > capacity_ && capacity_ < kMostKept) Grow(kept_ + wanted);
  if (kept_ == 0) head_ = 0;
  const std::size_t tail = (head_ + kept_) % capacity_;
  const std::size_t free = std::min(wanted, capacity_ - kept_);
  return {&ring_[tail], std::min(free, capacity_ - tail)};
}

void TcpSender::Discard() {
  oldest_ = next_ = top_;
  kept_ = 0;
  ring_.reset();
  capacity_ = 0;
  head_ = 0;
  again_ = probing_ = probe_ = recovering_ = false;
  due_ = -1;
}

void TcpSender::Grow(std::size_t wanted) {
  const std::size_t capacity = std::min(kMostKept, std::max(kLeastRing, std::bit_ceil(wanted)));
  // Not touched before it is used: pages of a quiet connection cost nothing.
  auto ring = std::make_unique_for_overwrite<std::uint8_t[]>(capacity);
  const std::size_t first = std::min(kept_, capacity_ - head_);
  if (kept_ > 0) {
    std::copy_n(&ring_[head_], first, ring.get());
    std::copy_n(ring_.get(), kept_ - first, &ring[first]);
  }
  ring_ = std::move(ring);
  capacity_ = capacity;
  head_ = 0;
}

void TcpSender::Acknowledged(const Acknowledgement& got, std::int64_t now) {
  // Of what was never sent, or older than what is known.
  if (SequenceBefore(top_, got.number) || SequenceBefore(got.number, oldest_)) return;
  if (probing_) expiries_ = 0;
  const bool same_window = has_window_ && got.window == window_;
  if (!has_window_ || SequenceBefore(window_sequence_, got.sequence) ||
      (window_sequence_ == got.sequence && !SequenceBefore(got.number, window_number_))) {
    has_window_ = true;
    window_ = got.window;
    widest_ = std::max(widest_, window_);
    window_sequence_ = got.sequence;
    window_number_ = got.number;
  }
  const std::size_t bytes = got.number - oldest_;
  if (bytes > 0) {
    Forget(bytes, now);
  } else if (flight() > 0 && got.bare && same_window && !probing_) {
    Duplicate();
  }
  if (probing_ && window_ > 0) {
    probing_ = false;
    probe_ = false;
    due_ = -1;
    if (flight() > 0) Arm(now);
  }
}

// The oldest bytes have arrived.
void TcpSender::Forget(std::size_t bytes, std::int64_t now) {
  const std::size_t flown = flight();
  oldest_ += static_cast<std::uint32_t>(bytes);
  if (SequenceBefore(next_, oldest_)) next_ = oldest_;
  kept_ -= bytes;
  head_ = (head_ + bytes) % capacity_;
  duplicates_ = 0;
  expiries_ = 0;
  if (timed_ && SequenceBefore(*timed_, oldest_)) {
    Measure(now - timed_since_);
    timed_.reset();
  }
  if (recovering_) {
    if (SequenceBefore(oldest_, recover_)) {
      // Partial: the next hole (RFC 6582 3.2, step 3).
      again_ = true;
      congestion_ -= std::min(congestion_, bytes);
      if (bytes >= segment_) congestion_ += segment_;
      congestion_ = std::max(congestion_, segment_);
    } else {
      recovering_ = false;
      congestion_ = std::min(threshold_, std::max(flight(), segment_) + segment_);
    }
  } else if (flown >= congestion_ / 2) {
    // Only where the window of congestion is what holds back.
    congestion_ += congestion_ < threshold_ ? bytes : std::max<std::size_t>(1, segment_ * bytes / congestion_);
    congestion_ = std::min(congestion_, kMostCongestion);
  }
  if (flight() == 0) {
    due_ = -1;
  } else {
    Arm(now);
  }
}

void TcpSender::Duplicate() {
  ++duplicates_;
  if (recovering_) {
    congestion_ = std::min(congestion_ + segment_, kMostCongestion);
    return;
  }
  // What was in flight at the last loss is not counted twice.
  if (duplicates_ != kDuplicates || !SequenceBefore(recover_, oldest_)) return;
  recovering_ = true;
  recover_ = top_;
  threshold_ = std::max(flight() / 2, 2 * segment_);
  congestion_ = threshold_ + kDuplicates * segment_;
  again_ = true;
  timed_.reset();
}

std::optional<TcpSender::Segment> TcpSender::Next(std::int64_t now) {
  const auto from = [this](std::uint32_t sequence, std::size_t most) -> Segment {
    const std::size_t skipped = sequence - oldest_;
    const std::size_t place = (head_ + skipped) % capacity_;
    const std::size_t length = std::min({most, kept_ - skipped, capacity_ - place});
    return {.sequence = sequence, .payload = {&ring_[place], length}, .push = skipped + length == kept_};
  };
  if (again_) {
    again_ = false;
    if (kept_ > 0) {
      Arm(now);
      return from(oldest_, std::min(segment_, flight()));
    }
  }
  if (unsent() == 0) return std::nullopt;
  if (probe_) {
    // One byte, which the receiver need not take: it stays unsent.
    probe_ = false;
    top_ = std::max(top_, next_ + 1, SequenceBefore);
    return from(next_, 1);
  }
  const std::size_t flown = next_ - oldest_;
  if (flight() == 0 && now - last_sent_ > timeout_) {
    // After a silence nobody knows what the way can take (RFC 5681 4.1).
    congestion_ = std::min(congestion_, kInitialSegments * segment_);
  }
  // RFC 3042: the first two duplicates let something new go, so that there is a third one.
  const std::size_t allowed = congestion_ + (recovering_ ? 0 : std::min(duplicates_, kDuplicates - 1) * segment_);
  const std::size_t open = std::min(window_, allowed);
  std::size_t length = std::min({unsent(), open - std::min(open, flown), burst_});
  // Small segments fill no window (RFC 9293 3.8.6.2.1); the end of what there is goes at once.
  const bool small = length < unsent() && length < segment_ && length < widest_ / 2;
  if (length == 0 || small) {
    if (flown == 0 && flight() == 0 && due_ < 0) {
      probing_ = true;
      Arm(now);
    }
    return std::nullopt;
  }
  if (length > segment_ && length < unsent()) length -= length % segment_;
  const Segment segment = from(next_, length);
  const bool anew = next_ == top_;
  next_ += static_cast<std::uint32_t>(segment.payload.size());
  if (SequenceBefore(top_, next_)) top_ = next_;
  if (anew && !timed_) {
    timed_ = segment.sequence;
    timed_since_ = now;
  }
  last_sent_ = now;
  if (due_ < 0) Arm(now);
  return segment;
}

void TcpSender::Expired(std::int64_t now) {
  if (due_ < 0 || due_ > now) return;
  due_ = -1;
  if (kept_ == 0) return;
  timeout_ = std::min(2 * timeout_, kMostTimeout);
  if (++expiries_ > kMostExpiries) {
    given_up_ = true;
    return;
  }
  if (window_ == 0 || probing_) {
    // Its window may have been opened by a segment that was lost.
    next_ = oldest_;
    probing_ = true;
    probe_ = true;
    Arm(now);
    return;
  }
  if (expiries_ == 1) threshold_ = std::max(flight() / 2, 2 * segment_);
  congestion_ = segment_;
  recovering_ = false;
  recover_ = top_;
  duplicates_ = 0;
  next_ = oldest_;
  timed_.reset();
  Arm(now);
}

// RFC 6298 2.
void TcpSender::Measure(std::int64_t milliseconds) {
  if (round_trip_ < 0) {
    round_trip_ = milliseconds * 8;
    variation_ = milliseconds * 2;
  } else {
    const std::int64_t difference = milliseconds - round_trip_ / 8;
    round_trip_ += difference;
    variation_ += (difference < 0 ? -difference : difference) - variation_ / 4;
  }
  timeout_ = std::clamp(round_trip_ / 8 + std::max<std::int64_t>(1, variation_), kLeastTimeout, kMostTimeout);
}

}  // namespace runner
