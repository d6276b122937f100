// DNS over TCP: connections of the lab to the uplink's DNS address end at the helper's own relay, which listens on the
// host's loopback. Their frames get another address on the way to libslirp and the old one back on the way out.
#pragma once
#include <cstdint>
#include <span>

#include "uplink/packet.h"
#include "uplink/spec.h"

namespace runner {

class DnsRedirect {
 public:
  explicit DnsRedirect(const UplinkSpec& spec);

  /// Where the relay listens on 127.0.0.1 and ::1; 0 leaves that family alone.
  void SetPorts(std::uint16_t ipv4, std::uint16_t ipv6);

  /// A TCP packet to the DNS service: its destination becomes the relay.
  void ToRelay(Packet& packet) const;
  /// A frame on its way to the lab: if the relay sent it, its source becomes the DNS service. Checksums are complete.
  void FromRelay(std::span<std::uint8_t> frame) const;

 private:
  IpAddress gateway_;  // which libslirp takes for the host's loopback
  IpAddress dns_;
  IpAddress gateway6_;
  IpAddress dns6_;
  std::uint16_t port_ = 0;
  std::uint16_t port6_ = 0;
};

}  // namespace runner
