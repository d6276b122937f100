// The path of a frame between the tap and what serves it: checksums, filter, then DNS relay, UDP forwarder or libslirp.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "uplink/dns_redirect.h"
#include "uplink/dns_relay.h"
#include "uplink/frame_filter.h"
#include "uplink/half_closed.h"
#include "uplink/log.h"
#include "uplink/loop.h"
#include "uplink/reassembly.h"
#include "uplink/slirp_stack.h"
#include "uplink/spec.h"
#include "uplink/udp_forwarder.h"

namespace runner {

class Frames {
 public:
  /// `lost` is called when the tap is gone.
  Frames(Loop& loop, Log& log, DnsRelay& relay, const UplinkSpec& spec, Fd tap, std::function<void()> lost);
  Frames(const Frames&) = delete;
  Frames& operator=(const Frames&) = delete;
  ~Frames();

  Status Start();
  /// `sockets`: bound already, one a port; else empty.
  Status Listen(const ForwardSpec& forward, std::vector<Fd> sockets = {});
  void Unlisten(const ForwardSpec& forward);
  void Change(const UplinkSpec& spec);

  /// Where the relay listens for DNS over TCP.
  void SetRelayPorts(std::uint16_t ipv4, std::uint16_t ipv6) { redirect_.SetPorts(ipv4, ipv6); }
  /// Whether a connection from `near` is one that libslirp makes for the lab.
  bool Owns(const UdpEndpoint& near) const { return stack_->Owns(near); }

  const std::vector<ForwardSpec>& forwards() const { return forwards_; }
  /// Dropped frames, by verdict.
  const std::array<std::uint64_t, kVerdicts>& dropped() const { return dropped_; }
  std::size_t udp_flows() const { return udp_->flows(); }

 private:
  void Drain();
  /// `summed`: the kernel answers for the checksum.
  void FromTap(std::span<std::uint8_t> frame, bool summed);
  void Route(Packet packet);
  void ToTap(std::span<std::uint8_t> frame, const Outgoing& outgoing);
  void Write(std::span<std::uint8_t> frame, Outgoing outgoing);
  void WatchHalfClosed();
  void SendUdp(const UdpEndpoint& source, const UdpEndpoint& destination, std::span<const std::uint8_t> payload);
  void Drop(Verdict verdict, const Packet& packet);

  Loop& loop_;
  Log& log_;
  DnsRelay& relay_;
  UplinkSpec spec_;
  Fd tap_;
  std::function<void()> lost_;
  MacAddress gateway_mac_;
  std::vector<ForwardSpec> forwards_;
  FrameFilter filter_;
  DnsRedirect redirect_;
  Reassembler reassembler_;
  std::unique_ptr<UdpForwarder> udp_;
  std::unique_ptr<SlirpStack> stack_;
  HalfClosed half_closed_;
  Loop::TimerId half_closed_timer_ = 0;
  std::vector<std::uint8_t> buffer_;
  std::vector<std::uint8_t> datagram_;  // one at a time, made anew without asking for memory
  std::array<std::uint64_t, kVerdicts> dropped_ = {};
  std::int64_t log_checked_ = 0;
};

}  // namespace runner
