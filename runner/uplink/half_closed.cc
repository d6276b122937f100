#include "uplink/half_closed.h"

#include <algorithm>

namespace runner {
namespace {

constexpr std::size_t kMostEndedByLab = 4096;

}  // namespace

void HalfClosed::Sent(std::span<const std::uint8_t> frame, std::int64_t now) {
  const std::uint8_t* tcp = &frame[kEthernetHeader + IpHeaderOf(frame)];
  const std::uint8_t flags = tcp[13];
  if ((flags & (kTcpFin | kTcpSyn | kTcpReset)) == 0 && connections_.empty()) return;
  const TcpConnection key = TcpConnection::OfFrameToLab(frame);
  if ((flags & (kTcpSyn | kTcpReset)) != 0) return Forget(key);
  auto found = connections_.find(key);
  if (found == connections_.end()) {
    if ((flags & kTcpFin) == 0 || ended_by_lab_.erase(key) > 0) return;
    found = connections_.emplace(key, Connection{}).first;
    found->second.place = by_use_.insert(by_use_.end(), key);
    // Once: a FIN that is sent again says that the lab is silent.
    Touch(found, now);
  }
  found->second.next = static_cast<std::uint32_t>(Get16(tcp + 8)) << 16 | Get16(tcp + 10);
}

void HalfClosed::Received(const Packet& packet, std::int64_t now) {
  if ((packet.type & (kTcpFin | kTcpSyn | kTcpReset)) == 0 && connections_.empty()) return;
  const TcpConnection key = TcpConnection::OfLab(packet);
  const auto found = connections_.find(key);
  if (found != connections_.end() && (packet.type & kTcpSyn) != 0) {
    // The lab has forgotten it and begins anew; libslirp would take this for a part of the old one.
    auto reset = BuildOfLab(key, {.flags = kTcpReset, .sequence = found->second.next});
    Forget(found);
    return reset_(reset);
  }
  if ((packet.type & (kTcpSyn | kTcpReset)) != 0) return Forget(key);
  if (found != connections_.end() && (packet.type & kTcpFin) == 0) return Touch(found, now);
  if (found != connections_.end()) return Forget(found);  // From here on libslirp's own timers end it.
  if ((packet.type & kTcpFin) == 0) return;
  // What is forgotten here is taken for waiting when the host ends, and its reset then meets nobody.
  if (ended_by_lab_.size() >= kMostEndedByLab) ended_by_lab_.clear();
  ended_by_lab_.insert(key);
}

void HalfClosed::Expire(std::int64_t now) {
  while (!by_use_.empty()) {
    const auto oldest = connections_.find(by_use_.front());
    if (connections_.size() <= kMost && oldest->second.last_used + kPatience > now) return;
    auto reset = BuildOfLab(oldest->first, {.flags = kTcpReset, .sequence = oldest->second.next});
    Forget(oldest);
    reset_(reset);
  }
}

void HalfClosed::Touch(Entry entry, std::int64_t now) {
  entry->second.last_used = now;
  by_use_.splice(by_use_.end(), by_use_, entry->second.place);
}

void HalfClosed::Forget(const TcpConnection& key) {
  ended_by_lab_.erase(key);
  const auto found = connections_.find(key);
  if (found != connections_.end()) Forget(found);
}

void HalfClosed::Forget(Entry entry) {
  by_use_.erase(entry->second.place);
  connections_.erase(entry);
}

}  // namespace runner
