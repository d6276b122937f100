// A kernel that is a map: remembers objects, takes along what dies with a namespace, fails when told to.
#pragma once
#include <algorithm>
#include <cerrno>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "exec/backend.h"

namespace runner {

class FakeBackend : public Backend {
 public:
  /// What the n-th call of Apply (from 1) meets.
  enum class Fault { kNone, kRefuse, kDoneButLost };

  std::function<Fault(int call, const Action& action)> fault = [](int, const Action&) { return Fault::kNone; };
  std::unordered_map<ResourceId, Observed> kernel;  // what stands
  std::vector<std::string> calls;                   // "+ namespace r1"

  Result<Observation> Observe(const Graph&, const Record&) override { return kernel; }
  Errors Check(const Plan&) override { return {}; }
  std::optional<Attributes> ReadFormer(const Resource& resource) override {
    const auto found = kernel.find(resource.id);
    return found == kernel.end() ? std::nullopt : std::optional(found->second.attributes);
  }
  /// All that is marked as ours.
  Result<Record> FindMarked() override {
    Record record;
    for (const auto& [id, seen] : kernel) {
      if (seen.owner != Observed::Owner::kOurs || Traits(id.kind).is_setting) continue;
      record.push_back(
          {.resource = {.id = id, .attributes = seen.attributes, .dependencies = {}, .at = {}}, .former = {}});
    }
    return record;
  }
  Result<Attributes> Apply(const Action& action) override {
    const Fault met = fault(static_cast<int>(calls.size()) + 1, action);
    constexpr const char* kSigns[] = {"+ ", "~ ", "- ", "= ", "· "};
    calls.push_back(kSigns[static_cast<int>(action.verb)] + action.resource.id.text());
    if (met == Fault::kRefuse) return SystemError(EPERM, "apply");
    Status done = Do(action);
    if (!done.ok()) return std::move(done).error();
    if (met == Fault::kDoneButLost) return SystemError(ENOBUFS, "read the answer");
    return action.resource.attributes;
  }

  /// The ids that stand, sorted.
  std::vector<std::string> Standing() const {
    std::vector<std::string> ids;
    for (const auto& [id, seen] : kernel) ids.push_back(id.text());
    std::sort(ids.begin(), ids.end());
    return ids;
  }

 private:
  Status Do(const Action& action) {
    const ResourceId& id = action.resource.id;
    if (action.verb == Verb::kRemove) {
      if (kernel.erase(id) == 0 && !Traits(id.kind).is_setting) return SystemError(ENOENT, "remove");
      if (id.kind == Kind::kNamespace) TakeAlong(NamespaceOf(action.resource.attributes));
      return {};
    }
    if (action.verb == Verb::kCreate && !Traits(id.kind).is_setting && kernel.contains(id)) {
      return SystemError(EEXIST, "create");
    }
    for (const DependsOn& on : action.resource.dependencies) {
      if (on.strength == DependsOn::Strength::kNeeds && !kernel.contains(on.id)) return SystemError(ENODEV, "create");
    }
    kernel[id] = {.attributes = action.resource.attributes, .owner = Observed::Owner::kOurs};
    return {};
  }
  void TakeAlong(const NamespaceName& ns) {
    std::erase_if(kernel, [&ns](const auto& entry) {
      if (!Traits(entry.first.kind).dies_with_namespace) return false;
      const auto* veth = std::get_if<VethAttributes>(&entry.second.attributes);
      return NamespaceOf(entry.second.attributes) == ns || (veth != nullptr && veth->b.ns == ns);
    });
  }
};

}  // namespace runner
