#include "uplink/host_streams.h"

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
constexpr std::size_t kMostClosed = 4096;
constexpr std::size_t kBufferOfAll = 64U << 20;
constexpr std::size_t kLeastBuffer = 64U << 10;

void PutNumber(std::uint8_t* tcp, std::size_t at, std::uint32_t value) {
  std::uint8_t bytes[4];
  Put16(bytes, value >> 16);
  Put16(bytes + 2, value & 0xffff);
  ReplaceUnder(tcp + at, bytes, tcp + kTcpChecksum);
}

std::size_t HeaderOf(const std::uint8_t* tcp) { return std::size_t{tcp[12]} >> 4 << 2; }

}  // namespace

HostStreams::HostStreams(const UplinkSpec& spec, Send send, Reset reset)
    : gateway_(spec.gateway()),
      gateway6_(spec.gateway6().value_or(IpAddress())),
      mtu_(spec.mtu),
      send_(std::move(send)),
      reset_(std::move(reset)) {}

HostStreams::Stream* HostStreams::Find(const TcpConnection& connection) {
  const auto found = streams_.find(connection);
  return found == streams_.end() ? nullptr : found->second.get();
}

HostStreams::Stream* HostStreams::FindByFd(int fd) {
  return fd >= 0 && static_cast<std::size_t>(fd) < by_fd_.size() ? by_fd_[static_cast<std::size_t>(fd)] : nullptr;
}

HostStreams::Stream& HostStreams::Keep(Stream stream) {
  if (Stream* before = Find(stream.connection)) {
    // Its socket is closed, or libslirp has two for one connection, of which the lab sees the newer.
    if (before->fd >= 0) {
      by_fd_[static_cast<std::size_t>(before->fd)] = nullptr;
      --open_;
    }
    std::erase(waiting_, before);
  }
  const auto fd = static_cast<std::size_t>(stream.fd);
  if (fd >= by_fd_.size()) by_fd_.resize(fd + 1);
  auto& kept = streams_[stream.connection];
  kept = std::make_unique<Stream>(std::move(stream));
  by_fd_[fd] = kept.get();
  ++open_;
  return *kept;
}

