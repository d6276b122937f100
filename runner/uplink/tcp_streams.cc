#include "uplink/tcp_streams.h"

#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "uplink/sockets.h"

namespace runner {
namespace {

constexpr std::uint8_t kOptionScale = 3;
constexpr std::uint8_t kMostScale = 14;  // RFC 7323 2.3
constexpr std::size_t kTcpHeader = 20;
constexpr std::size_t kLargestTcpHeader = 60;
// An IP packet without the largest headers.
constexpr std::size_t kBurst = 65535 - kIpv6Header - kTcpHeader;
// Two of them at least are one frame, so that a receiver does not wait for the second before it acknowledges.
constexpr std::size_t kLargestSegment = kBurst / 2;
constexpr std::size_t kSmallestSegment = 88;  // as Linux
// What libslirp is told that the lab takes at a time, for what it sends itself.
constexpr std::uint16_t kTold = 65480;
// Of our windows.
constexpr std::uint8_t kScale = 5;
// Milliseconds for an acknowledgement that may wait.
constexpr std::int64_t kPatience = 1;
constexpr std::size_t kMostClosed = 4096;
constexpr std::size_t kBufferOfAll = 64U << 20;
constexpr std::size_t kLeastBuffer = 64U << 10;
constexpr std::size_t kLargestUnscaled = 65535;
constexpr std::size_t kLargestRoom = 512U << 10;

std::size_t HeaderOf(const std::uint8_t* tcp) { return std::size_t{tcp[12]} >> 4 << 2; }

std::size_t LengthByIp(std::span<const std::uint8_t> frame) {
  const std::uint8_t* ip = &frame[kEthernetHeader];
  return kEthernetHeader + (Get16(&frame[12]) == kEtherIpv6 ? kIpv6Header + Get16(ip + 4) : Get16(ip + 2));
}

// The sums of a lab's frames are the kernel's, or are to be looked at.
bool IsSummed(const Packet& packet) {
  const auto tcp = packet.l4_bytes();
  return packet.summed ||
         Checksum(SumWords(tcp, PseudoHeaderSum(packet.source, packet.destination, kProtoTcp, tcp.size()))) == 0;
}

// Of a TCP frame whose header was changed.
void SumAnew(std::span<std::uint8_t> frame) {
  const std::size_t place = kEthernetHeader + IpHeaderOf(frame);
  const auto tcp = frame.subspan(place);
  const auto [lab, other] = TcpConnection::OfFrameToLab(frame);
  Put16(&tcp[kTcpChecksum], 0);
  Put16(&tcp[kTcpChecksum],
        Checksum(SumWords(tcp, PseudoHeaderSum(lab.address, other.address, kProtoTcp, tcp.size()))));
}

}  // namespace

TcpStreams::TcpStreams(const UplinkSpec& spec, Send send, Inject inject)
    : gateway_(spec.gateway()),
      gateway6_(spec.gateway6().value_or(IpAddress())),
      mtu_(spec.mtu),
      send_(std::move(send)),
      inject_(std::move(inject)),
      largest_room_(kLargestRoom) {}

void TcpStreams::LimitWindow(std::size_t bytes) { largest_room_ = std::clamp(bytes, kLeastBuffer, kLargestRoom); }

TcpStreams::Stream* TcpStreams::Find(const TcpConnection& connection) {
  const auto found = streams_.find(connection);
  return found == streams_.end() ? nullptr : found->second.get();
}

TcpStreams::Slot* TcpStreams::SlotOf(int fd) {
  if (fd < 0 || static_cast<std::size_t>(fd) >= slots_.size()) return nullptr;
  Slot& slot = slots_[static_cast<std::size_t>(fd)];
  return slot.stream == nullptr ? nullptr : &slot;
}

TcpStreams::Stream& TcpStreams::Keep(Stream stream) {
  // Its socket is closed, or libslirp has two for one connection, of which the lab sees the newer.
  if (Stream* before = Find(stream.connection)) Erase(*before);
  const auto fd = static_cast<std::size_t>(stream.fd);
  if (fd >= slots_.size()) slots_.resize(fd + 1);
  auto& kept = streams_[stream.connection];
  kept = std::make_unique<Stream>(std::move(stream));
  slots_[fd] = {.stream = kept.get()};
  return *kept;
}

void TcpStreams::Erase(Stream& stream) {
  if (Slot* slot = SlotOf(stream.fd); slot != nullptr && slot->stream == &stream) {
    *slot = {};
  }
  held_ -= stream.held;
  for (auto* list : {&waiting_, &owing_, &writers_}) std::erase(*list, &stream);
  streams_.erase(TcpConnection(stream.connection));
}

int TcpStreams::AcceptedAs(const UdpEndpoint& shown) {
  int match = -1;
  for (const int fd : accepted_) {
    sockaddr_storage peer = {};
    socklen_t size = sizeof peer;
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) continue;
    auto client = FromSockaddr(reinterpret_cast<const sockaddr&>(peer));
    if (!client) continue;
    if (client->address.is_loopback()) client->address = client->address.is_ipv6() ? gateway6_ : gateway_;
    if (*client != shown) continue;
    // Two of the machine's own addresses with one port: libslirp sends for both.
    if (match >= 0) return -1;
    match = fd;
  }
  return match;
}

