// What the bridge family of netlink tells of ports and forwarding entries: bridge(8) `vlan` and `fdb`.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/ip.h"
#include "base/mac.h"
#include "kernel/netlink.h"

namespace runner {

/// The VLANs of one port of a bridge that filters.
struct VlanMembership {
  std::optional<std::uint16_t> pvid = {};  // of what comes in without a tag
  std::set<std::uint16_t> tagged = {};
  std::set<std::uint16_t> untagged = {};  // leave without their tag
  friend bool operator==(const VlanMembership&, const VlanMembership&) = default;
};

/// By the port's index. A port without any VLAN is left out.
Result<std::map<int, VlanMembership>> ReadPortVlans(NetlinkSocket& socket);
/// Brings the port from `before` to `wish`: only what differs is sent.
Status ChangePortVlans(NetlinkSocket& socket, int index, const VlanMembership& before, const VlanMembership& wish);

/// A forwarding entry of a vxlan: where what is for `mac` goes. The MAC of zeros stands for all without an entry and
/// may have several destinations.
struct TunnelFdbEntry {
  int index = 0;
  MacAddress mac = {};
  IpAddress dst = {};
  friend bool operator==(const TunnelFdbEntry&, const TunnelFdbEntry&) = default;
};

/// Entries with a destination, of all vxlans here.
Result<std::vector<TunnelFdbEntry>> ReadTunnelFdb(NetlinkSocket& socket);
/// EEXIST when there is such an entry.
Status AddTunnelFdb(NetlinkSocket& socket, const TunnelFdbEntry& entry);
/// ENOENT when the station has none; a destination that it does not have is success.
Status DeleteTunnelFdb(NetlinkSocket& socket, const TunnelFdbEntry& entry);

}  // namespace runner
