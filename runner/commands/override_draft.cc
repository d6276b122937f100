#include "commands/override_draft.h"

#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "commands/record.h"
#include "plan/codec.h"

namespace runner {
namespace {

bool IsSame(const Attributes& a, const Attributes& b) {
  return a.index() == b.index() && EncodeAttributes(a) == EncodeAttributes(b);
}

/// The devices that an object makes or sets.
std::vector<DeviceAttributes*> DevicesIn(Attributes& attributes) {
  if (auto* veth = std::get_if<VethAttributes>(&attributes)) return {&veth->a, &veth->b};
  if (auto* bridge = std::get_if<BridgeAttributes>(&attributes)) return {&bridge->device};
  if (auto* tap = std::get_if<TapAttributes>(&attributes)) return {&tap->device};
  if (auto* link = std::get_if<LinkAttributes>(&attributes)) return {&link->device};
  if (auto* interface = std::get_if<InterfaceAttributes>(&attributes)) return {&interface->device};
  return {};
}

DeviceAttributes* DeviceIn(Attributes& attributes, const NamespaceName& ns, const std::string& dev) {
  for (DeviceAttributes* device : DevicesIn(attributes)) {
    if (device->ns == ns && device->name == dev) return device;
  }
  return nullptr;
}

bool IsStateOf(const Attributes& attributes, const LinkTarget& target) {
  const auto* state = std::get_if<ActivationAttributes>(&attributes);
  return state != nullptr && state->ns == target.ns && state->dev == target.dev;
}

InterfaceAttributes InterfaceDown(const LinkTarget& target) {
  return {.device = {.ns = target.ns, .name = target.dev, .up = false}};
}

void WriteState(Attributes& attributes, const LinkTarget& target, bool up) {
  if (auto* state = std::get_if<ActivationAttributes>(&attributes)) {
    state->up = up;
  } else {
    DeviceIn(attributes, target.ns, target.dev)->up = up;
  }
}

/// What the file says of an object, as far as it says anything.
Attributes DeclaredOf(const Resource& resource) {
  const bool is_declared = resource.overridden && resource.overridden->declared;
  return is_declared ? *resource.overridden->declared : resource.attributes;
}

/// Those of the lab at one place.
std::vector<std::string> InterfacesAt(const Record& record, const NamespaceName& ns) {
  std::vector<std::string> names;
  for (RecordEntry entry : record) {
    for (const DeviceAttributes* device : DevicesIn(entry.resource.attributes)) {
      if (device->ns == ns) names.push_back(device->name);
    }
  }
  return names;
}

/// A bridge of a node or of the host, by its name: where it is.
const BridgeAttributes* FindBridge(const Record& record, const std::string& name) {
  for (const RecordEntry& entry : record) {
    const auto* bridge = std::get_if<BridgeAttributes>(&entry.resource.attributes);
    if (bridge != nullptr && bridge->device.name == name) return bridge;
  }
  return nullptr;
}

Result<LinkTarget> TargetAt(const Record& record, const std::string& lab, const std::string& node,
                            const std::string& interface) {
  if (node == "host") return LinkTarget{.ns = "", .dev = interface, .name = "host:" + interface};
  const auto place = FindPlace(PlacesOf(record), lab, node);
  if (place.ok()) return LinkTarget{.ns = place->ns_name, .dev = interface, .name = node + ":" + interface};
  const BridgeAttributes* bridge = FindBridge(record, node);
  if (bridge == nullptr) return place.error();
  const NamespaceName& ns = bridge->device.ns;
  const std::string where = ns.empty() ? "host" : ns.substr(ns.find('.') + 1);
  return LinkTarget{.ns = ns, .dev = interface, .name = where + ":" + interface};
}

}  // namespace

Result<LinkTarget> FindTarget(const Record& record, const std::string& lab, const std::string& node,
                              const std::string& interface) {
  LinkTarget target = TRY(TargetAt(record, lab, node, interface));
  const std::vector<std::string> known = InterfacesAt(record, target.ns);
  // What else is in a node is the node's own business, and so the user's.
  if (!target.ns.empty() || std::ranges::find(known, interface) != known.end()) return target;
  Error error = Fail("lab " + Quote(lab) + " has no interface " + Quote(interface) + " on the host" +
                     DidYouMean(interface, known));
  error.where = target.name;
  return error;
}

Error NoInterface(const Record& record, const LinkTarget& target, std::string tried) {
  const std::vector<std::string> known = InterfacesAt(record, target.ns);
  Error error = Fail(std::move(tried), "there is no such interface" + DidYouMean(target.dev, known));
  error.where = target.name;
  return error;
}

OverrideDraft::OverrideDraft(std::string lab, Record record) : lab_(std::move(lab)), record_(std::move(record)) {
  for (const RecordEntry& entry : record_) {
    index_.emplace(entry.resource.id, resources_.size());
    resources_.push_back(entry.resource);
  }
}

Resource* OverrideDraft::Find(const ResourceId& id) {
  const auto found = index_.find(id);
  return found == index_.end() || dropped_.contains(id) ? nullptr : &resources_[found->second];
}

Resource* OverrideDraft::StateOf(const LinkTarget& target) {
  Resource* device = nullptr;
  for (Resource& resource : resources_) {
    if (dropped_.contains(resource.id) || resource.id.kind == Kind::kBridge) continue;
    if (IsStateOf(resource.attributes, target)) return &resource;
    if (DeviceIn(resource.attributes, target.ns, target.dev) != nullptr) device = &resource;
  }
  return device;
}

Status OverrideDraft::Set(const LinkSetting& setting) {
  const LinkTarget target = TRY(FindTarget(record_, lab_, setting.node, setting.interface));
  Probe(target);
  if (const auto* impairment = std::get_if<Impairment>(&setting.to)) {
    SetImpairment(target, ImpairmentOf(*impairment, target.ns, target.dev));
  } else if (std::get<LinkState>(setting.to) == LinkState::kAsInFile) {
    EndOverrides(target);
  } else {
    SetState(target, std::get<LinkState>(setting.to) == LinkState::kUp);
  }
  return {};
}

void OverrideDraft::SetState(const LinkTarget& target, bool up) {
  Resource* resource = StateOf(target);
  if (resource == nullptr) {
    if (!up) Add({.kind = Kind::kInterface, .name = target.name}, InterfaceDown(target), target.ns);
    return;
  }
  const ResourceId id = resource->id;
  if (up && resource->overridden && !resource->overridden->declared) {
    End(*resource);
  } else {
    Attributes attributes = resource->attributes;
    WriteState(attributes, target, up);
    // Where the file leaves it open, nothing is asked for.
    Attributes declared = DeclaredOf(*resource);
    const DeviceAttributes* device = DeviceIn(declared, target.ns, target.dev);
    if (up && device != nullptr && !device->up) DeviceIn(attributes, target.ns, target.dev)->up.reset();
    Put(*resource, std::move(attributes));
  }
  if (up) TouchDependents(id);
}

void OverrideDraft::SetImpairment(const LinkTarget& target, ImpairmentAttributes impairment) {
  const ResourceId id{.kind = Kind::kImpairment, .name = target.name};
  if (Resource* resource = Find(id)) {
    Put(*resource, std::move(impairment));
  } else {
    Add(id, std::move(impairment), target.ns);
  }
}

void OverrideDraft::EndOverrides(const LinkTarget& target) {
  if (Resource* impairment = Find({.kind = Kind::kImpairment, .name = target.name})) End(*impairment);
  Resource* state = StateOf(target);
  if (state == nullptr) return;
  const ResourceId id = state->id;
  if (const auto* veth = std::get_if<VethAttributes>(&state->attributes); veth != nullptr && state->overridden) {
    // The other end may be overridden too, and stays so.
    Attributes declared = DeclaredOf(*state);
    const bool is_up = DeviceIn(declared, target.ns, target.dev)->up.value_or(true);
    Attributes attributes = state->attributes;
    WriteState(attributes, target, is_up);
    Put(*state, std::move(attributes));
  } else {
    End(*state);
  }
  TouchDependents(id);
}

void OverrideDraft::Restore(const Overrides& before) {
  std::unordered_map<ResourceId, const Resource*> wanted;
  for (const Resource& resource : before) wanted.emplace(resource.id, &resource);
  std::vector<ResourceId> changed;
  for (Resource& resource : resources_) {
    if (!resource.overridden || wanted.contains(resource.id)) continue;
    changed.push_back(resource.id);
    End(resource);
  }
  for (const auto& [id, resource] : wanted) {
    Resource* now = Find(id);
    if (now != nullptr && IsSame(now->attributes, resource->attributes)) continue;
    changed.push_back(id);
    if (now != nullptr) {
      Put(*now, resource->attributes);
    } else if (!resource->overridden->declared) {
      Add(id, resource->attributes, NamespaceOf(resource->attributes));
    }
  }
  for (const ResourceId& id : changed) TouchDependents(id);
}

void OverrideDraft::Put(Resource& resource, Attributes attributes) {
  Touch(resource.id);
  if (!resource.overridden) resource.overridden = Override{.declared = resource.attributes};
  resource.attributes = std::move(attributes);
  const auto& declared = resource.overridden->declared;
  if (declared && IsSame(*declared, resource.attributes)) resource.overridden.reset();
}

void OverrideDraft::End(Resource& resource) {
  Touch(resource.id);
  if (!resource.overridden) return;
  if (resource.overridden->declared) {
    resource.attributes = *std::exchange(resource.overridden, std::nullopt)->declared;
  } else {
    dropped_.insert(resource.id);
  }
}

void OverrideDraft::Add(const ResourceId& id, Attributes attributes, const NamespaceName& ns) {
  Touch(id);
  dropped_.erase(id);
  Resource fresh{.id = id, .attributes = std::move(attributes), .dependencies = {}, .at = {}, .overridden = Override{}};
  const auto* impairment = std::get_if<ImpairmentAttributes>(&fresh.attributes);
  for (Resource& resource : resources_) {
    const bool is_place = resource.kind() == Kind::kNamespace && NamespaceOf(resource.attributes) == ns;
    const bool is_device = impairment != nullptr && DeviceIn(resource.attributes, ns, impairment->dev) != nullptr;
    if (is_place || is_device) fresh.dependencies.push_back({.id = resource.id});
  }
  if (const auto found = index_.find(id); found != index_.end()) {
    resources_[found->second] = std::move(fresh);
    return;
  }
  index_.emplace(id, resources_.size());
  resources_.push_back(std::move(fresh));
}

void OverrideDraft::TouchDependents(const ResourceId& id) {
  ResourceIds standing = {id};
  // What stands on a bridge stands on its device, whose being up is an object of its own.
  if (const Resource* resource = Find(id)) {
    const auto* state = std::get_if<ActivationAttributes>(&resource->attributes);
    for (Resource& other : resources_) {
      if (state != nullptr && DeviceIn(other.attributes, state->ns, state->dev) != nullptr) standing.insert(other.id);
    }
  }
  // Each stands behind all that it stands on, but for what was added by hand to a record.
  for (bool grows = true; grows;) {
    grows = false;
    for (const Resource& resource : resources_) {
      if (standing.contains(resource.id)) continue;
      const bool stands = std::ranges::any_of(resource.dependencies,
                                              [&standing](const DependsOn& on) { return standing.contains(on.id); });
      if (stands) grows = standing.insert(resource.id).second;
    }
  }
  touched_.merge(standing);
}

void OverrideDraft::Probe(const LinkTarget& target) {
  // Two links may share their place, or be the ends of one cable.
  const auto look = [this](Resource resource) {
    if (std::ranges::find(probe_, resource.id, &Resource::id) == probe_.end()) probe_.push_back(std::move(resource));
  };
  const Resource* shows = nullptr;
  for (Resource& resource : resources_) {
    const bool is_place = resource.kind() == Kind::kNamespace && NamespaceOf(resource.attributes) == target.ns;
    if (is_place) look(resource);
    if (DeviceIn(resource.attributes, target.ns, target.dev) != nullptr) shows = &resource;
  }
  Resource seen{.id = {.kind = Kind::kInterface, .name = target.name},
                .attributes = InterfaceDown(target),
                .dependencies = {},
                .at = {}};
  if (shows != nullptr) seen = *shows;
  probed_.emplace_back(target, seen.id);
  look(std::move(seen));
}

Result<Graph> OverrideDraft::Finish() && {
  std::erase_if(resources_, [this](const Resource& resource) { return dropped_.contains(resource.id); });
  return Graph::Make(std::move(resources_));
}

}  // namespace runner
