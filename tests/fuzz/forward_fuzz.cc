// What a hostile lab and hostile clients make of the parts that keep state between frames: the UDP forwarder on its own
// sockets, connections that are half closed, and what a host's socket sends past libslirp. The input is a list of
// frames, each behind a byte of instructions and two of length.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

#include "base/fd.h"
#include "uplink/frame_filter.h"
#include "uplink/half_closed.h"
#include "uplink/offload.h"
#include "uplink/sockets.h"
#include "uplink/tcp_streams.h"
#include "uplink/udp_forwarder.h"

namespace runner {
namespace {

// A fault that no sanitizer would see.
void Must(bool holds) {
  if (!holds) std::abort();
}

class World {
 public:
  World() {
    spec_.ipv6 = IpPrefix::Parse("fd00::/64");
    forwarder_ = std::make_unique<UdpForwarder>(
        loop_, spec_,
        [this](const UdpEndpoint& source, const UdpEndpoint& destination, std::span<const std::uint8_t> payload) {
          Must(!source.address.is_loopback());
          Must(BuildUdp(datagram_, MacAddress(), spec_.mac, source, destination, payload));
          Packet packet;
          Must(ParseFrame(datagram_, packet) == Verdict::kPass);
          shown_ = source;
        });
    streams_ = std::make_unique<TcpStreams>(
        spec_,
        [](std::span<std::uint8_t> headers, std::span<const std::uint8_t> payload, std::size_t segment) {
          Must(headers.size() + payload.size() <= kEthernetHeader + 65535);
          const VnetHeader header = PrepareOffload(headers, {.mtu = 1500, .rest = payload, .cut = segment});
          Must(header.headers <= headers.size() && header.flags == VnetHeader::kNeedsChecksum);
        },
        [](std::span<const std::uint8_t> frame) { Expect(frame); });
    client_.Reset(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    Must(client_.is_open());
    const SocketAddress any(*IpAddress::Parse("127.0.0.1"), 0);
    Must(bind(client_.get(), any.get(), any.size()) == 0);
    // Any free port: several may be fuzzed at once.
    for (int port = 20000 + getpid() % 20000; port_ == 0; ++port) {
      ForwardSpec forward;
      forward.protocol = ForwardSpec::Protocol::kUdp;
      forward.host_address = *IpAddress::Parse("127.0.0.1");
      forward.first_host_port = forward.last_host_port = static_cast<std::uint16_t>(port);
      forward.target = *IpAddress::Parse("10.0.2.100");
      forward.first_port = forward.last_port = 53;
      if (forwarder_->Listen(forward)) port_ = static_cast<std::uint16_t>(port);
    }
    loop_.After(0, [] {});
  }

  void ToLab(std::vector<std::uint8_t> frame, std::uint8_t choice) {
    if (ProtocolOf(frame) != kProtoTcp) return FromClient(frame);
    // As libslirp accepts a client: not one that can be told, for its socket has no address.
    if (choice % 4 == 1) Open(true);
    const auto shown = streams_->ToLab(frame, now_);
    half_closed_.Sent(shown, now_);
    Must(PrepareOffload(shown, {.mtu = 1500, .segment = streams_->SegmentOf(shown)}).headers <= shown.size());
  }

  void FromLab(std::vector<std::uint8_t> frame, std::uint8_t choice) {
    Packet packet;
    if (ParseFrame(frame, packet) != Verdict::kPass) return;
    if (packet.protocol == kProtoUdp && choice % 2 == 0 && shown_) {
      // As if it were the server's answer.
      packet.source = *IpAddress::Parse("10.0.2.100");
      packet.source_port = 53;
      packet.destination = shown_->address;
      packet.destination_port = shown_->port;
      Must(forwarder_->TakeReply(packet));
    } else {
      forwarder_->TakeReply(packet);
    }
    if (packet.protocol != kProtoTcp) return;
    half_closed_.Received(packet, now_);
    const auto seen = streams_->FromLab(packet, now_);
    if ((packet.type & kTcpSyn) != 0 && choice % 2 == 0) Open(false);
    streams_->Seen();
    streams_->Settle();
    if (!seen.empty()) Must(ParseFrame(seen, packet) == Verdict::kPass);
  }

  void Pass(std::uint8_t choice) {
    now_ += choice * 1000;
    half_closed_.Expire(now_);
    Must(half_closed_.size() <= HalfClosed::kMost);
    forwarder_->Flush();
    std::vector<pollfd> polled;
    for (const Host& host : hosts_) {
      polled.push_back({.fd = host.ours.get(), .events = POLLIN | POLLOUT | POLLPRI, .revents = 0});
    }
    if (!hosts_.empty()) {
      const Fd& host = hosts_[choice % hosts_.size()].host;
      const std::vector<std::uint8_t> bytes(choice * 300U, choice);
      if (host.is_open()) [[maybe_unused]]
        const ssize_t size = write(host.get(), bytes.data(), bytes.size());
    }
    std::int64_t timeout = -1;
    streams_->Fill(polled);
    streams_->Sleep(now_, timeout);
    Must(timeout >= -1);
    poll(polled.data(), polled.size(), 0);
    streams_->Dispatch(polled, now_);
    streams_->Settle();
    if (choice % 8 == 7 && !hosts_.empty()) Close(choice % hosts_.size());
  }

 private:
  struct Host {
    Fd host;
    Fd ours;
  };

  // A reset in the lab's name.
  static void Expect(std::span<const std::uint8_t> frame) {
    std::vector<std::uint8_t> copy(frame.begin(), frame.end());
    Packet packet;
    Must(ParseFrame(copy, packet) == Verdict::kPass);
  }

  void Open(bool accepted) {
    if (hosts_.size() >= 16) Close(0);
    int ends[2];
    Must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    hosts_.push_back({Fd(ends[0]), Fd(ends[1])});
    streams_->Opened(ends[1], accepted);
  }
  void Close(std::size_t which) {
    // The host first, and libslirp the next time.
    if (hosts_[which].host.is_open() && hosts_.size() < 16) return hosts_[which].host.Reset();
    streams_->Closed(hosts_[which].ours.get());
    hosts_.erase(hosts_.begin() + static_cast<std::ptrdiff_t>(which));
  }

  void FromClient(std::span<const std::uint8_t> payload) {
    const SocketAddress to(*IpAddress::Parse("127.0.0.1"), port_);
    if (sendto(client_.get(), payload.data(), payload.size(), 0, to.get(), to.size()) < 0) return;
    loop_.After(0, [this] { loop_.Stop(); });
    loop_.Run();
    Must(forwarder_->flows() == 1);
  }

  Loop loop_;
  UplinkSpec spec_;
  std::vector<std::uint8_t> datagram_;
  std::optional<UdpEndpoint> shown_;
  std::unique_ptr<UdpForwarder> forwarder_;
  Fd client_;
  std::uint16_t port_ = 0;
  std::int64_t now_ = 0;
  HalfClosed half_closed_{[](std::span<const std::uint8_t> frame) { Expect(frame); }};
  std::vector<Host> hosts_;
  std::unique_ptr<TcpStreams> streams_;
};

}  // namespace
}  // namespace runner

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // One for all inputs: what one leaves, the next one finds.
  static runner::World world;
  while (size >= 3) {
    const std::uint8_t choice = data[0];
    const std::size_t length = std::min<std::size_t>(size - 3, static_cast<std::size_t>(data[1] << 8 | data[2]));
    std::vector<std::uint8_t> frame(data + 3, data + 3 + length);
    data += 3 + length;
    size -= 3 + length;
    switch (choice % 3) {
      case 0:
        world.ToLab(std::move(frame), choice / 3);
        break;
      case 1:
        world.FromLab(std::move(frame), choice / 3);
        break;
      default:
        world.Pass(choice / 3);
        break;
    }
  }
  return 0;
}
