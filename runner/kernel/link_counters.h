// What has passed through the interfaces of a namespace, as the kernel counts it.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kernel/netlink.h"

namespace runner {

struct LinkCounters {
  int index = 0;
  std::string name = {};
  bool up = false;             // as set (IFF_UP)
  bool carrier = false;        // as it is (IFF_LOWER_UP)
  std::uint64_t received = 0;  // bytes
  std::uint64_t sent = 0;      // bytes
  std::uint64_t dropped = 0;   // packets, in both directions; without what a queueing discipline drops
  friend bool operator==(const LinkCounters&, const LinkCounters&) = default;
};

/// Of all interfaces of the socket's namespace, with one dump.
Result<std::vector<LinkCounters>> ReadLinkCounters(NetlinkSocket& socket);

/// What the queueing discipline at each interface's root has dropped since it was set: by index, packets.
Result<std::map<int, std::uint64_t>> ReadQueueDrops(NetlinkSocket& socket);

}  // namespace runner
