#include "topology/validate_index.h"

#include "base/text.h"

namespace runner::validate {

void Findings::Add(Severity severity, const Mark& at, std::string where, std::string tried, std::string why,
                   std::vector<Note> notes) {
  Error error{.where = std::move(where), .tried = std::move(tried), .why = std::move(why)};
  error.failure = Failure::kTopology;
  error.severity = severity;
  error.at = at;
  error.notes = std::move(notes);
  errors_.push_back(std::move(error));
}

Mark Device::at() const {
  if (bridge != nullptr) return bridge->at;
  if (end != nullptr && (interface == nullptr || !interface->at.known())) return end->at;
  if (interface != nullptr) return interface->at;
  return uplink != nullptr ? uplink->at : Mark();
}

const Device* PlaceDevices::Find(std::string_view name) const {
  const auto found = by_name.find(name);
  return found == by_name.end() ? nullptr : &devices[found->second];
}

Device* PlaceDevices::Find(std::string_view name) {
  const auto found = by_name.find(name);
  return found == by_name.end() ? nullptr : &devices[found->second];
}

std::string PlaceDevices::Near(std::string_view name) const {
  std::vector<std::string> names;
  names.reserve(devices.size());
  for (const Device& device : devices) names.emplace_back(device.name);
  return DidYouMean(name, names);
}

std::string PlaceName(const Place& place) {
  if (place.is_host()) return "host";
  return (place.kind == Place::Kind::kSwitch ? "bridge " : "node ") + Quote(place.name);
}

std::string DeviceName(const Place& place, const Device& device) {
  if (device.bridge != nullptr) return "bridge " + Quote(device.name);
  return "interface " + Quote(place.text() + ":" + std::string(device.name));
}

std::string MasterName(MasterKind kind, std::string_view name) {
  switch (kind) {
    case MasterKind::kBridge:
      return "bridge " + Quote(name);
    case MasterKind::kBond:
      return "bond " + Quote(name);
    case MasterKind::kVrf:
      return "vrf " + Quote(name);
    case MasterKind::kNone:
      break;
  }
  return Quote(name);
}

PlaceDevices& Index::PlaceOf(const Place& place) {
  const auto [found, is_new] = by_place_.emplace(place, places_.size());
  if (is_new) places_.push_back({.place = place, .node = nullptr, .devices = {}, .by_name = {}});
  return places_[found->second];
}

void Index::AddDevice(PlaceDevices& place, Device device, Findings& findings) {
  const auto [found, is_new] = place.by_name.emplace(device.name, place.devices.size());
  if (is_new) {
    place.devices.push_back(device);
    return;
  }
  const Device& first = place.devices[found->second];
  const auto kind = [](const Device& claim) {
    if (claim.bridge != nullptr) return "a bridge";
    return claim.uplink != nullptr ? "its uplink's interface" : "an interface";
  };
  std::vector<Note> notes;
  if (first.at().known()) notes.push_back({first.at(), std::string("taken as ") + kind(first) + " here", {}});
  findings.Wrong(device.at(), PlaceName(place.place), {},
                 "the name " + Quote(device.name) + " is taken twice: " + kind(first) + " and " + kind(device) +
                     "; name one of them differently",
                 std::move(notes));
}

void Index::AddLinkEnd(const LinkEnd& end, const Mark& link_at, Findings& findings) {
  PlaceDevices& place = PlaceOf(end.place);
  Device* device = place.Find(end.interface);
  if (device == nullptr) {
    AddDevice(place, {.name = end.interface, .end = &end}, findings);
    device = place.Find(end.interface);
  } else if (device->end != nullptr) {
    findings.Wrong(end.at, DeviceName(end.place, *device), {},
                   "it is the end of two links; an interface takes one cable",
                   {{device->end->at, "the other link ends here", {}}});
    return;
  }
  device->end = &end;
  // A bridge that already has the name: the clash is told by its own claim.
  if (device->bridge != nullptr) return;
  if (const Bridge* bridge = FindBridge(end.bridge)) {
    const Mark at = end.at.known() ? end.at : link_at;
    SetMaster(place, {.value = end.interface, .at = at}, MasterKind::kBridge, bridge->name, findings);
  }
}

void Index::SetMaster(PlaceDevices& place, const At<std::string>& member, MasterKind kind, std::string_view master,
                      Findings& findings) {
  Device* device = place.Find(member.value);
  const std::string where = PlaceName(place.place);
  const std::string tried = "member " + Quote(member.value) + " of " + MasterName(kind, master);
  if (device == nullptr) {
    if (place.knows_all()) {
      findings.Wrong(member.at, where, tried, "there is no such interface" + place.Near(member.value));
    }
    return;
  }
  if (device->master_kind != MasterKind::kNone) {
    const bool same = device->master_kind == kind && device->master == master;
    findings.Wrong(
        member.at, where, tried,
        same ? "it is named twice" : "it belongs to " + MasterName(device->master_kind, device->master) + " already",
        {{device->master_at, "taken here", {}}});
    return;
  }
  const bool is_vrf = device->interface != nullptr && std::holds_alternative<Vrf>(device->interface->type);
  const bool is_bond = device->interface != nullptr && std::holds_alternative<Bond>(device->interface->type);
  std::string why;
  if (device->name == master) {
    why = "it cannot be a member of itself";
  } else if (device->name == "lo" && kind != MasterKind::kVrf) {
    why = "`lo` carries no frames for others";
  } else if (device->name == "lo") {
    why = "a VRF has its own loopback: itself; put the addresses on the vrf";
  } else if (device->bridge != nullptr && kind == MasterKind::kBridge) {
    why = "a bridge cannot be a port of a bridge; join the two with a link";
  } else if (is_vrf) {
    why = "a vrf cannot be a member";
  } else if (is_bond && kind == MasterKind::kBond) {
    why = "a bond cannot be a member of a bond";
  }
  if (!why.empty()) {
    findings.Wrong(member.at, where, tried, why);
    return;
  }
  device->master_kind = kind;
  device->master = master;
  device->master_at = member.at;
}

Index::Index(const Topology& topology, Findings& findings) {
  for (const Node& node : topology.nodes) nodes_.emplace(node.name, &node);
  for (const Bridge& bridge : topology.bridges) bridges_.emplace(bridge.name, &bridge);

  for (const Node& node : topology.nodes) {
    PlaceDevices& place = PlaceOf({.kind = Place::Kind::kNode, .name = node.name});
    place.node = &node;
    for (const Interface& interface : node.interfaces) {
      AddDevice(place, {.name = interface.name, .interface = &interface}, findings);
    }
    if (place.Find("lo") == nullptr) AddDevice(place, {.name = "lo"}, findings);
    if (node.uplink) AddDevice(place, {.name = node.uplink->interface, .uplink = &*node.uplink}, findings);
  }
  for (const Bridge& bridge : topology.bridges) {
    PlaceDevices& place = PlaceOf(bridge.place);
    AddDevice(place, {.name = bridge.name, .interface = &bridge.interface, .bridge = &bridge}, findings);
    for (const Interface& port : bridge.ports) {
      AddDevice(place, {.name = port.name, .interface = &port}, findings);
    }
  }
  PlaceDevices& host = PlaceOf({.kind = Place::Kind::kHost, .name = {}});
  for (const Interface& interface : topology.host_interfaces) {
    AddDevice(host, {.name = interface.name, .interface = &interface}, findings);
  }

  for (const Link& link : topology.links) {
    AddLinkEnd(link.a, link.at, findings);
    AddLinkEnd(link.b, link.at, findings);
  }
  for (const Bridge& bridge : topology.bridges) {
    for (const auto& member : bridge.members) {
      SetMaster(PlaceOf(bridge.place), member, MasterKind::kBridge, bridge.name, findings);
    }
  }
  for (const Node& node : topology.nodes) {
    PlaceDevices& place = PlaceOf({.kind = Place::Kind::kNode, .name = node.name});
    for (const Interface& interface : node.interfaces) {
      if (const auto* bond = std::get_if<Bond>(&interface.type)) {
        for (const auto& member : bond->members) SetMaster(place, member, MasterKind::kBond, interface.name, findings);
      }
      if (const auto* vrf = std::get_if<Vrf>(&interface.type)) {
        for (const auto& member : vrf->members) SetMaster(place, member, MasterKind::kVrf, interface.name, findings);
      }
    }
  }
}

const PlaceDevices* Index::Find(const Place& place) const {
  const auto found = by_place_.find(place);
  return found == by_place_.end() ? nullptr : &places_[found->second];
}

const Node* Index::FindNode(std::string_view name) const {
  const auto found = nodes_.find(name);
  return found == nodes_.end() ? nullptr : found->second;
}

const Bridge* Index::FindBridge(std::string_view name) const {
  const auto found = bridges_.find(name);
  return found == bridges_.end() ? nullptr : found->second;
}

}  // namespace runner::validate