int HostStreams::AcceptedAs(const UdpEndpoint& shown) {
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

void HostStreams::Opened(int fd, bool accepted) {
  if (beginning_) {
    beginning_->fd = fd;
    Keep(std::move(*beginning_));
    beginning_.reset();
  } else if (accepted) {
    accepted_.insert(fd);
  }
}

void HostStreams::Closed(int fd) {
  accepted_.erase(fd);
  Stream* stream = FindByFd(fd);
  if (stream == nullptr) return;
  by_fd_[static_cast<std::size_t>(fd)] = nullptr;
  --open_;
  stream->fd = -1;
  if (stream->sender) stream->sender->Discard();
  closed_.push_back(stream->connection);
  if (closed_.size() <= kMostClosed) return;
  // It may be open again under the same name.
  if (const Stream* oldest = Find(closed_.front()); oldest != nullptr && oldest->fd < 0) {
    std::erase(waiting_, oldest);
    streams_.erase(closed_.front());
  }
  closed_.pop_front();
}

void HostStreams::FromLab(const Packet& packet, std::int64_t now) {
  const auto bytes = packet.l4_bytes();
  std::uint8_t* tcp = bytes.data();
  const bool syn = (packet.type & kTcpSyn) != 0;
  const bool acknowledges = (packet.type & kTcpAck) != 0;
  const std::size_t header = HeaderOf(tcp);
  const TcpConnection connection = {{packet.source, packet.source_port}, {packet.destination, packet.destination_port}};
  Stream* stream = acknowledges ? Find(connection) : nullptr;
  if (syn) {
    const std::uint16_t size = segments_.Take(packet, kTold);
    // An answer is one to libslirp's own SYN, and the first.
    if (acknowledges && (stream == nullptr || stream->sender || stream->headers.empty())) return;
    Stream fresh;
    Stream& begun = stream != nullptr ? *stream : fresh;
    if (const std::uint8_t* scale = FindTcpOption(bytes.first(header), kOptionScale, 3); scale != nullptr) {
      begun.scale = std::min(scale[2], kMostScale);
    } else {
      begun.scale.reset();
    }
    const std::size_t room = mtu_ - std::min(mtu_, packet.l4 - kEthernetHeader + kTcpHeader);
    begun.segment = std::max(kSmallestSegment, std::min({std::size_t{size}, room, kLargestSegment}));
    begun.window = Get16(tcp + 14);
    begun.window_sequence = Get32(tcp + 4);
    if (acknowledges) return Begin(*stream, now);
    fresh.connection = connection;
    beginning_ = std::move(fresh);
    return;
  }
  if (stream == nullptr || !stream->sender) return;
  TcpSender& sender = *stream->sender;
  const std::uint32_t number = Get32(tcp + 8);
  const std::uint32_t top = sender.top();
  const std::size_t window = std::size_t{Get16(tcp + 14)} << stream->scale.value_or(0);
  const bool past_end = SequenceBefore(top, number);  // the end itself, which is libslirp's
  sender.Acknowledged({.number = past_end ? top : number,
                       .sequence = Get32(tcp + 4),
                       .window = window,
                       .bare = bytes.size() == header && (packet.type & kTcpFin) == 0},
                      now);
  if (top != stream->base) PutNumber(tcp, 8, stream->base + (past_end ? number - top : 0));
  std::uint8_t shown[2];
  Put16(shown, std::min<std::size_t>(window, 65535));
  ReplaceUnder(tcp + 14, shown, tcp + kTcpChecksum);
  Push(*stream, now);
}

void HostStreams::Begin(Stream& stream, std::int64_t now) {
  stream.sender.emplace(stream.base, stream.segment, kBurst);
  stream.sender->Acknowledged(
      {.number = stream.base, .sequence = stream.window_sequence, .window = stream.window, .bare = false}, now);
}

std::span<std::uint8_t> HostStreams::ToLab(std::span<std::uint8_t> frame, std::int64_t now) {
  const std::size_t place = kEthernetHeader + IpHeaderOf(frame);
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
    fresh.scale = 0;
    stream = &Keep(std::move(fresh));
  }
  if (stream == nullptr) return frame;
  if (syn) {
    stream->base = Get32(tcp + 4) + 1;
    if ((flags & kTcpAck) != 0 && !stream->sender) Begin(*stream, now);
    if (stream->scale) frame = AddScale(frame);
  } else if (stream->sender) {
    const TcpSender& sender = *stream->sender;
    // What is beyond a shut window the lab would not take, nor the acknowledgement in it.
    const bool inside = sender.probing() && (flags & kTcpFin) == 0;
    PutNumber(tcp, 4, inside ? sender.next() : Get32(tcp + 4) - stream->base + sender.top());
  }
  stream->headers.assign(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(place + kTcpHeader));
  return frame;
}

// With a scale of 0 for libslirp's own windows; else the lab could not use its own (RFC 7323 2.2).
std::span<std::uint8_t> HostStreams::AddScale(std::span<std::uint8_t> frame) {
  constexpr std::uint8_t kOption[] = {1, kOptionScale, 3, 0};  // aligned by one of no operation
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
  const auto [lab, other] = TcpConnection::OfFrameToLab(syn_);
  const std::size_t size = syn_.size() - place;
  Put16(tcp + kTcpChecksum, 0);
  const std::uint32_t sum = PseudoHeaderSum(other.address, lab.address, kProtoTcp, size);
  Put16(tcp + kTcpChecksum, Checksum(SumWords({tcp, size}, sum)));
  return syn_;
}

std::size_t HostStreams::Limit() const {
  return std::clamp(kBufferOfAll / std::max<std::size_t>(1, open_), kLeastBuffer, TcpSender::kMostKept);
}

