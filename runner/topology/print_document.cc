// The whole document: nodes with all their interfaces, bridges, links with the settings of the ends that have no
// entry elsewhere, tests.
#include <set>
#include <unordered_map>

#include "base/json.h"
#include "topology/print.h"

namespace runner::print {
namespace {

/// The interfaces that stand in no node's list, by place and name.
class LooseEnds {
 public:
  explicit LooseEnds(const Topology& topology) {
    for (const Interface& interface : topology.host_interfaces) by_name_.emplace("host:" + interface.name, &interface);
    for (const Bridge& bridge : topology.bridges) {
      for (const Interface& port : bridge.ports) by_name_.emplace(bridge.name + ":" + port.name, &port);
    }
  }
  const Interface* Find(const LinkEnd& end) const {
    if (end.place.kind == Place::Kind::kNode) return nullptr;
    const auto found = by_name_.find(end.text());
    return found == by_name_.end() ? nullptr : found->second;
  }

 private:
  std::unordered_map<std::string, const Interface*> by_name_;
};

Json OfVlans(const PortVlans& vlans) {
  Json out = Json::object();
  if (vlans.pvid) out["pvid"] = *vlans.pvid;
  if (!vlans.tagged.empty()) out["tagged"] = vlans.tagged;
  if (!vlans.untagged.empty()) out["untagged"] = vlans.untagged;
  return out;
}

Json OfEnd(const LinkEnd& end, const Interface* interface) {
  // A node's interface has its settings in the node's own entry.
  if (interface == nullptr && end.bridge.empty()) return end.text();
  Json out = Json::object();
  if (end.bridge.empty()) {
    out["node"] = end.place.text();
    out["interface"] = end.interface;
  } else {
    out["bridge"] = end.bridge;
    out["port"] = end.interface;
  }
  if (interface != nullptr) AddCommon(*interface, out);
  for (const Route& route : end.routes) out["routes"].push_back(OfRoute(route));
  if (end.vlans) out["vlans"] = OfVlans(*end.vlans);
  return out;
}

Json OfLink(const Link& link, const LooseEnds& loose) {
  Json out = Json::object();
  out["endpoints"] = Json::array();
  for (const LinkEnd* end : {&link.a, &link.b}) {
    const Interface* interface = loose.Find(*end);
    out["endpoints"].push_back(OfEnd(*end, interface));
    // An end has no `state` of its own; a node's interface says its own in its entry.
    if (interface != nullptr && interface->up) out["state"] = interface->up->value ? "up" : "down";
  }
  return out;
}

Json OfBridge(const Bridge& bridge) {
  Json out = Json::object();
  if (!bridge.is_switch()) out["node"] = bridge.place.text();
  AddCommon(bridge.interface, out);
  if (bridge.prefixes.size() == 1) out["prefix"] = bridge.prefixes.front().value.text();
  if (bridge.prefixes.size() > 1) {
    for (const auto& prefix : bridge.prefixes) out["prefix"].push_back(prefix.value.text());
  }
  if (bridge.stp) out["stp"] = bridge.stp->value;
  if (bridge.priority) out["priority"] = bridge.priority->value;
  if (bridge.ageing) out["ageing"] = bridge.ageing->value;
  if (bridge.vlan_filtering) out["vlan_filtering"] = bridge.vlan_filtering->value;
  for (const auto& member : bridge.members) out["members"].push_back(member.value);
  return out;
}

}  // namespace

Json Document(const Topology& topology) {
  Json out = Json::object();
  out["name"] = topology.name;
  // What groups give is in the nodes already; the names alone are left.
  std::set<std::string> groups;
  for (const Node& node : topology.nodes) {
    if (!node.group.empty()) groups.insert(node.group);
  }
  for (const std::string& group : groups) out["groups"][group] = Json::object();
  for (const Node& node : topology.nodes) Append(out["nodes"], node.name, OfNode(node));
  for (const Bridge& bridge : topology.bridges) Append(out["bridges"], bridge.name, OfBridge(bridge));
  const LooseEnds loose(topology);
  for (const Link& link : topology.links) out["links"].push_back(OfLink(link, loose));
  for (const Test& test : topology.tests) out["tests"][Escaped(test.name)] = OfTest(test);
  return out;
}

}  // namespace runner::print
