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
