// What a hostile lab and hostile clients make of the parts that keep state between frames: the UDP forwarder on its own
// sockets, segment sizes, connections that are half closed, and segments that are joined. The input is a list of
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
#include "uplink/coalescer.h"
#include "uplink/frame_filter.h"
#include "uplink/half_closed.h"
#include "uplink/offload.h"
#include "uplink/segments.h"
#include "uplink/sockets.h"
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
    half_closed_.Sent(frame, now_);
    Must(PrepareOffload(frame, {.mtu = 1500, .segment = segments_.Of(frame)}).headers <= frame.size());
    coalescer_.Send(frame);
    if (choice % 2 == 0) coalescer_.Flush();
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
    if ((packet.type & 2) != 0) segments_.Take(packet, 65480);
    half_closed_.Received(packet, now_);
  }

  void Pass(std::uint8_t choice) {
    now_ += choice * 1000;
    half_closed_.Expire(now_);
    Must(half_closed_.size() <= HalfClosed::kMost);
    forwarder_->Flush();
    coalescer_.Flush();
  }

 private:
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
  SegmentSizes segments_;
  HalfClosed half_closed_{[](std::span<const std::uint8_t> frame) {
    std::vector<std::uint8_t> copy(frame.begin(), frame.end());
    Packet packet;
    Must(ParseFrame(copy, packet) == Verdict::kPass);
  }};
  Coalescer coalescer_{[](std::span<std::uint8_t> first, std::span<const std::uint8_t> rest, std::size_t segment) {
    Must(first.size() + rest.size() <= kEthernetHeader + 65535);
    const VnetHeader header = PrepareOffload(first, {.mtu = 1500, .more = rest.size(), .merged = segment});
    Must(header.headers <= first.size());
  }};
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
