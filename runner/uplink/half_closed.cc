#include "uplink/half_closed.h"

#include <algorithm>

namespace runner {
namespace {

constexpr std::size_t kMostEndedByLab = 4096;

// A reset of the lab's side, as it would have sent it: libslirp looks at the sequence number and the checksums.
std::vector<std::uint8_t> BuildReset(const UdpEndpoint& source, const UdpEndpoint& destination, std::uint32_t number) {
  const bool ipv6 = source.address.is_ipv6();
  const std::size_t ip_header = ipv6 ? 40 : 20;
  constexpr std::size_t kTcpHeader = 20;
  std::vector<std::uint8_t> frame(kEthernetHeader + ip_header + kTcpHeader);
  Put16(&frame[12], ipv6 ? kEtherIpv6 : kEtherIpv4);
  std::uint8_t* ip = &frame[kEthernetHeader];
  const std::size_t size = source.address.size();
  std::uint8_t* addresses = ip + (ipv6 ? 8 : 12);
  std::copy_n(source.address.bytes(), size, addresses);
  std::copy_n(destination.address.bytes(), size, addresses + size);
  if (ipv6) {
    ip[0] = 0x60;
    Put16(ip + 4, kTcpHeader);
    ip[6] = kProtoTcp;
    ip[7] = 64;
  } else {
    ip[0] = 0x45;
    Put16(ip + 2, ip_header + kTcpHeader);
    ip[8] = 64;
    ip[9] = kProtoTcp;
    Put16(ip + 10, Checksum(SumWords({ip, ip_header})));
  }
  std::uint8_t* tcp = ip + ip_header;
  Put16(tcp, source.port);
  Put16(tcp + 2, destination.port);
  Put16(tcp + 4, number >> 16);
  Put16(tcp + 6, number & 0xffff);
  tcp[12] = kTcpHeader / 4 << 4;
  tcp[13] = kTcpReset;
  const std::uint32_t sum = PseudoHeaderSum(source.address, destination.address, kProtoTcp, kTcpHeader);
  Put16(tcp + 16, Checksum(SumWords({tcp, kTcpHeader}, sum)));
  return frame;
}

}  // namespace

HalfClosed::Key HalfClosed::KeyOf(std::span<const std::uint8_t> frame) {
  const bool ipv6 = Get16(&frame[12]) == kEtherIpv6;
  const auto ip = frame.subspan(kEthernetHeader);
  const Family family = ipv6 ? Family::kIpv6 : Family::kIpv4;
  const std::uint8_t* addresses = &ip[ipv6 ? 8 : 12];
  const std::uint8_t* tcp = &ip[IpHeaderOf(frame)];
  return {.lab = {IpAddress::FromBytes(family, addresses + (ipv6 ? 16 : 4)), Get16(tcp + 2)},
          .other = {IpAddress::FromBytes(family, addresses), Get16(tcp)}};
}

void HalfClosed::Sent(std::span<const std::uint8_t> frame, std::int64_t now) {
  const std::uint8_t* tcp = &frame[kEthernetHeader + IpHeaderOf(frame)];
  const std::uint8_t flags = tcp[13];
  if ((flags & (kTcpFin | kTcpSyn | kTcpReset)) == 0 && connections_.empty()) return;
  const Key key = KeyOf(frame);
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
  const Key key = {{packet.source, packet.source_port}, {packet.destination, packet.destination_port}};
  const auto found = connections_.find(key);
  if (found != connections_.end() && (packet.type & kTcpSyn) != 0) {
    // The lab has forgotten it and begins anew; libslirp would take this for a part of the old one.
    const auto reset = BuildReset(key.lab, key.other, found->second.next);
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
    const auto reset = BuildReset(oldest->first.lab, oldest->first.other, oldest->second.next);
    Forget(oldest);
    reset_(reset);
  }
}

void HalfClosed::Touch(Entry entry, std::int64_t now) {
  entry->second.last_used = now;
  by_use_.splice(by_use_.end(), by_use_, entry->second.place);
}

void HalfClosed::Forget(const Key& key) {
  ended_by_lab_.erase(key);
  const auto found = connections_.find(key);
  if (found != connections_.end()) Forget(found);
}

void HalfClosed::Forget(Entry entry) {
  by_use_.erase(entry->second.place);
  connections_.erase(entry);
}

}  // namespace runner
