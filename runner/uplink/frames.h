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
#include "uplink/dns_relay.h"
#include "uplink/frame_filter.h"
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
  Status Listen(const ForwardSpec& forward);
  void Unlisten(const ForwardSpec& forward);
  void Change(const UplinkSpec& spec);

  const std::vector<ForwardSpec>& forwards() const { return forwards_; }
  /// Dropped frames, by verdict.
  const std::array<std::uint64_t, kVerdicts>& dropped() const { return dropped_; }
  std::size_t udp_flows() const { return udp_->flows(); }

 private:
  void Drain();
  void FromTap(std::span<std::uint8_t> frame);
  void Route(const Packet& packet);
  void ToTap(std::span<std::uint8_t> frame);
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
  Reassembler reassembler_;
  std::unique_ptr<UdpForwarder> udp_;
  std::unique_ptr<SlirpStack> stack_;
  std::vector<std::uint8_t> buffer_;
  std::array<std::uint64_t, kVerdicts> dropped_ = {};
  std::int64_t log_checked_ = 0;
};

}  // namespace runner