void TcpStreams::Opened(int fd, bool accepted) {
  if (beginning_) {
    beginning_->fd = fd;
    Keep(std::move(*beginning_));
    beginning_.reset();
  } else if (accepted) {
    accepted_.insert(fd);
  }
}

void TcpStreams::Closed(int fd) {
  accepted_.erase(fd);
  Slot* slot = SlotOf(fd);
  if (slot == nullptr) return;
  Stream& stream = *slot->stream;
  *slot = {};
  held_ -= std::exchange(stream.held, 0);
  stream.fd = -1;
  stream.acknowledge_at = -1;
  stream.owes = false;
  if (stream.sender) stream.sender->Discard();
  for (auto* list : {&owing_, &writers_}) std::erase(*list, &stream);
  closed_.push_back(stream.connection);
  if (closed_.size() <= kMostClosed) return;
  // It may be open again under the same name.
  if (Stream* oldest = Find(closed_.front()); oldest != nullptr && oldest->fd < 0) Erase(*oldest);
  closed_.pop_front();
}

std::span<std::uint8_t> TcpStreams::FromLabSyn(const Packet& packet, Stream* stream, std::int64_t now) {
  const auto bytes = packet.l4_bytes();
  const std::size_t header = HeaderOf(bytes.data());
  const bool acknowledges = (packet.type & kTcpAck) != 0;
  const std::uint16_t size = segments_.Take(packet, kTold);
  // An answer is one to libslirp's own SYN, and the first.
  const bool asked = stream != nullptr && stream->fd >= 0 && !stream->sender && !stream->headers.empty();
  if (acknowledges && !asked) return packet.frame;
  Stream fresh;
  Stream& begun = acknowledges ? *stream : fresh;
  if (const std::uint8_t* scale = FindTcpOption(bytes.first(header), kOptionScale, 3); scale != nullptr) {
    begun.scale = std::min(scale[2], kMostScale);
  } else {
    begun.scale.reset();
  }
  const std::size_t room = mtu_ - std::min(mtu_, packet.l4 - kEthernetHeader + kTcpHeader);
  begun.segment = std::max(kSmallestSegment, std::min({std::size_t{size}, room, kLargestSegment}));
  begun.window = Get16(&bytes[14]);
  begun.lab_base = Get32(&bytes[4]) + 1;
  if (acknowledges) {
    Begin(*stream, now);
  } else {
    fresh.connection = TcpConnection::OfLab(packet);
    beginning_ = std::move(fresh);
  }
  // Bytes in a SYN are none for libslirp; they come again.
  if (bytes.size() == header || !IsSummed(packet)) return packet.frame;
  const auto bare = packet.frame.first(packet.l4 + header);
  SetIpLength(bare, bare.size());
  SumAnew(bare);
  return bare;
}

