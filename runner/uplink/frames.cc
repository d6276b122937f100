#include "uplink/frames.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "uplink/offload.h"

namespace runner {
namespace {

// Bounded, so that sockets are served in between.
constexpr int kFramesOfRound = 64;
constexpr std::size_t kLargestFrame = 65536 + 64;
// So many windows fit a packet socket's queue.
constexpr std::size_t kWindowsOfQueue = 8;
constexpr std::int64_t kLogCheck = 1000;
constexpr std::int64_t kHalfClosedCheck = 5000;

// As libslirp makes it for its gateway.
MacAddress GatewayMac(const IpAddress& gateway) {
  const std::uint8_t* bytes = gateway.bytes();
  return MacAddress({0x52, 0x55, bytes[0], bytes[1], bytes[2], bytes[3]});
}

}  // namespace

Frames::Frames(Loop& loop, Log& log, DnsRelay& relay, const UplinkSpec& spec, Fd tap, std::function<void()> lost)
    : loop_(loop),
      log_(log),
      relay_(relay),
      spec_(spec),
      tap_(std::move(tap)),
      lost_(std::move(lost)),
      gateway_mac_(GatewayMac(spec.gateway())),
      filter_(spec, {}),
      redirect_(spec),
      half_closed_([this](std::span<std::uint8_t> frame) { stack_->Inject(frame); }),
      buffer_(sizeof(VnetHeader) + kLargestFrame) {
  udp_ = std::make_unique<UdpForwarder>(
      loop_, spec_,
      [this](const UdpEndpoint& source, const UdpEndpoint& destination, std::span<const std::uint8_t> payload) {
        SendUdp(source, destination, payload);
      });
}

Frames::~Frames() {
  loop_.SetSource(nullptr);
  if (half_closed_timer_ != 0) loop_.Cancel(half_closed_timer_);
  loop_.Forget(tap_.get());
}

Status Frames::Start() {
  stack_ = TRY(SlirpStack::Open(
      loop_, spec_, log_, [this](std::span<std::uint8_t> frame, const Outgoing& outgoing) { ToTap(frame, outgoing); }));
  // A packet socket that is full drops frames, where a tap holds its senders back.
  int queue = 0;
  socklen_t size = sizeof queue;
  if (getsockopt(tap_.get(), SOL_SOCKET, SO_RCVBUF, &queue, &size) == 0) {
    stack_->LimitWindow(static_cast<std::size_t>(queue) / kWindowsOfQueue);
  }
  loop_.SetSource(stack_.get());
  loop_.Watch(tap_.get(), POLLIN, [this](short) { Drain(); });
  return {};
}

Status Frames::Listen(const ForwardSpec& forward, std::vector<Fd> sockets) {
  if (forward.target.is_ipv6() && !spec_.ipv6) {
    return Fail(fmt::format("publish {}", forward.text()), "the uplink has no IPv6");
  }
  const auto ports = static_cast<std::size_t>(forward.last_host_port - forward.first_host_port) + 1;
  if (!sockets.empty() && sockets.size() != ports) {
    return Fail(fmt::format("publish {}", forward.text()),
                fmt::format("{} sockets came for {} ports", sockets.size(), ports));
  }
  const bool tcp = forward.protocol == ForwardSpec::Protocol::kTcp;
  TRY((tcp ? stack_->Listen(forward, std::move(sockets)) : udp_->Listen(forward, std::move(sockets)))
          .Wrap(fmt::format("publish {}", forward.text())));
  forwards_.push_back(forward);
  filter_ = FrameFilter(spec_, forwards_);
  return {};
}

void Frames::Unlisten(const ForwardSpec& forward) {
  const bool tcp = forward.protocol == ForwardSpec::Protocol::kTcp;
  tcp ? stack_->Unlisten(forward) : udp_->Unlisten(forward);
  std::erase(forwards_, forward);
  filter_ = FrameFilter(spec_, forwards_);
}

void Frames::Change(const UplinkSpec& spec) {
  spec_ = spec;
  filter_ = FrameFilter(spec_, forwards_);
}

void Frames::Drain() {
  for (int i = 0; i < kFramesOfRound; ++i) {
    const ssize_t size = read(tap_.get(), buffer_.data(), buffer_.size());
    if (size < 0) {
      // The tap's word for it, and the packet socket's.
      if (errno == EBADFD || errno == ENETDOWN) return lost_();
      // EIO: the interface is down; nothing comes until it is up.
      break;
    }
    if (static_cast<std::size_t>(size) < sizeof(VnetHeader)) break;
    VnetHeader header;
    std::memcpy(&header, buffer_.data(), sizeof header);
    const auto frame = std::span(buffer_).first(static_cast<std::size_t>(size)).subspan(sizeof header);
    if (CompleteChecksum(header, frame)) {
      FromTap(frame, (header.flags & (VnetHeader::kNeedsChecksum | VnetHeader::kDataValid)) != 0);
    } else {
      Drop(Verdict::kMalformed, {});
    }
  }
  udp_->Flush();
  stack_->Settle();
  const std::int64_t now = Loop::Now();
  if (half_closed_.size() > HalfClosed::kMost) half_closed_.Expire(now);
  if (now - log_checked_ > kLogCheck) {
    // glib writes there, too.
    log_checked_ = now;
    log_.Bound();
  }
}

void Frames::FromTap(std::span<std::uint8_t> frame, bool summed) {
  Packet packet;
  Verdict shape = ParseFrame(frame, packet);
  std::optional<std::vector<std::uint8_t>> whole;
  if (shape == Verdict::kFragment) {
    whole = reassembler_.Take(frame, Loop::Now());
    if (!whole) return;
    shape = ParseFrame(*whole, packet);
  }
  if (shape != Verdict::kPass) return Drop(shape, packet);
  packet.summed = summed && !whole;
  Route(packet);
}

void Frames::Route(Packet packet) {
  // Before the filter: an answer to a client of a published port goes wherever the client is.
  if (udp_->TakeReply(packet)) return;
  const Verdict verdict = filter_.Check(packet);
  if (verdict != Verdict::kPass) return Drop(verdict, packet);
  if (packet.protocol == kProtoUdp && filter_.IsDns(packet)) {
    const UdpEndpoint client{packet.source, packet.source_port};
    const UdpEndpoint server{packet.destination, packet.destination_port};
    // The relay and the frames live as long as the helper.
    return relay_.Ask(
        packet.udp_payload(), DnsRelay::Transport::kUdp,
        [this, client, server](std::span<const std::uint8_t> answer) { SendUdp(server, client, answer); });
  }
  if (packet.protocol == kProtoTcp && filter_.IsDns(packet)) {
    redirect_.ToRelay(packet);
  } else if (packet.protocol == kProtoTcp) {
    half_closed_.Received(packet, Loop::Now());
  }
  stack_->Input(packet);
}

void Frames::WatchHalfClosed() {
  if (half_closed_timer_ != 0) return;
  half_closed_timer_ = loop_.After(kHalfClosedCheck, [this] {
    half_closed_timer_ = 0;
    half_closed_.Expire(Loop::Now());
    if (half_closed_.size() > 0) WatchHalfClosed();
  });
}

void Frames::Drop(Verdict verdict, const Packet& packet) {
  ++dropped_[static_cast<std::size_t>(verdict)];
  switch (verdict) {
    case Verdict::kHostLoopback:
    case Verdict::kPolicy:
    case Verdict::kDnsOff:
      log_.Thinned(fmt::format("dropped ({}): {} to {} port {}", VerdictName(verdict), packet.source.text(),
                               packet.destination.text(), packet.destination_port));
      break;
    default:
      break;  // Every interface sends multicast when it comes up.
  }
}

void Frames::SendUdp(const UdpEndpoint& source, const UdpEndpoint& destination, std::span<const std::uint8_t> payload) {
  if (BuildUdp(datagram_, gateway_mac_, spec_.mac, source, destination, payload)) ToTap(datagram_, {});
}

void Frames::ToTap(std::span<std::uint8_t> frame, const Outgoing& outgoing) {
  redirect_.FromRelay(frame);
  const bool oversized = frame.size() > kEthernetHeader + spec_.mtu;
  const std::uint8_t protocol = ProtocolOf(frame);
  if (oversized && Get16(&frame[12]) == kEtherIpv6 && protocol != kProtoTcp && protocol != kProtoFragment6) {
    for (auto& fragment : FragmentIpv6(frame, spec_.mtu)) ToTap(fragment, {});
    return;
  }
  if (protocol == kProtoTcp) {
    half_closed_.Sent(frame, Loop::Now());
    if (half_closed_.size() > 0) WatchHalfClosed();
  }
  Write(frame, outgoing);
}

void Frames::Write(std::span<std::uint8_t> frame, Outgoing outgoing) {
  outgoing.mtu = spec_.mtu;
  VnetHeader header = PrepareOffload(frame, outgoing);
  const std::array<iovec, 3> parts = {
      iovec{.iov_base = &header, .iov_len = sizeof header},
      iovec{.iov_base = frame.data(), .iov_len = frame.size()},
      iovec{.iov_base = const_cast<std::uint8_t*>(outgoing.rest.data()), .iov_len = outgoing.rest.size()},
  };
  // A frame that the interface does not take (down, out of memory) is lost, as frames are.
  const bool written = writev(tap_.get(), parts.data(), parts.size()) >= 0;
  // In place of a tap a packet socket, which takes no datagram over the MTU.
  if (written || errno != EMSGSIZE || ProtocolOf(frame) == kProtoTcp || frame.size() <= kEthernetHeader + spec_.mtu) {
    return;
  }
  for (auto& fragment : FragmentIpv4(frame, spec_.mtu)) Write(fragment, {});
}

}  // namespace runner
