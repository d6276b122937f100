// One object of a plan: what is done with it and why, what it stands on, and what is touched with it.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "base/text.h"
#include "plan/plan.h"

namespace runner {
namespace {

using Strength = DependsOn::Strength;

class Explanation {
 public:
  Explanation(const Graph& wish, const Record& record, const Plan& plan) : plan_(plan) {
    for (const RecordEntry& entry : record) resources_.insert_or_assign(entry.resource.id, &entry.resource);
    for (const Resource& resource : wish.resources()) resources_.insert_or_assign(resource.id, &resource);
  }

  Result<std::vector<std::string>> Of(const std::string& object) {
    const ResourceId id = TRY(Find(object));
    const Resource& resource = *resources_.at(id);
    const std::string line = ActionLine(id);
    lines_.push_back(id.text() + (resource.at.known() ? fmt::format("  (line {})", resource.at.line) : ""));
    lines_.push_back("  " + (line.empty() ? "stands as it should: nothing is done with it" : line));
    lines_.emplace_back("it stands on");
    StandsOn(resource, 1);
    if (lines_.back() == "it stands on") lines_.back() = "it stands on nothing of the lab's";
    std::vector<std::string> touched;
    for (const ResourceId& other : StandingOn(id)) {
      const std::string action = ActionLine(other);
      touched.push_back("  " + (action.empty() ? "    " + other.text() : action));
    }
    lines_.emplace_back(touched.empty() ? "nothing stands on it" : "on it stand, and go when it goes");
    lines_.insert(lines_.end(), touched.begin(), touched.end());
    return std::move(lines_);
  }

 private:
  /// KIND NAME as the plan prints it; the name alone where only one kind has it.
  Result<ResourceId> Find(const std::string& object) const {
    std::vector<std::string> names;
    std::vector<ResourceId> meant;
    for (const auto& [id, resource] : resources_) {
      if (id.text() == object) return id;
      if (id.name == object) meant.push_back(id);
      names.push_back(id.text());
      names.push_back(id.name);
    }
    if (meant.size() == 1) return meant.front();
    std::ranges::sort(names);
    if (meant.empty()) return Fail("the lab has no object " + Quote(object) + DidYouMean(object, names));
    std::ranges::sort(meant);
    std::string all;
    for (const ResourceId& id : meant) all += (all.empty() ? "" : ", ") + Quote(id.text());
    return Fail(Quote(object) + " may be " + all);
  }

  std::string ActionLine(const ResourceId& id) const {
    Plan alone;
    for (const Action& action : plan_.actions) {
      if (action.resource.id == id) alone.actions.push_back(action);
    }
    const auto lines = DescribePlan(alone);
    return lines.empty() ? "" : lines.front();
  }

  void StandsOn(const Resource& resource, std::size_t depth) {
    for (const DependsOn& on : resource.dependencies) {
      const auto found = resources_.find(on.id);
      if (found == resources_.end()) continue;
      const std::string action = ActionLine(on.id);
      lines_.push_back(std::string(2 * depth, ' ') + on.id.text() +
                       (on.strength == Strength::kAfter ? "  (before it, no more)" : "") +
                       (action.empty() ? "" : "  [" + action.substr(0, action.find(' ')) + "]"));
      if (on.strength == Strength::kNeeds && shown_.insert(on.id).second) StandsOn(*found->second, depth + 1);
    }
  }

  /// All that needs it, through others too, sorted.
  std::vector<ResourceId> StandingOn(const ResourceId& ground) const {
    std::unordered_set<ResourceId> reached = {ground};
    for (bool more = true; more;) {
      more = false;
      for (const auto& [id, resource] : resources_) {
        const bool stands = std::ranges::any_of(resource->dependencies, [&reached](const DependsOn& on) {
          return on.strength == Strength::kNeeds && reached.contains(on.id);
        });
        if (stands && reached.insert(id).second) more = true;
      }
    }
    reached.erase(ground);
    std::vector<ResourceId> out(reached.begin(), reached.end());
    std::ranges::sort(out);
    return out;
  }

  const Plan& plan_;
  std::unordered_map<ResourceId, const Resource*> resources_;
  std::unordered_set<ResourceId> shown_;
  std::vector<std::string> lines_;
};

}  // namespace

Result<std::vector<std::string>> ExplainObject(const Graph& wish, const Record& record, const Plan& plan,
                                               const std::string& object) {
  return Explanation(wish, record, plan).Of(object);
}

}  // namespace runner