std::span<std::uint8_t> TcpStreams::FromLab(const Packet& packet, std::int64_t now) {
  Stream* stream = Find(TcpConnection::OfLab(packet));
  if ((packet.type & kTcpSyn) != 0) return FromLabSyn(packet, stream, now);
  if (stream == nullptr || !stream->sender || !IsSummed(packet)) return packet.frame;
  const auto bytes = packet.l4_bytes();
  std::uint8_t* tcp = bytes.data();
  const std::size_t header = HeaderOf(tcp);
  const bool acknowledges = (packet.type & kTcpAck) != 0;
  TcpSender& sender = *stream->sender;
  const TcpReceiver& receiver = *stream->receiver;
  const std::uint32_t number = Get32(tcp + 8);
  const std::uint32_t top = sender.top();
  const std::size_t window = std::size_t{Get16(tcp + 14)} << stream->scale.value_or(0);
  const bool past_end = acknowledges && SequenceBefore(top, number);  // the end itself, which is libslirp's
  if (acknowledges) {
    sender.Acknowledged({.number = past_end ? top : number,
                         .sequence = Get32(tcp + 4),
                         .window = window,
                         .bare = bytes.size() == header && (packet.type & kTcpFin) == 0},
                        now);
  }
  auto frame = packet.frame;
  if (stream->fd >= 0 && (packet.type & kTcpReset) == 0) {
    Receive(*stream, packet, now);
    frame = frame.first(packet.l4 + header);
    const bool ends = stream->lab_end == receiver.next() && receiver.waiting() == 0 &&
                      ((packet.type & kTcpFin) != 0 || !stream->end_passed);
    Put32(tcp + 4, stream->lab_base + (stream->end_passed && !ends ? 1 : 0));
    tcp[13] = static_cast<std::uint8_t>((packet.type & ~kTcpFin) | (ends ? kTcpFin : 0));
    stream->end_passed = stream->end_passed || ends;
  } else {
    // A reset behind bytes that are missing counts as well (RFC 9293 3.10.7.4: anywhere in the window).
    const std::uint32_t ahead = Get32(tcp + 4) - receiver.next();
    const bool early = (packet.type & kTcpReset) != 0 && ahead > 0 && ahead <= receiver.window();
    Put32(tcp + 4, stream->lab_base + (early ? (stream->end_passed ? 1 : 0) : ahead));
  }
  // Bytes and their acknowledgements are nothing to libslirp once it knows that the lab is there.
  const bool plain = (packet.type & ~kTcpPush) == kTcpAck && !past_end && !stream->lab_end;
  if (plain && stream->known && stream->fd >= 0 && !slots_[static_cast<std::size_t>(stream->fd)].left) {
    Push(*stream, now);
    return {};
  }
  stream->known = true;
  if (acknowledges && top != stream->base) Put32(tcp + 8, stream->base + (past_end ? number - top : 0));
  Put16(tcp + 14, std::min(window, kLargestUnscaled));
  SetIpLength(frame, frame.size());
  SumAnew(frame);
  Push(*stream, now);
  return frame;
}

void TcpStreams::InItsName(std::span<std::uint8_t> frame) {
  const auto [other, lab] = TcpConnection::OfFrameToLab(frame);
  const Stream* stream = Find({.lab = lab, .other = other});
  if (stream == nullptr || !stream->receiver) return;
  std::uint8_t* tcp = &frame[kEthernetHeader + IpHeaderOf(frame)];
  Put32(tcp + 4, Get32(tcp + 4) - stream->receiver->next() + stream->lab_base);
  SumAnew(frame);
}

void TcpStreams::Begin(Stream& stream, std::int64_t now) {
  stream.sender.emplace(stream.base, stream.segment, kBurst);
  stream.sender->Acknowledged(
      {.number = stream.base, .sequence = stream.lab_base - 1, .window = stream.window, .bare = false}, now);
  stream.receiver.emplace(stream.lab_base);
  stream.room = kLeastBuffer;
  slots_[static_cast<std::size_t>(stream.fd)].begun = true;
  Update(stream);
}

std::span<std::uint8_t> TcpStreams::ToLab(std::span<std::uint8_t> frame, std::int64_t now) {
  const std::size_t place = kEthernetHeader + IpHeaderOf(frame);
  // libslirp from 4.9 on pads short ones to what Ethernet asks for.
  frame = frame.first(std::clamp(LengthByIp(frame), place + kTcpHeader, frame.size()));
  std::uint8_t* tcp = &frame[place];
  const std::uint8_t flags = tcp[13];
  const bool syn = (flags & kTcpSyn) != 0;
  const TcpConnection connection = TcpConnection::OfFrameToLab(frame);
  Stream* stream = Find(connection);
  if (syn && (flags & kTcpAck) == 0 && (stream == nullptr || stream->fd < 0)) {
    const int fd = AcceptedAs(connection.other);
    if (fd < 0) return frame;
    accepted_.erase(fd);
    Stream fresh;
    fresh.connection = connection;
    fresh.fd = fd;
    fresh.scale = 0;  // asked for
    stream = &Keep(std::move(fresh));
  }
  if (stream == nullptr) return frame;
  if (syn) {
    stream->base = Get32(tcp + 4) + 1;
    if ((flags & kTcpAck) != 0 && !stream->sender && stream->fd >= 0) Begin(*stream, now);
    if (stream->receiver) Put16(tcp + 14, stream->receiver->Offer(kLargestUnscaled, 1));
    if (stream->scale) frame = AddScale(frame);
    SumAnew(frame);
  } else if (stream->sender) {
    const TcpSender& sender = *stream->sender;
    // What is beyond a shut window the lab would not take, nor the acknowledgement in it.
    const bool inside = sender.probing() && (flags & kTcpFin) == 0;
    Put32(tcp + 4, inside ? sender.next() : Get32(tcp + 4) - stream->base + sender.top());
    if ((flags & kTcpAck) != 0) {
      const std::uint32_t end = Get32(tcp + 8) - stream->lab_base;
      stream->end_taken = end == 1;
      Put32(tcp + 8, stream->receiver->next() + end);
      Put16(tcp + 14, Told(*stream));
    }
    SumAnew(frame);
  }
  stream->headers.assign(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(place + kTcpHeader));
  return frame;
}

