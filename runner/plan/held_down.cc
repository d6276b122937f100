#include "plan/held_down.h"

#include <algorithm>

namespace runner {
namespace {

constexpr std::string_view kOnHost = "host:";

/// The interface that a VLAN stands on; nothing for anything else.
std::optional<std::pair<NamespaceName, std::string>> ParentOf(const LinkAttributes& link) {
  if (link.type != "vlan") return std::nullopt;
  const auto parent = std::ranges::find(link.options, "link", &OptionAttributes::name);
  if (parent == link.options.end()) return std::nullopt;
  if (parent->value.starts_with(kOnHost)) return std::pair(NamespaceName(), parent->value.substr(kOnHost.size()));
  return std::pair(link.device.ns, parent->value);
}

template <class T>
const T* DeclaredOf(const Override& overridden) {
  return overridden.declared ? std::get_if<T>(&*overridden.declared) : nullptr;
}

}  // namespace

HeldDown::HeldDown(const std::vector<const Resource*>& resources) {
  for (const Resource* resource : resources) {
    if (resource->overridden) NoteOverride(*resource);
  }
  if (down_.empty()) return;
  Spread(resources);
  for (const auto& [ns, dev] : down_) places_.insert(ns);
  for (const Resource* resource : resources) {
    const auto* address = std::get_if<AddressAttributes>(&resource->attributes);
    if (address == nullptr || !address->prefix.is_ipv6() || !IsDown(address->ns, address->dev)) continue;
    addresses_.emplace(address->ns, address->prefix.address());
  }
}

void HeldDown::Note(const DeviceAttributes& device, const DeviceAttributes* declared) {
  // Down by the file: then nothing stands on it that would go.
  if (device.up == false && (declared == nullptr || declared->up != false)) down_.emplace(device.ns, device.name);
}

void HeldDown::NoteOverride(const Resource& resource) {
  const Override& overridden = *resource.overridden;
  if (const auto* veth = std::get_if<VethAttributes>(&resource.attributes)) {
    const auto* declared = DeclaredOf<VethAttributes>(overridden);
    Note(veth->a, declared == nullptr ? nullptr : &declared->a);
    Note(veth->b, declared == nullptr ? nullptr : &declared->b);
  } else if (const auto* state = std::get_if<ActivationAttributes>(&resource.attributes)) {
    if (!state->up) down_.emplace(state->ns, state->dev);
  } else {
    const auto note = [&]<class T>(const T* typed) {
      if (typed == nullptr) return;
      const auto* declared = DeclaredOf<T>(overridden);
      Note(typed->device, declared == nullptr ? nullptr : &declared->device);
    };
    note(std::get_if<LinkAttributes>(&resource.attributes));
    note(std::get_if<TapAttributes>(&resource.attributes));
    note(std::get_if<InterfaceAttributes>(&resource.attributes));
  }
}

void HeldDown::Spread(const std::vector<const Resource*>& resources) {
  for (bool grows = true; grows;) {
    grows = false;
    for (const Resource* resource : resources) {
      const auto* link = std::get_if<LinkAttributes>(&resource->attributes);
      const auto parent = link == nullptr ? std::nullopt : ParentOf(*link);
      if (!parent || !down_.contains(*parent)) continue;
      if (!down_.emplace(link->device.ns, link->device.name).second) continue;
      followers_.emplace(link->device.ns, link->device.name);
      grows = true;
    }
  }
}

bool HeldDown::TakesRoute(const RouteAttributes& route) const {
  if (route.from && addresses_.contains({route.ns, *route.from})) return true;
  return std::ranges::any_of(route.hops, [&](const HopAttributes& hop) {
    // Where the kernel finds the way to a gateway, it may be one that is down.
    return hop.dev.empty() ? places_.contains(route.ns) : IsDown(route.ns, hop.dev);
  });
}

bool HeldDown::Explains(const Resource& resource, const Observed* seen, const Attributes* recorded) const {
  if (down_.empty()) return false;
  const Attributes& attributes = resource.attributes;
  // IPv4 addresses stay.
  if (const auto* address = std::get_if<AddressAttributes>(&attributes)) {
    return seen == nullptr && address->prefix.is_ipv6() && IsDown(address->ns, address->dev);
  }
  if (const auto* neighbour = std::get_if<NeighbourAttributes>(&attributes)) {
    return seen == nullptr && IsDown(neighbour->ns, neighbour->dev);
  }
  if (const auto* route = std::get_if<RouteAttributes>(&attributes)) {
    if (!TakesRoute(*route)) return false;
    return seen == nullptr || !Differences(attributes, seen->attributes, recorded).empty();
  }
  const auto* link = std::get_if<LinkAttributes>(&attributes);
  if (link == nullptr || seen == nullptr || !followers_.contains({link->device.ns, link->device.name})) return false;
  const auto differences = Differences(attributes, seen->attributes, recorded);
  return !differences.empty() &&
         std::ranges::all_of(differences, [](const Difference& difference) { return difference.field == "up"; });
}

}  // namespace runner
