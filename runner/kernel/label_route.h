// Routes for MPLS labels: `ip -f mpls route`. A label is taken off, and perhaps others put in its place.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "kernel/mark.h"
#include "kernel/netlink.h"

namespace runner {

struct LabelHop {
  std::optional<IpAddress> via = {};  // of either family; absent: the packet goes into the interface as it is
  int oif = 0;                        // 0: the kernel finds it
  std::string as = {};                // the labels put on, the outermost first: "200/300"; empty: none
  friend bool operator==(const LabelHop&, const LabelHop&) = default;
};

struct LabelRoute {
  std::uint32_t label = 0;
  std::uint8_t protocol = kProtocol;
  std::vector<LabelHop> hops = {};
  friend bool operator==(const LabelRoute&, const LabelRoute&) = default;
};

/// None where the kernel knows no MPLS.
Result<std::vector<LabelRoute>> ReadLabelRoutes(NetlinkSocket& socket);

/// EEXIST when the label has a route already; EINVAL above `net.mpls.platform_labels`.
Status AddLabelRoute(NetlinkSocket& socket, const LabelRoute& route);
/// Puts `route` in the place of the one for the same label.
Status ReplaceLabelRoute(NetlinkSocket& socket, const LabelRoute& route);
/// ESRCH when there is none.
Status DeleteLabelRoute(NetlinkSocket& socket, std::uint32_t label);

}  // namespace runner