// Without one the lab could not use its own either (RFC 7323 2.2).
std::span<std::uint8_t> TcpStreams::AddScale(std::span<std::uint8_t> frame) {
  constexpr std::uint8_t kOption[] = {1, kOptionScale, 3, kScale};  // aligned by one of no operation
  const std::size_t place = kEthernetHeader + IpHeaderOf(frame);
  const std::size_t header = HeaderOf(&frame[place]);
  if (header < kTcpHeader || header > kLargestTcpHeader - sizeof kOption || place + header > frame.size()) return frame;
  const auto at = static_cast<std::ptrdiff_t>(place + header);
  syn_.assign(frame.begin(), frame.begin() + at);
  syn_.insert(syn_.end(), std::begin(kOption), std::end(kOption));
  syn_.insert(syn_.end(), frame.begin() + at, frame.end());
  std::uint8_t* tcp = &syn_[place];
  tcp[12] = static_cast<std::uint8_t>((header + sizeof kOption) / 4 << 4);
  SetIpLength(syn_, syn_.size());
  return syn_;
}

std::size_t TcpStreams::Limit() const { return held_ < kBufferOfAll ? TcpSender::kMostKept : kLeastBuffer; }

void TcpStreams::Update(Stream& stream) {
  Slot& slot = slots_[static_cast<std::size_t>(stream.fd)];
  const bool reads = !stream.at_end && stream.sender->wants(Limit());
  changed_ = changed_ || reads != slot.reads;
  slot.reads = reads;
  held_ -= std::exchange(stream.held, stream.room + stream.sender->kept());
  held_ += stream.held;
  if (slot.writes == (stream.receiver->waiting() > 0)) return;
  slot.writes = !slot.writes;
  changed_ = true;
  if (slot.writes) {
    writers_.push_back(&stream);
  } else {
    std::erase(writers_, &stream);
  }
}

void TcpStreams::Fill(std::vector<pollfd>& polled) {
  ++round_;
  for (pollfd& entry : polled) {
    Slot* slot = SlotOf(entry.fd);
    if (slot == nullptr || !slot->begun) continue;
    slot->round = round_;
    slot->asked = (entry.events & POLLIN) != 0 && !slot->left;
    slot->asked_out = (entry.events & POLLOUT) != 0;
    if (slot->asked) entry.events = static_cast<short>((entry.events & POLLOUT) | (slot->reads ? POLLIN : 0));
    if (slot->writes) entry.events |= POLLOUT;
  }
  for (const Stream* stream : writers_) {
    Slot& slot = slots_[static_cast<std::size_t>(stream->fd)];
    if (slot.round == round_) continue;
    // libslirp waits for nothing of it: the host has ended.
    slot.asked = slot.asked_out = false;
    polled.push_back({.fd = stream->fd, .events = POLLOUT, .revents = 0});
  }
}

void TcpStreams::Sleep(std::int64_t now, std::int64_t& timeout_ms) const {
  for (const Stream* stream : waiting_) {
    for (const std::int64_t due : {stream->sender->due(), stream->acknowledge_at}) {
      if (due < 0) continue;
      const std::int64_t left = std::max<std::int64_t>(0, due - now);
      timeout_ms = timeout_ms < 0 ? left : std::min(timeout_ms, left);
    }
  }
}

