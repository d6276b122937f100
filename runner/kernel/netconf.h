// What the kernel tells of a family's settings over netlink (RTM_GETNETCONF, netconf(7) in iproute2: `ip netconf`).
// A file below /proc/sys/net costs the more to open the more namespaces there are: the names of all of them are looked
// through.
#pragma once
#include "base/error.h"
#include "kernel/netlink.h"

namespace runner {

/// Whether the socket's namespace forwards IPv4 (`net.ipv4.ip_forward`) or IPv6 (`net.ipv6.conf.all.forwarding`):
/// `family` is AF_INET or AF_INET6. A kernel without the family forwards none.
Result<bool> ReadForwarding(NetlinkSocket& socket, int family);

}  // namespace runner
