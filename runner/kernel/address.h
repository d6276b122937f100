// Addresses of interfaces.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/mac.h"
#include "kernel/mark.h"
#include "kernel/netlink.h"

namespace runner {

struct AddressInfo {
  int index = 0;                      // the interface
  IpPrefix prefix = {};               // the own address; with a peer the length is the peer's
  std::optional<IpPrefix> peer = {};  // of a point-to-point address
  std::uint8_t scope = 0;             // RT_SCOPE_…
  std::uint8_t protocol = 0;          // IFA_PROTO; 0 where the kernel has none
  bool permanent = false;
  bool secondary = false;  // IPv4: goes with its primary
  bool nodad = false;
  bool tentative = false;                       // duplicate address detection is not over
  bool dad_failed = false;                      // somebody else has it
  std::optional<std::uint32_t> preferred = {};  // seconds left; absent: for ever
  std::optional<std::uint32_t> valid = {};
  friend bool operator==(const AddressInfo&, const AddressInfo&) = default;
};

struct AddressSpec {
  int index = 0;
  IpPrefix prefix = {};
  std::optional<IpPrefix> peer = {};
  std::optional<std::uint8_t> scope = {};       // absent: global, host for a loopback address
  std::optional<std::uint32_t> preferred = {};  // seconds; absent: for ever
  bool dad = false;                             // IPv6: wait for duplicate address detection before use
  std::uint8_t protocol = kProtocol;
};

/// The scope of an address that was given none (RT_SCOPE_…), as ip-address(8) chooses and the kernel shows it.
std::uint8_t DefaultScope(const IpPrefix& prefix);

/// The link-local address that the kernel makes from an Ethernet address (RFC 4291, appendix A).
IpPrefix LinkLocalAddress(const MacAddress& mac);

/// All addresses of the socket's namespace, in the kernel's order: by family, and by interface in it.
Result<std::vector<AddressInfo>> ReadAddresses(NetlinkSocket& socket);
/// Without a broadcast address, as `ip address add`. EEXIST when the interface has the address.
Status AddAddress(NetlinkSocket& socket, const AddressSpec& address);
/// Fails with EADDRNOTAVAIL when it is gone. The kernel takes an IPv4 primary's secondaries along.
Status DeleteAddress(NetlinkSocket& socket, int index, const IpPrefix& prefix,
                     const std::optional<IpPrefix>& peer = {});

}  // namespace runner