void TcpStreams::Dispatch(std::span<pollfd> polled, std::int64_t now) {
  for (pollfd& entry : polled) {
    constexpr short kOfReading = POLLIN | POLLPRI | POLLHUP | POLLERR;
    if (entry.revents == 0) continue;
    const Slot* slot = SlotOf(entry.fd);
    if (slot == nullptr || !slot->begun) continue;
    const bool asked = slot->asked;
    const bool asked_out = slot->asked_out;
    Stream& stream = *slot->stream;
    if (slot->writes && (entry.revents & (POLLOUT | POLLHUP | POLLERR)) != 0) Flush(stream);
    if (!asked_out) entry.revents = static_cast<short>(entry.revents & ~POLLOUT);
    // The lab's end may have closed it.
    if (!asked || SlotOf(entry.fd) == nullptr || (entry.revents & kOfReading) == 0) continue;
    if (!Read(stream, entry.revents, now)) entry.revents = static_cast<short>(entry.revents & ~kOfReading);
  }
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    Stream& stream = *waiting_[i];
    if (stream.acknowledge_at >= 0 && stream.acknowledge_at <= now) Owe(stream);
    const std::int64_t due = stream.sender->due();
    if (due < 0 || due > now) continue;
    stream.sender->Expired(now);
    if (stream.sender->given_up()) {
      lost_.push_back(stream.connection);
    } else {
      Push(stream, now);
    }
  }
  std::erase_if(waiting_, [](Stream* stream) {
    stream->waits = stream->sender->due() >= 0 || stream->acknowledge_at >= 0;
    return !stream->waits;
  });
}

// Whether libslirp is to read: the end or an error, which it tells the lab.
bool TcpStreams::Read(Stream& stream, short revents, std::int64_t now) {
  bool left = false;
  if ((revents & POLLERR) != 0) {
    int bytes = 0;
    left = ioctl(stream.fd, FIONREAD, &bytes) != 0 || bytes == 0;
  }
  std::size_t most = TcpSender::kAhead;
  while (!left && most > 0) {
    auto room = stream.sender->Room(Limit());
    room = room.first(std::min(room.size(), most));
    if (room.empty()) break;
    const ssize_t size = recv(stream.fd, room.data(), room.size(), MSG_DONTWAIT);
    if (size > 0) {
      stream.sender->Filled(static_cast<std::size_t>(size));
      Push(stream, now);
      most -= static_cast<std::size_t>(size);
      if (static_cast<std::size_t>(size) < room.size()) break;
    } else if (size == 0) {
      stream.at_end = true;
      left = stream.sender->all_sent();
      break;
    } else {
      left = errno != EAGAIN && errno != EINTR;
      break;
    }
  }
  Slot& slot = slots_[static_cast<std::size_t>(stream.fd)];
  if (left) Leave(slot);
  Update(stream);
  return slot.left;
}

void TcpStreams::Push(Stream& stream, std::int64_t now) {
  while (const auto segment = stream.sender->Next(now)) Write(stream, *segment);
  if (stream.fd >= 0) {
    if (stream.at_end && stream.sender->all_sent()) Leave(slots_[static_cast<std::size_t>(stream.fd)]);
    Update(stream);
  }
  if (stream.sender->due() >= 0) WaitFor(stream);
}

void TcpStreams::Leave(Slot& slot) {
  slot.left = true;
  changed_ = true;
}

void TcpStreams::WaitFor(Stream& stream) {
  if (stream.waits) return;
  stream.waits = true;
  waiting_.push_back(&stream);
}

// What came from the lab goes to the host.
void TcpStreams::Receive(Stream& stream, const Packet& packet, std::int64_t now) {
  const auto bytes = packet.l4_bytes();
  const auto payload = bytes.subspan(HeaderOf(bytes.data()));
  const std::uint32_t sequence = Get32(&bytes[4]);
  const std::uint32_t end = sequence + static_cast<std::uint32_t>(payload.size());
  const bool ends = (packet.type & kTcpFin) != 0;
  TcpReceiver& receiver = *stream.receiver;
  const std::uint32_t before = receiver.next();
  if (ends && !SequenceBefore(end, before) && end - before <= receiver.window()) stream.lab_end = end;
  receiver.Take(sequence, payload, [&](std::span<const std::uint8_t> part) { return Deliver(stream, part); });
  Update(stream);
  const std::size_t fresh = receiver.next() - before;
  stream.unacknowledged += fresh;
  // Each early one is answered for itself, since the lab counts them to know what was lost (RFC 5681 4.2).
  if (!payload.empty() && SequenceBefore(before, sequence)) return Acknowledge(stream);
  // Not wholly new, sent to see whether somebody is there, or into a hole. libslirp acknowledges the end.
  const bool asks = fresh < payload.size() || SequenceBefore(sequence, before) || receiver.has_early();
  if (asks || stream.unacknowledged >= 2 * stream.segment) {
    Owe(stream);
  } else if (fresh > 0 && stream.acknowledge_at < 0) {
    // The answer of the host may be there first, and takes it along.
    stream.acknowledge_at = now + kPatience;
    WaitFor(stream);
  }
}

