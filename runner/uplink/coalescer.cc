#include "uplink/coalescer.h"

#include <algorithm>

#include "uplink/packet.h"

namespace runner {
namespace {

std::uint32_t Get32(const std::uint8_t* at) { return static_cast<std::uint32_t>(Get16(at)) << 16 | Get16(at + 2); }

}  // namespace

void Coalescer::Send(std::span<std::uint8_t> frame) {
  const std::size_t tcp = kEthernetHeader + IpHeaderOf(frame);
  const std::size_t headers = tcp + (std::size_t{frame[tcp + 12]} >> 4 << 2);
  const std::uint8_t flags = frame[tcp + 13];
  const bool plain = (flags & ~kTcpPush) == kTcpAck && headers <= frame.size() && frame.size() >= headers + kWorthIt;
  if (!plain) {
    Flush();
    return write_(frame, {}, 0);
  }
  if (!held_.empty() && Follows(frame, headers)) {
    const auto payload = frame.subspan(headers);
    const std::size_t length = held_.size() + payload.size();
    TakeHeaders(frame, headers, length);
    merged_ = true;
    next_ += static_cast<std::uint32_t>(payload.size());
    // Not copied when no third one of this length would fit.
    if (length + payload.size() > kEthernetHeader + kLongest) {
      write_(held_, payload, segment_);
      held_.clear();
    } else {
      held_.insert(held_.end(), payload.begin(), payload.end());
    }
    return;
  }
  Flush();
  held_.assign(frame.begin(), frame.end());
  headers_ = headers;
  segment_ = frame.size() - headers;
  merged_ = false;
  next_ = Get32(&frame[tcp + 4]) + static_cast<std::uint32_t>(frame.size() - headers);
}

void Coalescer::Flush() {
  if (held_.empty()) return;
  write_(held_, {}, merged_ ? segment_ : 0);
  held_.clear();
}

bool Coalescer::Follows(std::span<const std::uint8_t> frame, std::size_t headers) const {
  if (headers != headers_ || held_.size() + frame.size() - headers > kEthernetHeader + kLongest) return false;
  const std::size_t tcp = kEthernetHeader + IpHeaderOf(frame);
  const bool ipv6 = Get16(&frame[12]) == kEtherIpv6;
  const std::size_t addresses = kEthernetHeader + (ipv6 ? 8 : 12);
  // Link and version; addresses and ports; what stands behind the checksum: options.
  return std::equal(frame.begin(), frame.begin() + kEthernetHeader + 1, held_.begin()) &&
         std::equal(&frame[addresses], &frame[tcp + 4], &held_[addresses]) && Get32(&frame[tcp + 4]) == next_ &&
         std::equal(&frame[tcp + 18], frame.data() + headers, &held_[tcp + 18]);
}

void Coalescer::TakeHeaders(std::span<const std::uint8_t> frame, std::size_t headers, std::size_t length) {
  const std::size_t tcp = kEthernetHeader + IpHeaderOf(frame);
  // Acknowledgement and window are the newer ones; a push at the end is one of the whole.
  std::copy(&frame[tcp + 8], frame.data() + headers, &held_[tcp + 8]);
  std::uint8_t* ip = &held_[kEthernetHeader];
  if (Get16(&held_[12]) == kEtherIpv6) return Put16(ip + 4, length - kEthernetHeader - 40);
  Put16(ip + 2, length - kEthernetHeader);
  Put16(ip + 10, 0);
  Put16(ip + 10, Checksum(SumWords({ip, tcp - kEthernetHeader})));
}

}  // namespace runner