void HostStreams::Fill(std::span<pollfd> polled, std::int64_t now, std::int64_t& timeout_ms) {
  const std::size_t limit = Limit();
  for (pollfd& entry : polled) {
    Stream* stream = FindByFd(entry.fd);
    if (stream == nullptr || !stream->sender) continue;
    stream->asked = (entry.events & POLLIN) != 0 && !stream->left;
    if (!stream->asked) continue;
    const bool reads = !stream->at_end && stream->sender->wants(limit);
    entry.events = static_cast<short>((entry.events & POLLOUT) | (reads ? POLLIN : 0));
  }
  for (const Stream* stream : waiting_) {
    const std::int64_t due = stream->sender->due();
    if (due < 0) continue;
    const std::int64_t left = std::max<std::int64_t>(0, due - now);
    timeout_ms = timeout_ms < 0 ? left : std::min(timeout_ms, left);
  }
}

void HostStreams::Dispatch(std::span<pollfd> polled, std::int64_t now) {
  for (pollfd& entry : polled) {
    constexpr short kOfReading = POLLIN | POLLPRI | POLLHUP | POLLERR;
    if ((entry.revents & kOfReading) == 0) continue;
    Stream* stream = FindByFd(entry.fd);
    if (stream == nullptr || !stream->asked) continue;
    if (!Read(*stream, entry.revents, now)) entry.revents = static_cast<short>(entry.revents & ~kOfReading);
  }
  std::vector<std::pair<TcpConnection, std::uint32_t>> given_up;
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    Stream& stream = *waiting_[i];
    const std::int64_t due = stream.sender->due();
    if (due < 0 || due > now) continue;
    stream.sender->Expired(now);
    if (stream.sender->given_up()) {
      given_up.emplace_back(stream.connection, Get32(&stream.headers[stream.headers.size() - kTcpHeader + 8]));
    } else {
      Push(stream, now);
    }
  }
  std::erase_if(waiting_, [](Stream* stream) {
    stream->waits = stream->sender->due() >= 0;
    return !stream->waits;
  });
  // libslirp closes the socket; the host sees a connection that was cut.
  for (const auto& [connection, number] : given_up) reset_(BuildReset(connection, number));
}

// Whether libslirp is to read: the end or an error, which it tells the lab.
bool HostStreams::Read(Stream& stream, short revents, std::int64_t now) {
  if ((revents & POLLERR) != 0) {
    int bytes = 0;
    stream.left = ioctl(stream.fd, FIONREAD, &bytes) != 0 || bytes == 0;
  }
  std::size_t most = TcpSender::kAhead;
  while (!stream.left && most > 0) {
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
      stream.left = stream.sender->all_sent();
      break;
    } else {
      stream.left = errno != EAGAIN && errno != EINTR;
      break;
    }
  }
  return stream.left;
}

void HostStreams::Push(Stream& stream, std::int64_t now) {
  while (const auto segment = stream.sender->Next(now)) Write(stream, *segment);
  if (stream.at_end && stream.sender->all_sent()) stream.left = true;
  if (stream.waits || stream.sender->due() < 0) return;
  stream.waits = true;
  waiting_.push_back(&stream);
}

void HostStreams::Write(Stream& stream, const TcpSender::Segment& segment) {
  auto& headers = stream.headers;
  std::uint8_t* tcp = &headers[headers.size() - kTcpHeader];
  Put16(tcp + 4, segment.sequence >> 16);
  Put16(tcp + 6, segment.sequence & 0xffff);
  tcp[12] = kTcpHeader / 4 << 4;
  tcp[13] = segment.push ? kTcpAck | kTcpPush : kTcpAck;
  Put16(tcp + 18, 0);
  if (Get16(&headers[12]) == kEtherIpv4) Put16(&headers[kEthernetHeader + 4], ++id_);
  SetIpLength(headers, headers.size() + segment.payload.size());
  send_(headers, segment.payload, stream.sender->segment());
}

}  // namespace runner
