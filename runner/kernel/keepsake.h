// What the kernel drops of an interface that leaves its namespace, to be given back when it returns: its addresses and
// the routes over it, as the kernel's own messages, with all that these say (labels, lifetimes, metrics).
#pragma once
#include <string>
#include <vector>

#include "base/error.h"
#include "kernel/netlink.h"

namespace runner {

/// One line each, of hexadecimal digits. Not kept are routes with several hops, which other interfaces share, and those
/// that a router announced.
Result<std::vector<std::string>> Keep(NetlinkSocket& socket, int index);

/// Gives them to an interface that is up. What is there already stays. One that the kernel refuses does not keep the
/// others away.
Errors GiveBack(NetlinkSocket& socket, int index, const std::vector<std::string>& kept);

}  // namespace runner
