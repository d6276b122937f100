// `route`: the way that the kernel would take to a prefix.
#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "base/text.h"
#include "check/names.h"
#include "check/reading.h"
#include "kernel/link.h"
#include "kernel/route_lookup.h"

namespace runner::check {
namespace {

/// PREFIX, ADDR, `default`, or HOST.
Result<IpPrefix> ReadTarget(const Check& check, const Lab& lab, Vantage& from, const Patience& patience) {
  const std::array<std::uint8_t, 16> zero{};
  const Family family = check.family.value_or(Family::kIpv4);
  if (check.target == "default") return IpPrefix(IpAddress::FromBytes(family, zero.data()), 0);
  if (const auto prefix = IpPrefix::Parse(check.target)) return prefix->Masked();
  const IpAddress address = TRY(ResolveHost(lab, from, check.target, check.family, patience));
  return IpPrefix(address, address.bits());
}

/// The narrowest route of the table that covers the whole prefix.
Result<std::optional<RouteInfo>> FindCovering(NetlinkSocket& socket, const IpPrefix& prefix, std::uint32_t table) {
  std::optional<RouteInfo> best;
  for (RouteInfo& route : TRY(ReadRoutes(socket))) {
    if (route.table != table || route.family() != prefix.family() || !route.to.Contains(prefix)) continue;
    if (route.nexthops.empty()) continue;
    const bool is_better = !best || route.to.length() > best->to.length() ||
                           (route.to.length() == best->to.length() && route.metric < best->metric);
    if (is_better) best = std::move(route);
  }
  return best;
}

Result<std::optional<RouteInfo>> FindRoute(NetlinkSocket& socket, const IpPrefix& prefix) {
  auto route = TRY(LookUpRoute(socket, prefix.address()));
  // The first address of a prefix may be a part that has a way of its own.
  if (route && !route->to.Contains(prefix)) return FindCovering(socket, prefix, route->table);
  // Nobody sends to 0.0.0.0 or ::, so the kernel need not say where the default route leads.
  if (!route && prefix.address().is_unspecified()) return FindCovering(socket, prefix, RT_TABLE_MAIN);
  return route;
}

/// As a file may write it: the address, the node that has it, and NODE:IFNAME.
void AddNames(const AddressBook& book, const IpAddress& address, std::vector<std::string>& out) {
  out.push_back(address.text());
  const NodeAddresses* owner = book.Owner(address);
  if (owner == nullptr) return;
  out.push_back(owner->node);
  for (const InterfaceAddresses& interface : owner->interfaces) {
    const bool has_it = std::ranges::any_of(interface.addresses,
                                            [&address](const IpPrefix& prefix) { return prefix.address() == address; });
    if (has_it) out.push_back(owner->node + ":" + interface.name);
  }
}

}  // namespace

Result<Reading> ProbeRoute(const Check& check, const Lab& lab, Vantage& from, const Patience& patience) {
  const IpPrefix target = TRY(ReadTarget(check, lab, from, patience));
  Fd opened = TRY(from.OpenSocket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
  // The kernel answers within the call; who asks waits for it.
  if (fcntl(opened.get(), F_SETFL, 0) != 0) return SystemError(errno, "set up a netlink socket");
  NetlinkSocket socket = NetlinkSocket::Adopt(std::move(opened));
  const auto route = TRY(FindRoute(socket, target));
  Reading reading;
  if (!route) {
    reading.seen = "no route to " + target.text();
    return reading;
  }
  const std::vector<LinkInfo> links = TRY(ReadLinks(socket));
  reading.reached = std::ranges::any_of(route->nexthops, [](const RouteNextHop& hop) { return !hop.dead; });
  reading.seen = route->to.is_default() ? "default" : route->to.text();
  std::vector<std::string> via;
  std::vector<std::string> devices;
  for (const RouteNextHop& hop : route->nexthops) {
    if (hop.via) AddNames(lab.book, *hop.via, via);
    if (hop.via) reading.seen += " via " + hop.via->text();
    const auto link = std::ranges::find(links, hop.oif, &LinkInfo::index);
    if (link == links.end()) continue;
    devices.push_back(link->name);
    reading.seen += " dev " + link->name + (hop.dead ? " (dead)" : "");
    reading.values["mtu"] = static_cast<double>(route->mtu.value_or(link->mtu));
  }
  reading.values["via"] = std::move(via);
  reading.values["dev"] = std::move(devices);
  return reading;
}

}  // namespace runner::check
