// The way that the kernel would take, by all its rules and tables.
#pragma once
#include <optional>

#include "kernel/route.h"

namespace runner {

/// The route that packets to the address take from here; nothing when there is none (or one that forbids it).
Result<std::optional<RouteInfo>> LookUpRoute(NetlinkSocket& socket, const IpAddress& to);

}  // namespace runner
