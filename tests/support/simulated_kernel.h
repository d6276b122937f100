// A kernel that is a map, with the real one's habits that matter to a plan: settings are always there, what stands on
// an interface goes with it, what is in a namespace goes with the namespace, names are taken or free. It fails on
// demand, and can end the run in the middle as a kill does.
#pragma once
#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "exec/backend.h"
#include "plan/codec.h"
#include "tests/support/faulty_backend.h"

namespace runner::test {

/// Thrown at a kill: nothing of the run's goes on.
struct Killed {};

class SimulatedKernel : public Backend {
 public:
  struct Object {
    Resource resource;
    Observed::Owner owner = Observed::Owner::kOurs;
  };

  Faults faults;  // by the number of the call since the last Begin()
  int calls = 0;
  int undone_by_fault = 0;  // calls that did nothing

  void Begin(Faults wanted) {
    faults = std::move(wanted);
    calls = 0;
  }

  std::map<std::string, Object> objects;       // by id, settings that differ from their default too
  std::map<std::string, Attributes> settings;  // by id: what it is now, where somebody wrote it

  Result<Observation> Observe(const Graph& wish, const Record& record) override {
    Observation seen;
    for (const auto& [id, object] : objects) {
      seen.emplace(object.resource.id, Observed{.attributes = object.resource.attributes, .owner = object.owner});
    }
    const auto ask = [&](const Resource& resource) {
      if (!Traits(resource.kind()).is_setting || !IsReachable(resource)) return;
      seen.insert_or_assign(resource.id, Observed{.attributes = Now(resource), .owner = Observed::Owner::kOurs});
    };
    for (const RecordEntry& entry : record) {
      ask(entry.resource);
      if (entry.resource.id.kind == Kind::kExec) {
        seen.emplace(entry.resource.id, Observed{.attributes = entry.resource.attributes});
      }
    }
    for (const Resource& resource : wish.resources()) ask(resource);
    return seen;
  }
  Errors Check(const Plan&) override { return {}; }
  std::optional<Attributes> ReadFormer(const Resource& resource) override {
    return IsReachable(resource) ? std::optional(Now(resource)) : std::nullopt;
  }
  Result<Record> FindMarked() override {
    Record record;
    for (const auto& [id, object] : objects) {
      if (object.owner == Observed::Owner::kOurs) record.push_back({.resource = object.resource, .former = {}});
    }
    return record;
  }

  Result<Attributes> Apply(const Action& action) override {
    const auto found = faults.find(++calls);
    if (found == faults.end()) return Do(action);
    if (found->second == Fault::kKillBefore) throw Killed();
    if (found->second == Fault::kRefuse) return SystemError(EPERM, "apply");
    auto made = Do(action);
    if (found->second == Fault::kKillAfter) throw Killed();
    if (!made.ok()) return made;
    return SystemError(ENOBUFS, "read the answer");
  }

  /// Takes an object away, and what stood on it, as somebody's hand does.
  void Take(const std::string& id) {
    const auto found = objects.find(id);
    if (found == objects.end()) return;
    const Resource gone = found->second.resource;
    objects.erase(found);
    std::vector<std::string> along;
    for (const auto& [other, object] : objects) {
      if (GoesWith(object.resource, gone)) along.push_back(other);
    }
    for (const std::string& other : along) Take(other);
    if (const auto* bridge = std::get_if<BridgeAttributes>(&gone.attributes)) Release(bridge->device);
    std::erase_if(settings, [&](const auto& setting) {
      if (NamespaceOf(setting.second) != NamespaceOf(gone.attributes)) return false;
      const auto* state = std::get_if<ActivationAttributes>(&setting.second);
      return gone.id.kind == Kind::kNamespace || (state != nullptr && IsBridge(gone, state->dev));
    });
  }

  /// All that can be told apart, to compare.
  std::string Text() const {
    std::string out;
    for (const auto& [id, object] : objects)
      out += id + " " + JsonText(EncodeAttributes(object.resource.attributes)) + "\n";
    for (const auto& [id, attributes] : settings) out += id + " " + JsonText(EncodeAttributes(attributes)) + "\n";
    return out;
  }

