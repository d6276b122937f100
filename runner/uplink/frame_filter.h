// Which frames of the lab libslirp gets to see: what it handles wrongly or unsafely is dropped by shape, what the lab
// may not reach by destination. No system call, no state between frames.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "uplink/packet.h"
#include "uplink/spec.h"

namespace runner {

/// Why a frame is dropped; kPass is not.
enum class Verdict {
  kPass,
  kRunt,          // shorter than its headers say
  kEthertype,     // neither ARP nor IP; NC-SI too
  kMalformed,     // lengths, versions or offsets that contradict each other; IP options
  kFragment,      // to be put together first; libslirp never sees one
  kProtocol,      // neither TCP, UDP nor ICMP; IPv6 extension headers
  kSource,        // an address nobody in the lab can have
  kMulticast,     // would leave the lab on the host's network
  kHostLoopback,  // the host's loopback, by whatever address
  kOwnNetwork,    // the uplink's network has nothing but gateway and DNS
  kService,       // DHCP and TFTP of libslirp
  kDnsOff,
  kPolicy  // `allow`, `deny`
};
inline constexpr int kVerdicts = 13;
std::string_view VerdictName(Verdict verdict);

/// Parses a frame whose checksums are complete and clears TCP's urgent flag and pointer in place (checksum kept right):
/// urgent data becomes ordinary data.
Verdict ParseFrame(std::span<std::uint8_t> frame, Packet& packet);

class FrameFilter {
 public:
  FrameFilter(const UplinkSpec& spec, const std::vector<ForwardSpec>& forwards);

  /// Of a packet that ParseFrame passed.
  Verdict Check(const Packet& packet) const;
  /// Whether `address`:53 is the uplink's DNS service.
  bool IsDns(const Packet& packet) const;

 private:
  Verdict CheckDestination(const Packet& packet) const;
  bool IsAllowed(const IpAddress& address) const;
  bool IsReplyOfPublished(const Packet& packet) const;

  UplinkSpec spec_;
  std::vector<ForwardSpec> forwards_;
  IpAddress gateway_;
  IpAddress dns_;
  IpAddress gateway6_;
  IpAddress dns6_;
};

}  // namespace runner
