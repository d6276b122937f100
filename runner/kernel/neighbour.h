// Neighbour entries that were set by hand: permanent ones, and addresses answered for (proxies).
#pragma once
#include <optional>
#include <vector>

#include "base/ip.h"
#include "base/mac.h"
#include "kernel/mark.h"
#include "kernel/netlink.h"

namespace runner {

struct NeighbourInfo {
  int index = 0;  // the interface
  IpAddress to = {};
  std::optional<MacAddress> mac = {};  // absent for a proxy
  bool proxy = false;
  std::uint8_t protocol = kProtocol;  // NDA_PROTOCOL; 0 where the kernel has none
  friend bool operator==(const NeighbourInfo&, const NeighbourInfo&) = default;
};

/// Permanent entries and proxies of both families; what the kernel learnt is left out.
Result<std::vector<NeighbourInfo>> ReadNeighbours(NetlinkSocket& socket);
/// EEXIST when the address has such an entry on the interface; what the kernel learnt itself is replaced. A proxy that
/// exists is taken over in silence, the kernel has no word against it.
Status AddNeighbour(NetlinkSocket& socket, const NeighbourInfo& neighbour);
/// ENOENT when there is none.
Status DeleteNeighbour(NetlinkSocket& socket, const NeighbourInfo& neighbour);

}  // namespace runner
