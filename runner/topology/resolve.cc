#include "topology/resolve.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>

#include "base/text.h"

namespace runner {
namespace {

/// PLACE:IFNAME of each end.
std::unordered_set<std::string> EndsOf(const Topology& topology) {
  std::unordered_set<std::string> ends;
  ends.reserve(topology.links.size() * 2);
  for (const Link& link : topology.links) {
    for (const LinkEnd* end : {&link.a, &link.b}) ends.insert(end->text());
  }
  return ends;
}

/// Interfaces that no link ends in need a type; an inherited entry without one is then meant for others.
void CheckTypes(Draft& draft, Diagnostics& diagnostics) {
  Topology& topology = draft.topology;
  const std::unordered_set<std::string> ends = EndsOf(topology);
  for (std::size_t i = 0; i < topology.nodes.size(); ++i) {
    Node& node = topology.nodes[i];
    const NodeNotes& notes = draft.nodes[i];
    if (node.attach) continue;
    std::vector<Interface> kept;
    std::vector<std::string> without_entry;
    for (std::size_t j = notes.inherited.size(); j < node.interfaces.size(); ++j) {
      without_entry.push_back(node.interfaces[j].name);
    }
    for (std::size_t j = 0; j < node.interfaces.size(); ++j) {
      Interface& interface = node.interfaces[j];
      const bool is_uplink = node.uplink && node.uplink->interface == interface.name;
      const bool needs_type = std::holds_alternative<Given>(interface.type) && !interface.type_at.known() &&
                              interface.name != "lo" && !is_uplink && !ends.contains(node.name + ":" + interface.name);
      if (!needs_type) {
        kept.push_back(std::move(interface));
        continue;
      }
      if (notes.inherited[j]) continue;
      if (!draft.links_unknown && !notes.names_damaged) {
        diagnostics.Wrong(interface.at, "interface " + Quote(node.name + ":" + interface.name),
                          "no link ends in it and it has no \"type\"" + DidYouMean(interface.name, without_entry));
      }
      kept.push_back(std::move(interface));
    }
    node.interfaces = std::move(kept);
  }
}

/// A tunnel over IP has no Ethernet address.
bool HasEthernetAddress(const Interface& interface) {
  if (interface.name == "lo" || std::holds_alternative<Physical>(interface.type) ||
      std::holds_alternative<Wireguard>(interface.type) || std::holds_alternative<Ipvlan>(interface.type)) {
    return false;
  }
  if (const auto* tap = std::get_if<Tap>(&interface.type)) return !tap->tun;
  if (const auto* tunnel = std::get_if<Tunnel>(&interface.type)) {
    return tunnel->kind == "gretap" || tunnel->kind == "ip6gretap" || tunnel->kind == "geneve";
  }
  return true;
}

void GiveMac(const std::string& lab, const Place& place, Interface& interface) {
  if (interface.mac || !HasEthernetAddress(interface)) return;
  interface.mac = At<MacAddress>{MacAddress::FromSeed(lab + "/" + place.text() + "/" + interface.name), interface.at};
}

void GiveMacs(Topology& topology) {
  const std::unordered_set<std::string> ends = EndsOf(topology);
  for (Node& node : topology.nodes) {
    const Place place{.kind = Place::Kind::kNode, .name = node.name};
    for (Interface& interface : node.interfaces) {
      // What an attached namespace has already, and an uplink's own, is not ours to name.
      const bool given =
          std::holds_alternative<Given>(interface.type) && !ends.contains(node.name + ":" + interface.name);
      if (!given) GiveMac(topology.name, place, interface);
    }
  }
  for (Bridge& bridge : topology.bridges) {
    GiveMac(topology.name, bridge.place, bridge.interface);
    for (Interface& port : bridge.ports) GiveMac(topology.name, bridge.place, port);
  }
  for (Interface& interface : topology.host_interfaces) {
    GiveMac(topology.name, {.kind = Place::Kind::kHost, .name = {}}, interface);
  }
}

/// Names of interfaces that a node's own entries speak of.
std::set<std::string> SpokenOf(const Node& node) {
  std::set<std::string> names;
  for (const Route& route : node.routes) {
    names.insert(route.dev);
    for (const NextHop& hop : route.nexthops) names.insert(hop.dev);
  }
  for (const Rule& rule : node.rules) names.insert({rule.iif, rule.oif});
  for (const Neighbour& neighbour : node.neighbours) names.insert(neighbour.dev);
  for (const NatRule& nat : node.nat) {
    if (const auto* rule = std::get_if<Masquerade>(&nat.rule)) names.insert(rule->out);
    if (const auto* rule = std::get_if<SourceNat>(&nat.rule)) names.insert(rule->out);
    if (const auto* rule = std::get_if<PortForward>(&nat.rule)) names.insert(rule->in);
  }
  for (const Interface& interface : node.interfaces) {
    const auto add = [&](const ParentDevice& parent) {
      if (!parent.on_host) names.insert(parent.name);
    };
    if (const auto* type = std::get_if<Vlan>(&interface.type)) add(type->link);
    if (const auto* type = std::get_if<Macvlan>(&interface.type)) add(type->link);
    if (const auto* type = std::get_if<Ipvlan>(&interface.type)) add(type->link);
    if (const auto* type = std::get_if<Macsec>(&interface.type)) add(type->link);
    if (const auto* type = std::get_if<Vxlan>(&interface.type); type != nullptr && type->dev) add(*type->dev);
    if (const auto* type = std::get_if<Tunnel>(&interface.type); type != nullptr && type->dev) add(*type->dev);
    if (const auto* type = std::get_if<Bond>(&interface.type)) {
      for (const auto& member : type->members) names.insert(member.value);
    }
    if (const auto* type = std::get_if<Vrf>(&interface.type)) {
      for (const auto& member : type->members) names.insert(member.value);
    }
  }
  names.erase("");
  names.erase("lo");
  return names;
}

/// Ends at the host and at switches in the order of their links: written names were found before others were made.
void OrderEnds(Topology& topology) {
  std::map<std::pair<Place, std::string>, std::size_t> order;
  for (const Link& link : topology.links) {
    for (const LinkEnd* end : {&link.a, &link.b}) order.emplace(std::pair(end->place, end->interface), order.size());
  }
  const auto sort = [&](const Place& place, std::vector<Interface>& ends) {
    std::ranges::stable_sort(ends, {}, [&](const Interface& end) {
      const auto found = order.find(std::pair(place, end.name));
      return found == order.end() ? order.size() : found->second;
    });
  };
  sort({.kind = Place::Kind::kHost, .name = {}}, topology.host_interfaces);
  for (Bridge& bridge : topology.bridges) sort(bridge.place, bridge.ports);
}

/// Takes out what cannot be judged beside a mistake that has been told, and adds what the mistake may stand for.
void Discount(Draft& draft) {
  Topology& topology = draft.topology;
  NameIndex names(topology);
  for (std::size_t i = 0; i < topology.nodes.size(); ++i) {
    Node& node = topology.nodes[i];
    const NodeNotes& notes = draft.nodes[i];
    if (notes.l3_damaged) {
      std::erase_if(node.routes, [](const Route& route) { return route.via || !route.nexthops.empty(); });
      node.ports.clear();
    }
    if (!notes.names_damaged && !draft.links_unknown && !draft.bridges_unknown) continue;
    const Place place{.kind = Place::Kind::kNode, .name = node.name};
    std::set<std::string> spoken_of = SpokenOf(node);
    for (const Bridge& bridge : topology.bridges) {
      if (bridge.place != place) continue;
      for (const auto& member : bridge.members) spoken_of.insert(member.value);
    }
    for (const std::string& name : spoken_of) {
      if (names.IsTaken(place, name)) continue;
      Interface interface;
      interface.name = name;
      names.AddInterface(place, std::move(interface));
    }
  }
  for (std::size_t i = 0; i < topology.bridges.size(); ++i) {
    if (!draft.bridges[i].refused) continue;
    topology.bridges[i].members.clear();
    topology.bridges[i].interface.addresses.clear();
  }
  if (!draft.nodes_unknown) return;
  topology.tests.clear();
  for (Node& node : topology.nodes) {
    for (Process& process : node.processes) process.depends_on.clear();
  }
}

}  // namespace

NameIndex::NameIndex(Topology& topology) : topology_(topology) {
  const auto index = [](const std::vector<Interface>& interfaces) {
    Positions positions;
    for (std::size_t i = 0; i < interfaces.size(); ++i) positions.emplace(interfaces[i].name, i);
    return positions;
  };
  for (std::size_t i = 0; i < topology.nodes.size(); ++i) {
    nodes_.emplace(topology.nodes[i].name, i);
    node_interfaces_.push_back(index(topology.nodes[i].interfaces));
  }
  for (std::size_t i = 0; i < topology.bridges.size(); ++i) {
    bridges_.emplace(topology.bridges[i].name, i);
    switch_ports_.push_back(index(topology.bridges[i].ports));
  }
  host_interfaces_ = index(topology.host_interfaces);
}

std::optional<std::size_t> NameIndex::Find(const Positions& positions, const std::string& name) {
  const auto found = positions.find(name);
  if (found == positions.end()) return std::nullopt;
  return found->second;
}

std::vector<std::string> NameIndex::NodeNames() const {
  std::vector<std::string> names;
  for (const Node& node : topology_.nodes) names.push_back(node.name);
  return names;
}

std::vector<std::string> NameIndex::BridgeNames() const {
  std::vector<std::string> names;
  for (const Bridge& bridge : topology_.bridges) names.push_back(bridge.name);
  return names;
}

NameIndex::Positions& NameIndex::PositionsOf(const Place& place) {
  if (place.is_host()) return host_interfaces_;
  if (place.kind == Place::Kind::kSwitch) return switch_ports_[bridges_.at(place.name)];
  return node_interfaces_[nodes_.at(place.name)];
}

std::vector<Interface>& NameIndex::InterfacesOf(const Place& place) {
  if (place.is_host()) return topology_.host_interfaces;
  if (place.kind == Place::Kind::kSwitch) return topology_.bridges[bridges_.at(place.name)].ports;
  return topology_.nodes[nodes_.at(place.name)].interfaces;
}

Interface* NameIndex::FindInterface(const Place& place, const std::string& name) {
  if (const auto position = Find(PositionsOf(place), name)) return &InterfacesOf(place)[*position];
  const auto bridge = FindBridge(name);
  if (!bridge || topology_.bridges[*bridge].place != place) return nullptr;
  return &topology_.bridges[*bridge].interface;
}

Interface& NameIndex::AddInterface(const Place& place, Interface interface) {
  std::vector<Interface>& list = InterfacesOf(place);
  PositionsOf(place).emplace(interface.name, list.size());
  list.push_back(std::move(interface));
  return list.back();
}

bool NameIndex::IsTaken(const Place& place, const std::string& name) {
  if (FindInterface(place, name) != nullptr) return true;
  if (place.kind != Place::Kind::kNode) return false;
  const Node& node = topology_.nodes[nodes_.at(place.name)];
  return node.uplink && node.uplink->interface == name;
}

std::vector<std::string> NameIndex::InterfaceNames(const Place& place) {
  std::vector<std::string> names;
  for (const Interface& interface : InterfacesOf(place)) names.push_back(interface.name);
  for (const Bridge& bridge : topology_.bridges) {
    if (bridge.place == place) names.push_back(bridge.name);
  }
  return names;
}

std::string NotDeclared(const std::string& name, const std::vector<std::string>& candidates) {
  return Quote(name) + " is not declared" + DidYouMean(name, candidates);
}

void Resolve(Draft& draft, Diagnostics& diagnostics) {
  NameIndex names(draft.topology);
  ResolveBridges(draft, names, diagnostics);
  ResolveLinks(draft, names, diagnostics);
  HandOutAddresses(draft, names, diagnostics);
  ResolveReferences(draft, names, diagnostics);
  ResolveUplinks(draft, names, diagnostics);
  ResolvePeers(draft, diagnostics);
  OrderEnds(draft.topology);
  CheckTypes(draft, diagnostics);
  GiveMacs(draft.topology);
  std::erase_if(draft.topology.links,
                [](const Link& link) { return link.a.interface.empty() || link.b.interface.empty(); });
  if (diagnostics.has_errors()) Discount(draft);
}

}  // namespace runner