std::size_t TcpStreams::Deliver(Stream& stream, std::span<const std::uint8_t> bytes) {
  if (stream.refused) return bytes.size();
  const ssize_t size = send(stream.fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (size >= 0) return static_cast<std::size_t>(size);
  if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ENOMEM) return 0;
  // What the host has sent before still comes, and then libslirp finds the error; unless it has read to the end.
  stream.refused = true;
  if (slots_[static_cast<std::size_t>(stream.fd)].left) lost_.push_back(stream.connection);
  return bytes.size();
}

void TcpStreams::Flush(Stream& stream) {
  TcpReceiver& receiver = *stream.receiver;
  receiver.Flush([&](std::span<const std::uint8_t> part) { return Deliver(stream, part); });
  Update(stream);
  // RFC 9293 3.8.6.2.2: a window is told anew when it has become much larger.
  const std::size_t told = receiver.window() + receiver.waiting();
  if (told + std::min(stream.room / 4, 2 * stream.segment) <= stream.room) Owe(stream);
  if (receiver.waiting() > 0) return;
  if (stream.lab_end != receiver.next() || stream.end_passed) return;
  stream.end_passed = true;
  inject_(BuildOfLab(
      stream.connection,
      {.flags = kTcpFin | kTcpAck, .sequence = stream.lab_base, .acknowledged = stream.base, .window = 65535}));
}

void TcpStreams::Acknowledge(Stream& stream, std::uint8_t flags) {
  const TcpSender& sender = *stream.sender;
  Write(stream, {.sequence = sender.probing() ? sender.next() : sender.top(), .payload = {}}, flags);
}

void TcpStreams::Owe(Stream& stream) {
  stream.acknowledge_at = -1;
  if (stream.owes) return;
  stream.owes = true;
  owing_.push_back(&stream);
}

void TcpStreams::Settle() {
  for (Stream* stream : owing_) {
    if (std::exchange(stream->owes, false)) Acknowledge(*stream);
  }
  owing_.clear();
  for (const TcpConnection& connection : std::exchange(lost_, {})) {
    Stream* stream = Find(connection);
    if (stream == nullptr || stream->fd < 0) continue;
    Acknowledge(*stream, kTcpReset);
    // libslirp closes the socket; the host sees a connection that was cut.
    inject_(BuildOfLab(connection, {.flags = kTcpReset, .sequence = stream->lab_base + (stream->end_taken ? 1 : 0)}));
  }
}

// The window as it stands in a header; what it says is remembered.
std::uint16_t TcpStreams::Told(Stream& stream) {
  TcpReceiver& receiver = *stream.receiver;
  const std::uint8_t scale = stream.scale ? kScale : 0;
  // Who sends much may send more at a time.
  if (receiver.next() - stream.lab_base > stream.room && 2 * stream.room <= largest_room_ &&
      held_ + stream.room <= kBufferOfAll) {
    stream.room *= 2;
  }
  const std::size_t room = std::min(stream.room, kLargestUnscaled << scale);
  const auto field = receiver.Offer(room, std::size_t{1} << scale) >> scale;
  stream.unacknowledged = 0;
  stream.acknowledge_at = -1;
  stream.owes = false;
  return static_cast<std::uint16_t>(field);
}

void TcpStreams::Write(Stream& stream, const TcpSender::Segment& segment, std::uint8_t flags) {
  auto& headers = stream.headers;
  std::uint8_t* tcp = &headers[headers.size() - kTcpHeader];
  Put32(tcp + 4, segment.sequence);
  Put32(tcp + 8, stream.receiver->next() + (stream.end_taken ? 1 : 0));
  tcp[12] = kTcpHeader / 4 << 4;
  tcp[13] = static_cast<std::uint8_t>(kTcpAck | flags | (segment.push ? kTcpPush : 0));
  Put16(tcp + 14, Told(stream));
  Put16(tcp + 18, 0);
  if (Get16(&headers[12]) == kEtherIpv4) Put16(&headers[kEthernetHeader + 4], ++id_);
  SetIpLength(headers, headers.size() + segment.payload.size());
  send_(headers, segment.payload, stream.sender->segment());
}

}  // namespace runner