 private:
  static bool GoesWith(const Resource& resource, const Resource& gone) {
    if (!Traits(resource.kind()).dies_with_namespace || Traits(resource.kind()).is_setting) return false;
    if (gone.id.kind == Kind::kNamespace) {
      const auto* veth = std::get_if<VethAttributes>(&resource.attributes);
      const NamespaceName& ns = NamespaceOf(gone.attributes);
      return NamespaceOf(resource.attributes) == ns || (veth != nullptr && veth->b.ns == ns);
    }
    if (gone.id.kind != Kind::kVeth && gone.id.kind != Kind::kBridge && gone.id.kind != Kind::kLink &&
        gone.id.kind != Kind::kAddress) {
      return false;
    }
    // Ports outlive their bridge, a table of nft outlives all.
    if (resource.id.kind == Kind::kVeth || resource.id.kind == Kind::kNat) return false;
    for (const DependsOn& on : resource.dependencies) {
      if (on.id == gone.id && on.strength == DependsOn::Strength::kNeeds) return true;
    }
    return false;
  }

  static bool IsBridge(const Resource& resource, const std::string& name) {
    const auto* bridge = std::get_if<BridgeAttributes>(&resource.attributes);
    return bridge != nullptr && bridge->device.name == name;
  }

  /// The ports of a bridge that is gone are nobody's.
  void Release(const DeviceAttributes& bridge) {
    for (auto& [id, object] : objects) {
      auto* veth = std::get_if<VethAttributes>(&object.resource.attributes);
      if (veth == nullptr) continue;
      for (DeviceAttributes* end : {&veth->a, &veth->b}) {
        if (end->ns == bridge.ns && end->master == bridge.name) end->master = "";
      }
    }
  }

  bool IsReachable(const Resource& resource) const {
    const NamespaceName& ns = NamespaceOf(resource.attributes);
    if (const auto* state = std::get_if<ActivationAttributes>(&resource.attributes)) {
      return std::ranges::any_of(objects, [&](const auto& object) {
        const Resource& other = object.second.resource;
        return IsBridge(other, state->dev) && NamespaceOf(other.attributes) == ns;
      });
    }
    if (ns.empty()) return true;
    for (const auto& [id, object] : objects) {
      if (object.resource.id.kind == Kind::kNamespace && NamespaceOf(object.resource.attributes) == ns) return true;
    }
    return false;
  }

  /// What nobody wrote is as the kernel makes it.
  Attributes Now(const Resource& resource) const {
    const auto found = settings.find(resource.id.text());
    if (found != settings.end()) return found->second;
    Attributes now = resource.attributes;
    if (auto* sysctl = std::get_if<SysctlAttributes>(&now)) sysctl->value = "default";
    if (auto* state = std::get_if<ActivationAttributes>(&now)) state->up = false;
    if (auto* interface = std::get_if<InterfaceAttributes>(&now)) {
      DeviceAttributes& device = interface->device;
      if (device.mtu) device.mtu = 65536;
      if (device.up) device.up = true;
      if (device.ipv6) device.ipv6 = true;
    }
    return now;
  }

  Result<Attributes> Do(const Action& action) {
    const Resource& resource = action.resource;
    const std::string id = resource.id.text();
    if (action.verb == Verb::kAdopt) return resource.attributes;
    if (resource.id.kind == Kind::kExec) {
      objects.insert_or_assign(id, Object{.resource = resource});
      return resource.attributes;
    }
    if (Traits(resource.kind()).is_setting) {
      if (!IsReachable(resource)) return SystemError(ENOENT, "write");
      if (action.verb != Verb::kRemove) {
        settings.insert_or_assign(id, resource.attributes);
      } else if (action.former) {
        Put(id, resource, *action.former);
      }
      return resource.attributes;
    }
    if (action.verb == Verb::kRemove) {
      if (!objects.contains(id)) return SystemError(ENOENT, "remove");
      Take(id);
      return resource.attributes;
    }
    if (action.verb == Verb::kCreate && objects.contains(id)) return SystemError(EEXIST, "create");
    if (action.verb == Verb::kChange && !objects.contains(id)) return SystemError(ENODEV, "change");
    for (const DependsOn& on : resource.dependencies) {
      if (on.strength == DependsOn::Strength::kNeeds && !Traits(on.id.kind).is_setting &&
          !objects.contains(on.id.text())) {
        return SystemError(ENODEV, "create");
      }
    }
    objects.insert_or_assign(id, Object{.resource = resource});
    return resource.attributes;
  }

  /// A value that is the default again is nobody's.
  void Put(const std::string& id, const Resource& resource, const Attributes& value) {
    settings.erase(id);
    if (JsonText(EncodeAttributes(Now(resource))) != JsonText(EncodeAttributes(value)))
      settings.insert_or_assign(id, value);
  }
};

}  // namespace runner::test
