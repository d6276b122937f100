#include "plan/graph_builder.h"

#include <algorithm>

#include <fmt/format.h>

namespace runner {
namespace {

using Strength = DependsOn::Strength;

constexpr std::uint32_t kMainTable = 254;
constexpr std::uint32_t kIpv6Metric = 1024;  // what the kernel gives an IPv6 route without one

/// Priority and selectors: what makes it this rule and no other.
std::string RuleName(const Place& place, const RuleAttributes& rule) {
  std::string name = place.text() + "/" + std::to_string(rule.priority);
  if (rule.family == Family::kIpv6) name += ",ipv6";
  if (rule.from) name += ",from=" + rule.from->text();
  if (rule.to) name += ",to=" + rule.to->text();
  if (!rule.iif.empty()) name += ",iif=" + rule.iif;
  if (!rule.oif.empty()) name += ",oif=" + rule.oif;
  if (rule.fwmask != 0) name += fmt::format(",fwmark={:#x}/{:#x}", rule.fwmark, rule.fwmask);
  return name;
}

std::string LabelsText(const std::vector<std::uint32_t>& labels) {
  std::string out;
  for (const std::uint32_t label : labels) out += (out.empty() ? "" : "/") + std::to_string(label);
  return out;
}

/// What follows `encap` in ip-route(8), the parameters in the order in which it prints them.
std::string EncapText(const Encap& encap) {
  if (const auto* mpls = std::get_if<MplsEncap>(&encap)) return "mpls " + LabelsText(mpls->labels);
  if (const auto* seg6 = std::get_if<Seg6Encap>(&encap)) {
    std::string segments;
    for (const IpAddress& segment : seg6->segments) segments += (segments.empty() ? "" : ",") + segment.text();
    return fmt::format("seg6 mode {} segs {}", seg6->inline_mode ? "inline" : "encap", segments);
  }
  const auto& local = std::get<Seg6LocalEncap>(encap);
  std::string out = "seg6local action " + local.action;
  for (const char* key : {"srh segs", "table", "vrftable", "nh4", "nh6", "iif", "oif"}) {
    const auto found = local.parameters.find(key);
    if (found != local.parameters.end()) out += fmt::format(" {} {}", key, found->second);
  }
  return out;
}

}  // namespace

ResourceId GraphBuilder::AddressId(const Place& place, const std::string& interface, const IpPrefix& prefix) {
  return {.kind = Kind::kAddress, .name = DeviceName(place, interface) + "/" + prefix.text()};
}

void GraphBuilder::NeedDevice(const Place& place, const std::string& interface, std::vector<DependsOn>& on) const {
  const ResourceId id = DeviceId(place, interface);
  on.push_back({.id = id});
  if (id.kind == Kind::kBridge) {
    on.push_back(
        {.id = {.kind = Kind::kActivation, .name = DeviceName(place, interface)}, .strength = Strength::kAfter});
  }
}

void GraphBuilder::AddAddress(const Place& place, const std::string& interface, const AddressAttributes& attributes,
                              Position at) {
  std::vector<DependsOn> on = {{.id = DeviceId(place, interface)}};
  std::vector<IpPrefix>& before = addresses_[{place, interface}];
  // The kernel removes secondary IPv4 addresses together with the first one of their subnet.
  if (!attributes.prefix.is_ipv6()) {
    const auto primary = std::ranges::find_if(
        before, [&](const IpPrefix& other) { return other.Masked() == attributes.prefix.Masked(); });
    if (primary != before.end()) on.push_back({.id = AddressId(place, interface, *primary)});
  }
  before.push_back(attributes.prefix);
  Add(Kind::kAddress, AddressId(place, interface, attributes.prefix).name, attributes, at, on);
}

void GraphBuilder::AddAddresses(const Place& place, const Interface& interface) {
  for (const Address& address : interface.addresses) {
    AddAddress(place, interface.name,
               {.ns = NamespaceOf(place),
                .dev = interface.name,
                .prefix = address.prefix,
                .peer = address.peer,
                .scope = address.scope,
                .preferred = address.preferred,
                .dad = address.dad},
               address.at);
  }
}

std::string GraphBuilder::DeviceTowards(const Place& place, const IpAddress& via, const std::string& vrf) const {
  for (auto it = addresses_.lower_bound({place, ""}); it != addresses_.end() && it->first.first == place; ++it) {
    for (const IpPrefix& prefix : it->second) {
      if (prefix.Contains(via) && VrfOf(place, it->first.second) == vrf) return it->first.second;
    }
  }
  return "";
}

std::optional<IpPrefix> GraphBuilder::SegmentOf(const IpAddress& address) const {
  // From the topology: the target may be a node whose addresses come later.
  const auto segment = [&address](const Interface& interface) -> std::optional<IpPrefix> {
    for (const Address& own : interface.addresses) {
      const bool alone = own.prefix.length() == own.prefix.address().bits();
      if (own.prefix.address() == address && !alone) return own.prefix.Masked();
    }
    return std::nullopt;
  };
  for (const Node& node : topology_.nodes) {
    for (const Interface& interface : node.interfaces) {
      if (auto found = segment(interface)) return found;
    }
  }
  for (const Bridge& bridge : topology_.bridges) {
    if (auto found = segment(bridge.interface)) return found;
  }
  return std::nullopt;
}

void GraphBuilder::NeedHop(const Place& place, const HopAttributes& hop, std::vector<DependsOn>& on) const {
  if (hop.dev.empty()) return;
  NeedDevice(place, hop.dev, on);
  const auto found = addresses_.find({place, hop.dev});
  if (found == addresses_.end()) return;
  for (const IpPrefix& prefix : found->second) {
    if (hop.via && prefix.Contains(*hop.via)) on.push_back({.id = AddressId(place, hop.dev, prefix)});
  }
}

void GraphBuilder::AddRoute(const Place& place, const Route& route) {
  RouteAttributes attributes{.ns = NamespaceOf(place),
                             .to = route.to,
                             .label = route.label,
                             .table = route.table.value_or(kMainTable),
                             .metric = route.metric.value_or(route.to.is_ipv6() ? kIpv6Metric : 0),
                             .type = route.type,
                             .hops = {},
                             .scope = route.to.is_ipv6() ? std::nullopt : route.scope,
                             .from = route.from,
                             .mtu = route.mtu,
                             .onlink = route.onlink};
  for (const NextHop& hop : route.nexthops) {
    attributes.hops.push_back({.via = hop.via, .dev = hop.dev, .weight = hop.weight, .as = LabelsText(hop.as)});
  }
  if (route.via || !route.dev.empty()) {
    attributes.hops.push_back({.via = route.via, .dev = route.dev, .as = LabelsText(route.as)});
  }
  if (route.encap) attributes.encap = EncapText(*route.encap);
  std::vector<DependsOn> on = {{.id = NamespaceId(place)}};
  std::string vrf;
  for (auto it = vrfs_.lower_bound({place, ""}); it != vrfs_.end() && it->first.first == place; ++it) {
    if (route.table == it->second) vrf = it->first.second;
  }
  for (HopAttributes& hop : attributes.hops) {
    if (hop.dev.empty() && hop.via) hop.dev = DeviceTowards(place, *hop.via, vrf);
    if (vrf.empty() && !hop.dev.empty() && !route.table) vrf = VrfOf(place, hop.dev);
    NeedHop(place, hop, on);
  }
  // Labels are the node's, whatever VRF a packet leaves by.
  if (!vrf.empty() && !route.label) {
    on.push_back({.id = DeviceId(place, vrf), .strength = Strength::kAfter});
    if (!route.table) attributes.table = vrfs_.at({place, vrf});
  }
  std::ranges::sort(attributes.hops);
  // The kernel routes no label before it is told how many there may be.
  if (route.label) {
    on.push_back({.id = {.kind = Kind::kSysctl, .name = place.text() + "/net.mpls.platform_labels"},
                  .strength = Strength::kAfter});
  }
  // A preferred source must be an address of the node.
  if (route.from) NeedAddress(place, *route.from, on);
  // A gateway that only another route reaches comes behind that route.
  for (const HopAttributes& hop : attributes.hops) {
    if (hop.via && hop.dev.empty()) AfterRoutes(place, *hop.via, on);
  }
  const std::string to = route.label                   ? fmt::format("mpls={}", *route.label)
                         : route.to == IpPrefix({}, 0) ? "default"
                                                       : route.to.text();
  std::string name = place.text() + "/" + to;
  if (attributes.table != kMainTable) name += ",table=" + std::to_string(attributes.table);
  if (route.metric) name += ",metric=" + std::to_string(attributes.metric);
  if (!route.label) routes_[place].push_back({route.to, {.kind = Kind::kRoute, .name = name}});
  Add(Kind::kRoute, name, attributes, route.at, on);
}

void GraphBuilder::NeedAddress(const Place& place, const IpAddress& address, std::vector<DependsOn>& on) const {
  for (auto it = addresses_.lower_bound({place, ""}); it != addresses_.end() && it->first.first == place; ++it) {
    for (const IpPrefix& prefix : it->second) {
      if (prefix.address() == address) on.push_back({.id = AddressId(place, it->first.second, prefix)});
    }
  }
}

void GraphBuilder::AfterRoutes(const Place& place, const IpAddress& via, std::vector<DependsOn>& on) const {
  const auto found = routes_.find(place);
  if (found == routes_.end()) return;
  for (const auto& [to, id] : found->second) {
    if (to.Contains(via)) on.push_back({.id = id, .strength = Strength::kAfter});
  }
}

void GraphBuilder::AddRule(const Place& place, const Rule& rule) {
  const RuleAttributes attributes{.ns = NamespaceOf(place),
                                  .family = rule.family,
                                  .priority = rule.priority,
                                  .from = rule.from,
                                  .to = rule.to,
                                  .iif = rule.iif,
                                  .oif = rule.oif,
                                  .fwmark = rule.fwmark.value_or(0),
                                  // Without a mask the kernel compares the whole mark.
                                  .fwmask = rule.fwmark ? rule.fwmask.value_or(0xffffffff) : 0,
                                  .table = rule.table.value_or(0),
                                  .action = rule.action};
  Add(Kind::kRule, RuleName(place, attributes), attributes, rule.at, {{.id = NamespaceId(place)}});
}

void GraphBuilder::AddNeighbour(const Place& place, const Neighbour& neighbour) {
  std::vector<DependsOn> on = {{.id = NamespaceId(place)}};
  NeedDevice(place, neighbour.dev, on);
  Add(Kind::kNeighbour,
      DeviceName(place, neighbour.dev) + "/" + neighbour.to.text() + (neighbour.proxy ? ",proxy" : ""),
      NeighbourAttributes{.ns = NamespaceOf(place),
                          .dev = neighbour.dev,
                          .to = neighbour.to,
                          .proxy = neighbour.proxy,
                          .mac = neighbour.mac},
      neighbour.at, on);
}

void GraphBuilder::AddHostRoutes() {
  const Place host{.kind = Place::Kind::kHost, .name = {}};
  for (const Interface& interface : topology_.host_interfaces) {
    AddAddresses(host, interface);
    AddImpairment(host, interface);
  }
  for (const Link& link : topology_.links) {
    for (const LinkEnd* end : {&link.a, &link.b}) {
      for (const Route& route : end->routes) AddRoute(end->place, route);
    }
  }
}

}  // namespace runner
