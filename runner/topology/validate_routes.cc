// Routes, rules and neighbours against the devices and addresses of their node.
#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "base/text.h"
#include "topology/validate_index.h"
#include "topology/validate_reach.h"

namespace runner::validate {
namespace {

constexpr std::uint32_t kMainTable = 254;

std::string RouteName(const Route& route) {
  if (route.label) return fmt::format("route to mpls {}", *route.label);
  return "route to " + (route.to.is_default() ? "default (" + route.to.text() + ")" : route.to.text());
}

class RouteChecks {
 public:
  RouteChecks(const PlaceDevices& place, Findings& findings)
      : place_(place), reach_(place), findings_(findings), where_(PlaceName(place.place)) {}

  void Check(const Route& route);
  /// Two routes of one key: the kernel takes the first only.
  void CheckTwice(const std::vector<Route>& routes);

 private:
  const Device* CheckDevice(const Route& route, const std::string& dev, const Mark& at);
  void CheckGateway(const Route& route, const IpAddress& via, const std::string& dev, const Mark& at);
  void CheckConnected(const Route& route);
  void CheckSource(const Route& route);
  std::string_view VrfOf(const Route& route, std::string_view dev) const;
  bool MayChangeLater() const;

  const PlaceDevices& place_;
  Reach reach_;
  Findings& findings_;
  std::string where_;
};

std::string_view RouteChecks::VrfOf(const Route& route, std::string_view dev) const {
  const Device* device = dev.empty() ? nullptr : place_.Find(dev);
  if (device != nullptr) return device->vrf();
  if (!route.table) return {};
  const Device* vrf = reach_.VrfOfTable(*route.table);
  return vrf == nullptr ? std::string_view() : vrf->name;
}

/// What runs in the node after the routes stand could make a gateway reachable.
bool RouteChecks::MayChangeLater() const {
  const Node* node = place_.node;
  return node != nullptr && (!node->exec.empty() || !node->processes.empty() || node->nftables);
}

const Device* RouteChecks::CheckDevice(const Route& route, const std::string& dev, const Mark& at) {
  if (dev.empty()) return nullptr;
  const Device* device = place_.Find(dev);
  if (device == nullptr) {
    if (place_.knows_all()) {
      findings_.Wrong(at, where_, RouteName(route), "there is no interface " + Quote(dev) + place_.Near(dev));
    }
    return nullptr;
  }
  if (!device->is_up()) {
    findings_.Wrong(at, where_, RouteName(route),
                    "interface " + Quote(dev) + " is down: the kernel takes no route over it",
                    {{device->interface->up->at, "set down here", {}}});
    return nullptr;
  }
  if (route.to.is_ipv6() && !device->has_ipv6()) {
    findings_.Wrong(at, where_, RouteName(route), "interface " + Quote(dev) + " has IPv6 off",
                    {{device->interface->ipv6->at, "turned off here", {}}});
    return nullptr;
  }
  return device;
}

void RouteChecks::CheckGateway(const Route& route, const IpAddress& via, const std::string& dev, const Mark& at) {
  const Device* device = dev.empty() ? nullptr : place_.Find(dev);
  if (!dev.empty() && (device == nullptr || !device->is_up())) return;  // Told by CheckDevice, or not ours to know.
  if (route.to.is_ipv6() && !via.is_ipv6()) {
    findings_.Wrong(at, where_, RouteName(route), "an IPv6 route has no IPv4 gateway, as " + via.text() + " is");
    return;
  }
  const std::string_view vrf = VrfOf(route, dev);
  if (reach_.IsOwn(vrf, via)) {
    findings_.Wrong(at, where_, RouteName(route), "gateway " + via.text() + " is the node's own address");
    return;
  }
  if (route.onlink) {
    if (dev.empty()) findings_.Wrong(at, where_, RouteName(route), "`onlink` needs `dev`: it says on which link");
    return;
  }
  if (via.is_ipv6() && via.is_link_local()) {
    if (dev.empty()) {
      findings_.Wrong(at, where_, RouteName(route),
                      "gateway " + via.text() + " is link-local: say on which interface with `dev`");
    }
    return;
  }
  if (!place_.knows_all()) return;
  const Reach::Answer answer = device != nullptr ? reach_.Ask(*device, via) : reach_.Ask(vrf, via);
  if (answer == Reach::Answer::kYes) return;
  // The subnet of a `type: nat` uplink without `cidr` is chosen when the lab goes up.
  if (device != nullptr && device->uplink != nullptr && !device->uplink->cidr) return;
  std::string why = "gateway " + via.text();
  if (answer == Reach::Answer::kOnlyThroughDown) {
    why += " is reached only over an interface that is down";
  } else if (device != nullptr) {
    why += " is in no network of interface " + Quote(dev) + "; give it an address there, or say `onlink: true`";
  } else if (!vrf.empty()) {
    why += " is in no network of an interface of vrf " + Quote(vrf);
  } else {
    why += " is in no network of an interface of this node";
  }
  if (MayChangeLater()) {
    findings_.Warn(at, where_, RouteName(route), why);
  } else {
    findings_.Wrong(at, where_, RouteName(route), why);
  }
}

/// The kernel itself adds a route for each address; the same one again is refused.
void RouteChecks::CheckConnected(const Route& route) {
  if (route.label || route.to.is_ipv6() || route.metric.value_or(0) != 0 || route.type != RouteType::kUnicast) return;
  const std::string_view vrf = VrfOf(route, route.dev);
  const Device* vrf_device = vrf.empty() ? nullptr : place_.Find(vrf);
  const bool in_main = vrf.empty() && route.table.value_or(kMainTable) == kMainTable;
  const bool in_vrf = vrf_device != nullptr && (!route.table || reach_.VrfOfTable(*route.table) == vrf_device);
  if (!in_main && !in_vrf) return;
  const Device* device = reach_.ConnectedBy(vrf, route.to);
  // A full-length address makes no route but the local one.
  if (device == nullptr || route.to.length() == route.to.address().bits()) return;
  findings_.Wrong(route.at, where_, RouteName(route),
                  "the kernel adds this route itself, for the address of interface " + Quote(device->name) +
                      "; leave it out, or give it a `metric`",
                  {{device->at(), "the interface", {}}});
}

void RouteChecks::CheckSource(const Route& route) {
  if (!route.from || !place_.knows_all() || MayChangeLater()) return;
  const Device* device = route.dev.empty() ? nullptr : place_.Find(route.dev);
  if (device != nullptr && device->uplink != nullptr) return;
  if (reach_.IsOwn(VrfOf(route, route.dev), *route.from) || reach_.IsOwn({}, *route.from)) return;
  // An uplink's own address is handed out by it.
  for (const Device& other : place_.devices) {
    if (other.uplink == nullptr) continue;
    if (!other.uplink->cidr || other.uplink->cidr->Contains(*route.from)) return;
    if (other.uplink->ipv6 && other.uplink->ipv6->Contains(*route.from)) return;
  }
  findings_.Wrong(route.at, where_, RouteName(route),
                  "`from` " + route.from->text() + " is no address of this node: the kernel takes only its own");
}

void RouteChecks::Check(const Route& route) {
  const Device* device = CheckDevice(route, route.dev, route.at);
  if (route.via && (route.dev.empty() || device != nullptr)) CheckGateway(route, *route.via, route.dev, route.at);
  for (const NextHop& hop : route.nexthops) {
    const Mark& at = hop.at.known() ? hop.at : route.at;
    const Device* hop_device = CheckDevice(route, hop.dev, at);
    if (hop.via && (hop.dev.empty() || hop_device != nullptr)) CheckGateway(route, *hop.via, hop.dev, at);
  }
  CheckConnected(route);
  CheckSource(route);
}

void RouteChecks::CheckTwice(const std::vector<Route>& routes) {
  // IPv6 knows no metric 0: the kernel makes it 1024.
  constexpr std::uint32_t kIpv6Metric = 1024;
  using Key = std::tuple<std::optional<std::uint32_t>, std::uint32_t, IpPrefix, std::uint32_t>;
  std::map<Key, const Route*> seen;
  for (const Route& route : routes) {
    std::uint32_t table = route.table.value_or(kMainTable);
    if (!route.table) {
      const std::string_view vrf = VrfOf(route, route.dev);
      const Device* device = vrf.empty() ? nullptr : place_.Find(vrf);
      if (device != nullptr && device->interface != nullptr) {
        if (const auto* type = std::get_if<Vrf>(&device->interface->type)) table = type->table;
      }
    }
    std::uint32_t metric = route.metric.value_or(0);
    if (route.to.is_ipv6() && metric == 0) metric = kIpv6Metric;
    const auto [first, is_new] = seen.emplace(Key(route.label, route.label ? 0 : table, route.to, metric), &route);
    if (is_new) continue;
    if (route.label) {
      findings_.Wrong(route.at, where_, RouteName(route), "there is a route for this label already",
                      {{first->second->at, "the other route", {}}});
      continue;
    }
    findings_.Wrong(route.at, where_, RouteName(route),
                    "there is a route to the same destination with the same metric; give one another `metric`, or "
                    "write one route with `nexthops`",
                    {{first->second->at, "the other route", {}}});
  }
}

void CheckRules(const PlaceDevices& place, Findings& findings) {
  const Node& node = *place.node;
  const auto check = [&](const Rule& rule, const char* key, const std::string& name) {
    if (name.empty() || !place.knows_all() || place.Find(name) != nullptr) return;
    // A rule matches a name, which what runs in the node may bring later.
    const bool later = !node.exec.empty() || !node.processes.empty();
    findings.Add(later ? Severity::kWarning : Severity::kError, rule.at, PlaceName(place.place),
                 fmt::format("rule {}", rule.priority),
                 fmt::format("`{}`: there is no interface {}{}", key, Quote(name), place.Near(name)));
  };
  const auto key = [](const Rule& rule) {
    return std::tie(rule.family, rule.priority, rule.from, rule.to, rule.iif, rule.oif, rule.fwmark, rule.fwmask,
                    rule.table, rule.action);
  };
  std::vector<const Rule*> sorted;
  for (const Rule& rule : node.rules) {
    check(rule, "iif", rule.iif);
    check(rule, "oif", rule.oif);
    sorted.push_back(&rule);
  }
  std::ranges::stable_sort(sorted, [&](const Rule* a, const Rule* b) { return key(*a) < key(*b); });
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    if (key(*sorted[i - 1]) != key(*sorted[i])) continue;
    findings.Wrong(sorted[i]->at, PlaceName(place.place), fmt::format("rule {}", sorted[i]->priority),
                   "the same rule is there already", {{sorted[i - 1]->at, "first here", {}}});
  }
}

void CheckNeighbours(const PlaceDevices& place, Findings& findings) {
  std::map<std::tuple<std::string_view, IpAddress, bool>, const Neighbour*> seen;
  for (const Neighbour& neighbour : place.node->neighbours) {
    const std::string tried = "neighbour " + neighbour.to.text();
    const Device* device = place.Find(neighbour.dev);
    if (device == nullptr && place.knows_all()) {
      findings.Wrong(neighbour.at, PlaceName(place.place), tried,
                     "there is no interface " + Quote(neighbour.dev) + place.Near(neighbour.dev));
    } else if (device != nullptr && !device->is_up()) {
      findings.Wrong(neighbour.at, PlaceName(place.place), tried,
                     "interface " + Quote(neighbour.dev) + " is down and keeps no neighbours");
    } else if (device != nullptr && neighbour.to.is_ipv6() && !device->has_ipv6()) {
      findings.Wrong(neighbour.at, PlaceName(place.place), tried,
                     "interface " + Quote(neighbour.dev) + " has IPv6 off");
    }
    const auto [first, is_new] = seen.emplace(std::tuple(neighbour.dev, neighbour.to, neighbour.proxy), &neighbour);
    if (is_new) continue;
    findings.Wrong(neighbour.at, PlaceName(place.place), tried, "it is given twice",
                   {{first->second->at, "first here", {}}});
  }
}

/// A host's end of a link has routes of its own, over that end.
void CheckEndRoutes(const Index& index, const LinkEnd& end, Findings& findings) {
  if (end.routes.empty() || !end.place.is_host()) return;
  const PlaceDevices* host = index.Find(end.place);
  if (host == nullptr) return;
  const Device* device = host->Find(end.interface);
  if (device == nullptr || device->interface == nullptr) return;
  for (const Route& route : end.routes) {
    if (!route.dev.empty() && route.dev != end.interface) {
      findings.Wrong(route.at, PlaceName(end.place), RouteName(route),
                     "a route of a link's end leaves by that end, " + Quote(end.interface));
      continue;
    }
    if (!device->is_up()) {
      findings.Wrong(route.at, PlaceName(end.place), RouteName(route),
                     "interface " + Quote(end.interface) + " is down: the kernel takes no route over it");
      continue;
    }
    if (!route.via || route.onlink || (route.via->is_ipv6() && route.via->is_link_local())) continue;
    const bool reached = std::ranges::any_of(device->interface->addresses, [&](const Address& address) {
      return (address.peer ? *address.peer : address.prefix).Contains(*route.via);
    });
    if (!reached) {
      findings.Wrong(route.at, PlaceName(end.place), RouteName(route),
                     "gateway " + route.via->text() + " is in no network of interface " + Quote(end.interface));
    }
  }
}

}  // namespace

void CheckRoutes(const Topology& topology, const Index& index, Findings& findings) {
  for (const PlaceDevices& place : index.places()) {
    if (place.node == nullptr) continue;
    if (!place.node->routes.empty()) {
      RouteChecks checks(place, findings);
      for (const Route& route : place.node->routes) checks.Check(route);
      checks.CheckTwice(place.node->routes);
    }
    CheckRules(place, findings);
    CheckNeighbours(place, findings);
  }
  for (const Link& link : topology.links) {
    CheckEndRoutes(index, link.a, findings);
    CheckEndRoutes(index, link.b, findings);
  }
}

}  // namespace runner::validate
