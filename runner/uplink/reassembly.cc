#include "uplink/reassembly.h"

#include <algorithm>

#include "uplink/packet.h"

namespace runner {
namespace {

constexpr std::size_t kIpv4Header = 20;
constexpr std::size_t kFragmentHeader = 8;
constexpr std::size_t kLargest = 65535;
constexpr std::uint16_t kMoreFragments = 0x2000;

}  // namespace

std::optional<Reassembler::Fragment> Reassembler::Parse(std::span<const std::uint8_t> frame) {
  if (frame.size() < kEthernetHeader + kIpv4Header) return std::nullopt;
  const auto ip = frame.subspan(kEthernetHeader);
  Fragment fragment;
  std::size_t length = 0;
  std::size_t header = 0;
  if (Get16(&frame[12]) == kEtherIpv4) {
    length = Get16(&ip[2]);
    header = kIpv4Header;
    if (ip[0] != 0x45 || length < header || length > ip.size()) return std::nullopt;
    fragment.source = IpAddress::FromBytes(Family::kIpv4, &ip[12]);
    fragment.destination = IpAddress::FromBytes(Family::kIpv4, &ip[16]);
    fragment.id = Get16(&ip[4]);
    fragment.protocol = ip[9];
    const std::uint16_t field = Get16(&ip[6]);
    fragment.offset = std::size_t{field} % 0x2000 * 8;
    fragment.last = (field & kMoreFragments) == 0;
    fragment.headers = frame.first(kEthernetHeader + header);
  } else {
    header = kIpv6Header + kFragmentHeader;
    if (ip.size() < header || ip[0] >> 4 != 6 || ip[6] != kProtoFragment6) return std::nullopt;
    length = kIpv6Header + Get16(&ip[4]);
    if (length < header || length > ip.size()) return std::nullopt;
    fragment.source = IpAddress::FromBytes(Family::kIpv6, &ip[8]);
    fragment.destination = IpAddress::FromBytes(Family::kIpv6, &ip[24]);
    const std::uint8_t* extension = &ip[kIpv6Header];
    fragment.protocol = extension[0];
    fragment.offset = Get16(extension + 2) & ~std::size_t{7};
    fragment.last = (extension[3] & 1) == 0;
    fragment.id = std::uint32_t{Get16(extension + 4)} << 16 | Get16(extension + 6);
    fragment.headers = frame.first(kEthernetHeader + kIpv6Header);
  }
  fragment.payload = ip.first(length).subspan(header);
  // Only the last one may end where it likes.
  if (!fragment.last && (fragment.payload.empty() || fragment.payload.size() % 8 != 0)) return std::nullopt;
  if (fragment.offset + fragment.payload.size() > kLargest - kIpv4Header) return std::nullopt;
  return fragment;
}

bool Reassembler::Add(Partial& partial, const Fragment& fragment) {
  const std::size_t begin = fragment.offset;
  const std::size_t end = begin + fragment.payload.size();
  const auto next = partial.parts.lower_bound(begin);
  if (next != partial.parts.end() && (next->first < end || next->first == begin)) return false;
  if (next != partial.parts.begin() && std::prev(next)->second > begin) return false;
  if (partial.total && (fragment.last || end > *partial.total)) return false;
  if (fragment.last) {
    if (!partial.parts.empty() && partial.parts.rbegin()->second > end) return false;
    partial.total = end;
  }
  if (partial.payload.size() < end) partial.payload.resize(end);
  std::copy(fragment.payload.begin(), fragment.payload.end(),
            partial.payload.begin() + static_cast<std::ptrdiff_t>(begin));
  partial.parts[begin] = end;
  partial.received += fragment.payload.size();
  if (begin == 0) partial.headers.assign(fragment.headers.begin(), fragment.headers.end());
  return true;
}

std::vector<std::uint8_t> Reassembler::Finish(const Partial& partial, std::uint8_t protocol) {
  std::vector<std::uint8_t> frame = partial.headers;
  std::uint8_t* ip = &frame[kEthernetHeader];
  if (Get16(&frame[12]) == kEtherIpv4) {
    Put16(ip + 2, kIpv4Header + partial.payload.size());
    Put16(ip + 6, 0);
    Put16(ip + 10, 0);
    Put16(ip + 10, Checksum(SumWords({ip, kIpv4Header})));
  } else {
    Put16(ip + 4, partial.payload.size());
    ip[6] = protocol;
  }
  frame.insert(frame.end(), partial.payload.begin(), partial.payload.end());
  return frame;
}

void Reassembler::MakeRoom(std::int64_t now) {
  std::erase_if(partials_, [now](const auto& entry) { return now - entry.second.started > kPatience; });
  if (partials_.size() < kMostDatagrams) return;
  partials_.erase(std::min_element(partials_.begin(), partials_.end(),
                                   [](const auto& a, const auto& b) { return a.second.started < b.second.started; }));
}

std::optional<std::vector<std::uint8_t>> Reassembler::Take(std::span<const std::uint8_t> frame, std::int64_t now) {
  const auto fragment = Parse(frame);
  if (!fragment) return std::nullopt;
  const Key key(fragment->source, fragment->destination, fragment->id, fragment->protocol);
  auto found = partials_.find(key);
  if (found != partials_.end() && now - found->second.started > kPatience) {
    partials_.erase(found);
    found = partials_.end();
  }
  if (found == partials_.end()) {
    MakeRoom(now);
    found = partials_.try_emplace(key).first;
    found->second.started = now;
  }
  Partial& partial = found->second;
  if (!Add(partial, *fragment)) {
    partials_.erase(found);
    return std::nullopt;
  }
  if (!partial.total || partial.received != *partial.total || partial.headers.empty()) return std::nullopt;
  auto whole = Finish(partial, fragment->protocol);
  partials_.erase(found);
  return whole;
}

}  // namespace runner
