#include "plan/graph_builder.h"

namespace runner {
namespace {

using Strength = DependsOn::Strength;

constexpr std::uint32_t kDefaultMtu = 1500;
constexpr std::uint32_t kDefaultQueue = 1000;

}  // namespace

DeviceAttributes GraphBuilder::DeviceOf(const Place& place, const Interface& interface) const {
  return {.ns = NamespaceOf(place),
          .name = interface.name,
          .mac = interface.mac ? std::optional(interface.mac->value) : std::nullopt,
          .mtu = interface.mtu ? interface.mtu->value : kDefaultMtu,
          .txqueuelen = interface.txqueuelen ? interface.txqueuelen->value : kDefaultQueue,
          .up = interface.is_up(),
          // A switch has IPv6 off as a whole.
          .ipv6 = place.kind == Place::Kind::kSwitch ? std::nullopt : std::optional(interface.has_ipv6()),
          .master = ""};
}

void GraphBuilder::AddBridges() {
  for (const Bridge& bridge : topology_.bridges) {
    const std::string name = bridge.is_switch() ? bridge.name : DeviceName(bridge.place, bridge.name);
    BridgeAttributes attributes{.device = DeviceOf(bridge.place, bridge.interface)};
    attributes.device.up.reset();  // a resource of its own
    attributes.device.master.reset();
    // Without one of its own a bridge follows its smallest port.
    if (!bridge.interface.mtu) attributes.device.mtu.reset();
    if (bridge.stp) attributes.stp = bridge.stp->value;
    if (bridge.priority) attributes.priority = bridge.priority->value;
    if (bridge.ageing) attributes.ageing = bridge.ageing->value;
    if (bridge.vlan_filtering) attributes.vlan_filtering = bridge.vlan_filtering->value;
    std::vector<DependsOn> on = {{.id = NamespaceId(bridge.place)}};
    AfterShaping(bridge.place, on);
    Add(Kind::kBridge, name, attributes, bridge.at, on);
    Declare(bridge.place, bridge.name, {.kind = Kind::kBridge, .name = name});
  }
}

std::string GraphBuilder::MasterOf(const LinkEnd& end) const {
  if (!end.bridge.empty()) return end.bridge;
  const auto found = members_.find({end.place, end.interface});
  return found == members_.end() ? "" : found->second;
}

DeviceAttributes GraphBuilder::EndOf(const LinkEnd& end, std::vector<DependsOn>& on) {
  on.push_back({.id = NamespaceId(end.place)});
  AfterShaping(end.place, on);
  DeviceAttributes device;
  if (const auto found = interfaces_.find({end.place, end.interface}); found != interfaces_.end()) {
    device = DeviceOf(end.place, *found->second);
  }
  device.master = MasterOf(end);
  if (!device.master->empty()) {
    const ResourceId bridge = DeviceId(end.place, *device.master);
    on.push_back({.id = bridge, .strength = Strength::kAfter});
  }
  return device;
}

void GraphBuilder::AddLinks() {
  for (const Link& link : topology_.links) {
    std::vector<DependsOn> on;
    VethAttributes attributes;
    attributes.a = EndOf(link.a, on);
    attributes.b = EndOf(link.b, on);
    const ResourceId id{.kind = Kind::kVeth, .name = link.id()};
    for (const LinkEnd* end : {&link.a, &link.b}) {
      Declare(end->place, end->interface, id);
      if (const std::string master = MasterOf(*end); !master.empty()) ports_[{end->place, master}].push_back(id);
    }
    Add(Kind::kVeth, id.name, std::move(attributes), link.at, std::move(on));
    for (const LinkEnd* end : {&link.a, &link.b}) AddPortVlans(*end);
  }
}

void GraphBuilder::AddActivations() {
  for (const Bridge& bridge : topology_.bridges) {
    std::vector<DependsOn> on = {{.id = DeviceId(bridge.place, bridge.name)}};
    for (const ResourceId& port : ports_[{bridge.place, bridge.name}]) {
      on.push_back({.id = port, .strength = Strength::kAfter});
    }
    Add(Kind::kActivation, DeviceName(bridge.place, bridge.name),
        ActivationAttributes{.ns = NamespaceOf(bridge.place), .dev = bridge.name, .up = bridge.interface.is_up()},
        bridge.at, on);
  }
}

void GraphBuilder::AddInterface(const Node& node, const Interface& interface) {
  const Place place = NodePlace(node);
  if (!std::holds_alternative<Given>(interface.type) || devices_.contains({place, interface.name})) return;
  DeviceAttributes device{.ns = NamespaceOf(place), .name = interface.name};
  if (interface.mac) device.mac = interface.mac->value;
  if (interface.mtu) device.mtu = interface.mtu->value;
  if (interface.txqueuelen) device.txqueuelen = interface.txqueuelen->value;
  if (interface.up) device.up = interface.up->value;
  if (interface.ipv6) device.ipv6 = interface.ipv6->value;
  if (!device.mac && !device.mtu && !device.txqueuelen && !device.up && !device.ipv6) return;
  const std::string name = DeviceName(place, interface.name);
  Add(Kind::kInterface, name, InterfaceAttributes{.device = device}, interface.at, {{.id = NamespaceId(place)}});
  Declare(place, interface.name, {.kind = Kind::kInterface, .name = name});
}

}  // namespace runner
