#include "uplink/tcp_receiver.h"

#include "uplink/packet.h"

namespace runner {
namespace {

constexpr std::size_t kEntry = 64;  // bytes that keeping a segment takes besides its own

}  // namespace

std::size_t TcpReceiver::Offer(std::size_t room, std::size_t unit) {
  const std::size_t free = std::max(window(), room - std::min(room, waiting()));
  const std::size_t told = (free + unit - 1) / unit * unit;
  edge_ = next_ + static_cast<std::uint32_t>(told);
  return told;
}

void TcpReceiver::Take(std::uint32_t sequence, std::span<const std::uint8_t> payload, const Deliver& deliver) {
  if (SequenceBefore(next_, sequence)) {
    const std::size_t ahead = sequence - next_;
    // They may overlap, and be small, but not without end.
    const std::size_t most = 2 * window();
    if (ahead >= window() || early_bytes_ + kEntry >= most) return;
    payload = payload.first(std::min({payload.size(), window() - ahead, most - early_bytes_ - kEntry}));
    auto& kept = early_[sequence];
    if (kept.size() >= payload.size()) return;
    early_bytes_ += payload.size() - kept.size() + (kept.empty() ? kEntry : 0);
    kept.assign(payload.begin(), payload.end());
    return;
  }
  const std::size_t known = next_ - sequence;
  if (known >= payload.size()) return;
  Accept(payload.subspan(known), deliver);
  while (!early_.empty()) {
    // The map is in the order of numbers, which wrap: the one that follows, or lies behind, is any of them.
    const auto at = std::find_if(early_.begin(), early_.end(),
                                 [this](const auto& entry) { return !SequenceBefore(next_, entry.first); });
    if (at == early_.end()) return;
    const std::size_t before = next_ - at->first;
    if (before < at->second.size()) Accept(std::span(at->second).subspan(before), deliver);
    early_bytes_ -= at->second.size() + kEntry;
    early_.erase(at);
  }
}

void TcpReceiver::Accept(std::span<const std::uint8_t> bytes, const Deliver& deliver) {
  bytes = bytes.first(std::min(bytes.size(), window()));
  if (bytes.empty()) return;
  next_ += static_cast<std::uint32_t>(bytes.size());
  if (waiting() == 0) bytes = bytes.subspan(deliver(bytes));
  waiting_.insert(waiting_.end(), bytes.begin(), bytes.end());
}

void TcpReceiver::Flush(const Deliver& deliver) {
  if (waiting() > 0) taken_ += deliver(std::span(waiting_).subspan(taken_));
  if (taken_ == waiting_.size()) {
    // A quiet connection keeps no memory.
    waiting_ = {};
    taken_ = 0;
  } else if (taken_ > waiting_.size() / 2) {
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(taken_));
    taken_ = 0;
  }
}

}  // namespace runner
