// Routes of both families, by table; multipath, IPv4 over an IPv6 gateway, and IPv6 siblings as one.
#pragma once
#include <linux/rtnetlink.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "kernel/mark.h"
#include "kernel/netlink.h"

namespace runner {

struct RouteNextHop {
  std::optional<IpAddress> via = {};  // may be of the other family: IPv4 over an IPv6 gateway
  int oif = 0;                        // 0: the kernel finds it
  int weight = 1;
  bool onlink = false;
  bool linkdown = false;  // read only: its interface has no carrier
  bool dead = false;      // read only
  friend bool operator==(const RouteNextHop&, const RouteNextHop&) = default;
};

/// A route as it is read, and as it is to be made.
struct RouteInfo {
  IpPrefix to = {};  // its family is the route's
  std::uint32_t table = RT_TABLE_MAIN;
  std::uint8_t protocol = kProtocol;
  std::optional<std::uint8_t> scope = {};  // RT_SCOPE_…; absent: DefaultScope(); set in what is read
  std::uint8_t type = RTN_UNICAST;
  std::uint32_t metric = 0;  // 0 becomes DefaultMetric() in the kernel
  std::optional<IpAddress> prefsrc = {};
  std::optional<std::uint32_t> mtu = {};
  std::string encap = {};                   // of each hop, as kernel/encap.h writes it; empty: none
  std::vector<RouteNextHop> nexthops = {};  // one for most routes, none for a blackhole and its like
  friend bool operator==(const RouteInfo&, const RouteInfo&) = default;
  Family family() const { return to.family(); }
};
using RouteSpec = RouteInfo;

/// Whether a packet that meets a route of this type (RTN_…) goes nowhere: a blackhole and its like. IPv6 shows them
/// with `lo` as the next hop, which says nothing.
bool LeadsNowhere(std::uint8_t type);
/// What the kernel makes of a metric of 0: 1024 for IPv6.
std::uint32_t DefaultMetric(Family family);
/// The scope of a route that was given none, as ip-route(8) chooses it.
std::uint8_t DefaultScope(const RouteInfo& route);

enum class RouteFilter {
  kConfigurable,  // without what the kernel keeps for addresses: local, broadcast, multicast and anycast entries
  kAll
};

/// Old kernels tell each next hop of an IPv6 multipath route as a route of its own: puts those of `next` to `route`'s
/// if the two are such siblings, else does nothing and says false.
bool JoinSibling(RouteInfo& route, const RouteInfo& next);

/// All routes of both families in all tables, without cached ones. A multipath route is one, however the kernel tells
/// it.
Result<std::vector<RouteInfo>> ReadRoutes(NetlinkSocket& socket, RouteFilter filter = RouteFilter::kConfigurable);
/// As ReadRoutes, those of one family.
Result<std::vector<RouteInfo>> ReadRoutesOf(Family family, NetlinkSocket& socket,
                                            RouteFilter filter = RouteFilter::kConfigurable);

/// EEXIST when there is a route with the same prefix, table and metric.
Status AddRoute(NetlinkSocket& socket, const RouteSpec& route);
/// Puts `route` in the place of the one with the same prefix, table and metric, without a moment between them. Whoever
/// calls it has looked whose that is: the kernel does not ask. ENOENT (IPv6: or ESRCH) when there is none.
Status ReplaceRoute(NetlinkSocket& socket, const RouteSpec& route);
/// Prefix, table, protocol, scope, type, metric and next hops must fit; ESRCH when there is none. An IPv4 metric of 0
/// means "any" to the kernel, which takes the lowest.
Status DeleteRoute(NetlinkSocket& socket, const RouteInfo& route);

}  // namespace runner
