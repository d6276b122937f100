#include "topology/model.h"

#include <algorithm>

namespace runner {
namespace {

template <class T>
const T* FindNamed(const std::vector<T>& list, std::string_view name) {
  const auto found = std::ranges::find(list, name, &T::name);
  return found == list.end() ? nullptr : &*found;
}

}  // namespace

const Node* Topology::FindNode(std::string_view node) const { return FindNamed(nodes, node); }

const Bridge* Topology::FindBridge(std::string_view bridge) const { return FindNamed(bridges, bridge); }

const ParentDevice* ParentOf(const InterfaceType& type) {
  if (const auto* vlan = std::get_if<Vlan>(&type)) return &vlan->link;
  if (const auto* macvlan = std::get_if<Macvlan>(&type)) return &macvlan->link;
  if (const auto* ipvlan = std::get_if<Ipvlan>(&type)) return &ipvlan->link;
  if (const auto* macsec = std::get_if<Macsec>(&type)) return &macsec->link;
  if (const auto* vxlan = std::get_if<Vxlan>(&type)) return vxlan->dev ? &*vxlan->dev : nullptr;
  if (const auto* tunnel = std::get_if<Tunnel>(&type)) return tunnel->dev ? &*tunnel->dev : nullptr;
  return nullptr;
}

const Interface* Topology::FindInterface(const Place& place, std::string_view interface) const {
  const Interface* found = nullptr;
  if (place.is_host()) found = FindNamed(host_interfaces, interface);
  if (place.kind == Place::Kind::kNode) {
    if (const Node* node = FindNode(place.name)) found = FindNamed(node->interfaces, interface);
  }
  if (place.kind == Place::Kind::kSwitch) {
    if (const Bridge* bridge = FindBridge(place.name)) found = FindNamed(bridge->ports, interface);
  }
  if (found != nullptr) return found;
  const Bridge* bridge = FindBridge(interface);
  return bridge != nullptr && bridge->place == place ? &bridge->interface : nullptr;
}

}  // namespace runner
