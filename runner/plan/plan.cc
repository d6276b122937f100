#include "plan/plan.h"

#include <algorithm>
#include <unordered_set>

#include "base/stopwatch.h"
#include "base/text.h"
#include "plan/held_down.h"

namespace runner {
namespace {

using Strength = DependsOn::Strength;

constexpr const char* kOverrideEnds = "it was changed by `toporun impair`";

std::vector<const Resource*> PointersTo(const Graph& graph) {
  std::vector<const Resource*> out;
  out.reserve(graph.resources().size());
  for (const Resource& resource : graph.resources()) out.push_back(&resource);
  return out;
}

std::vector<const Resource*> PointersTo(const Record& record) {
  std::vector<const Resource*> out;
  out.reserve(record.size());
  for (const RecordEntry& entry : record) out.push_back(&entry.resource);
  return out;
}

class Planner {
 public:
  Planner(const Graph& wish, const Record& record, const Observation& observed, Purpose purpose)
      : wish_(wish), record_(record), observed_(observed), purpose_(purpose), held_down_(PointersTo(wish)) {
    recorded_.reserve(record.size());
    for (const RecordEntry& entry : record) recorded_.emplace(entry.resource.id, &entry);
    verdicts_.reserve(wish.resources().size());
  }

  Plan Make() {
    FindDoomedNamespaces();
    for (const Resource& resource : wish_.resources()) Judge(resource);
    SpreadReplacement();
    AddUnrecordedRemovals();
    AddRemovals();
    AddCreations();
    plan_.actions.reserve(plan_.actions.size() + final_removals_.size() + forgotten_.size());
    for (Action& action : final_removals_) plan_.actions.push_back(std::move(action));
    for (Action& action : forgotten_) plan_.actions.push_back(std::move(action));
    return std::move(plan_);
  }

 private:
  struct Verdict {
    enum class What { kKeep, kAdopt, kCreate, kChange, kReplace } what = What::kKeep;
    std::vector<Difference> differences;
    std::string reason;
  };

  const RecordEntry* Recorded(const ResourceId& id) const {
    const auto found = recorded_.find(id);
    return found == recorded_.end() ? nullptr : found->second;
  }
  const Observed* Seen(const ResourceId& id) const {
    const auto found = observed_.find(id);
    return found == observed_.end() ? nullptr : &found->second;
  }

  /// Namespaces that we made and that this plan removes: what is only in them goes along.
  void FindDoomedNamespaces() {
    for (const RecordEntry& entry : record_) {
      const auto* ns = std::get_if<NamespaceAttributes>(&entry.resource.attributes);
      if (ns != nullptr && ns->attach.empty() && !wish_.Has(entry.resource.id)) doomed_.insert(ns->name);
    }
  }
  bool GoesWithNamespace(const Resource& resource) const {
    if (!Traits(resource.kind()).dies_with_namespace) return false;
    const auto in = NamespacesOf(resource.attributes);
    return std::ranges::all_of(in, [this](const NamespaceName& ns) { return doomed_.contains(ns); });
  }

  Error Conflict(const Resource& resource) const {
    Error error;
    error.where = resource.id.text();
    error.why = "stands already and is not this lab's";
    error.failure = Failure::kConflict;
    error.at = resource.at;
    if (resource.id.kind == Kind::kNamespace) {
      error.notes.push_back({.at = {},
                             .text = "remove it (ip netns del " + NamespaceOf(resource.attributes) +
                                     ") or name the lab otherwise (--name)"});
    }
    return error;
  }

  void Judge(const Resource& resource) {
    Verdict verdict;
    const RecordEntry* entry = Recorded(resource.id);
    const Observed* seen = Seen(resource.id);
    if (resource.id.kind == Kind::kExec) {
      verdict = JudgeCommand(resource, entry);
    } else if (entry != nullptr && held_down_.Explains(resource, seen, &entry->resource.attributes)) {
      // It comes back when the interface does.
    } else if (seen == nullptr) {
      verdict = {Verdict::What::kCreate, {}, entry == nullptr ? "" : "it is gone"};
    } else if (!Traits(resource.kind()).is_setting && IsForeign(entry, *seen)) {
      plan_.conflicts.push_back(Conflict(resource));
    } else {
      const bool made = entry != nullptr && entry->state == RecordEntry::State::kMade;
      verdict = Weigh(resource, entry, *seen);
      if (verdict.what == Verdict::What::kKeep && !made) verdict = JudgeUncertain(resource, entry);
      const bool same = entry == nullptr || entry->resource.overridden.has_value() == resource.overridden.has_value();
      if (verdict.what == Verdict::What::kKeep && !same) verdict = {Verdict::What::kAdopt, {}, "it stands already"};
      const bool ends = entry != nullptr && entry->resource.overridden && !resource.overridden;
      if (ends && verdict.reason.empty()) verdict.reason = kOverrideEnds;
    }
    verdicts_.emplace(resource.id, std::move(verdict));
  }

  /// It stands, nothing that the kernel tells differs, and no record says that it was made so: a run ended in between,
  /// or the record is lost.
  static Verdict JudgeUncertain(const Resource& resource, const RecordEntry* entry) {
    const Kind kind = resource.kind();
    // Of these the kernel does not tell all that was asked for: they are written once more. Not an address whose record
    // is lost, though: that would take it away for a moment.
    const bool begun = entry != nullptr;
    const bool untold = kind == Kind::kNat || kind == Kind::kNftables || kind == Kind::kImpairment;
    if (untold || (begun && kind == Kind::kAddress)) {
      return {Verdict::What::kChange, {}, "whether it is as asked for is not on record"};
    }
    return {Verdict::What::kAdopt, {}, "it stands already"};
  }

  /// In the way, and not ours: by its mark, or because nothing says that it is.
  static bool IsForeign(const RecordEntry* entry, const Observed& seen) {
    if (seen.owner == Observed::Owner::kForeign) return true;
    return entry == nullptr && seen.owner == Observed::Owner::kUnknown;
  }

  static Verdict Weigh(const Resource& resource, const RecordEntry* entry, const Observed& seen) {
    Verdict verdict;
    verdict.differences =
        Differences(resource.attributes, seen.attributes, entry == nullptr ? nullptr : &entry->resource.attributes);
    if (verdict.differences.empty()) return verdict;
    const bool replace =
        std::ranges::any_of(verdict.differences, [](const Difference& d) { return d.role == Role::kReplace; });
    verdict.what = replace ? Verdict::What::kReplace : Verdict::What::kChange;
    return verdict;
  }

  /// A command runs once, when its node is first made.
  Verdict JudgeCommand(const Resource& resource, const RecordEntry* entry) {
    const ResourceId node{.kind = Kind::kNamespace, .name = std::get<ExecAttributes>(resource.attributes).node};
    const auto ns = verdicts_.find(node);
    const bool fresh = ns != verdicts_.end() && ns->second.what == Verdict::What::kCreate;
    const bool half_made = entry != nullptr && entry->state == RecordEntry::State::kBegun;
    if (purpose_ == Purpose::kUp && (fresh || half_made)) {
      return {Verdict::What::kCreate, {}, fresh ? "its node is made" : "it did not end before"};
    }
    const bool edited =
        entry != nullptr && !Differences(resource.attributes, resource.attributes, &entry->resource.attributes).empty();
    if (purpose_ == Purpose::kUp && (edited || entry == nullptr)) {
      Error note = Fail("is new or was edited, but its node stands already: it does not run");
      note.where = resource.id.text();
      note.severity = Severity::kWarning;
      note.at = resource.at;
      note.notes.emplace_back().text = "`toporun exec` runs it now; after `toporun down` the next `up` runs it";
      plan_.notes.push_back(std::move(note));
    }
    return {};
  }

  static std::string Reason(const ResourceId& id, const char* what) { return id.text() + " " + what; }

  /// What stands on something that is removed or made anew cannot stay either.
  void SpreadReplacement() {
    for (const Resource& resource : wish_.resources()) {
      Verdict& verdict = verdicts_.at(resource.id);
      if (verdict.what == Verdict::What::kCreate || verdict.what == Verdict::What::kReplace) continue;
      if (resource.id.kind == Kind::kExec) continue;
      if (const std::string reason = LosesItsGround(resource); !reason.empty()) {
        verdict.what = Verdict::What::kReplace;
        verdict.reason = reason;
      }
    }
  }

  std::string LosesItsGround(const Resource& resource) const {
    for (const DependsOn& on : resource.dependencies) {
      if (on.strength != Strength::kNeeds) continue;
      const auto found = verdicts_.find(on.id);
      if (found != verdicts_.end() && found->second.what == Verdict::What::kReplace) {
        return Reason(on.id, "is made anew");
      }
    }
    const RecordEntry* entry = Recorded(resource.id);
    if (entry == nullptr) return "";
    for (const DependsOn& on : entry->resource.dependencies) {
      if (on.strength == Strength::kNeeds && !wish_.Has(on.id) && Recorded(on.id) != nullptr &&
          Seen(on.id) != nullptr) {
        return Reason(on.id, "is removed");
      }
    }
    return "";
  }

  bool IsReplaced(const ResourceId& id) const {
    const auto found = verdicts_.find(id);
    return found != verdicts_.end() && found->second.what == Verdict::What::kReplace;
  }

  /// What the record has and the wish has not, or has otherwise.
  bool IsToGo(const RecordEntry& entry) const { return !wish_.Has(entry.resource.id) || IsReplaced(entry.resource.id); }

  /// What is to go, newest first, and always what stands on a thing before the thing.
  std::vector<const RecordEntry*> NewestFirst() const {
    std::vector<const RecordEntry*> order;
    if (std::ranges::none_of(record_, [this](const RecordEntry& entry) { return IsToGo(entry); })) return order;
    order.reserve(record_.size());
    // What stays may stand between two that go.
    if (const auto sorted = DependencyOrder(PointersTo(record_)); sorted.ok()) {
      for (const std::size_t i : *sorted) order.push_back(&record_[i]);
    } else {
      // A record that is torn or made by hand: its own order is the best there is.
      for (const RecordEntry& entry : record_) order.push_back(&entry);
    }
    std::erase_if(order, [this](const RecordEntry* entry) { return !IsToGo(*entry); });
    std::ranges::reverse(order);
    // They end before the network under them goes, whenever its parts were made.
    std::stable_partition(order.begin(), order.end(),
                          [](const RecordEntry* entry) { return IsOnNetwork(entry->resource.id.kind); });
    return order;
  }

  /// What is ours by its mark and must be made anew, though the record does not know it. The newest first here too.
  void AddUnrecordedRemovals() {
    for (auto resource = wish_.resources().rbegin(); resource != wish_.resources().rend(); ++resource) {
      const Observed* seen = Seen(resource->id);
      if (seen == nullptr || Recorded(resource->id) != nullptr || !IsReplaced(resource->id)) continue;
      if (Traits(resource->kind()).is_setting) continue;
      plan_.actions.push_back({.verb = Verb::kRemove,
                               .resource = *resource,
                               .before = seen->attributes,
                               .former = {},
                               .differences = {},
                               .reason = verdicts_.at(resource->id).reason,
                               .replaces = true});
    }
  }

  /// Commands that ran are not run backwards, and what held of a process is over with it.
  static bool IsNothingToRemove(Kind kind) { return kind == Kind::kExec || kind == Kind::kCondition; }

  void AddRemovals() {
    const std::vector<const RecordEntry*> order = NewestFirst();
    // An action is large: none is moved for want of room.
    for (auto* actions : {&plan_.actions, &final_removals_, &forgotten_}) {
      actions->reserve(actions->size() + order.size());
    }
    for (const RecordEntry* entry : order) {
      const Resource& resource = entry->resource;
      const bool wished = wish_.Has(resource.id);
      const Observed* seen = Seen(resource.id);
      Action action{.verb = Verb::kRemove,
                    .resource = resource,
                    .before = seen == nullptr ? std::nullopt : std::optional(seen->attributes),
                    .former = entry->former,
                    .differences = {},
                    .reason = wished                ? verdicts_.at(resource.id).reason
                              : resource.overridden ? kOverrideEnds
                                                    : "",
                    .replaces = wished};
      const bool foreign = seen != nullptr && seen->owner == Observed::Owner::kForeign;
      if (!wished &&
          (seen == nullptr || foreign || GoesWithNamespace(resource) || IsNothingToRemove(resource.id.kind))) {
        action.verb = Verb::kForget;
        action.reason = seen == nullptr ? "it is gone already"
                        : foreign       ? "it is not this lab's any more"
                                        : "goes with its namespace";
        forgotten_.push_back(std::move(action));
      } else if (Traits(resource.kind()).is_final && !wished) {
        final_removals_.push_back(std::move(action));
      } else if (seen != nullptr) {
        plan_.actions.push_back(std::move(action));
      }
    }
  }

  void AddCreations() {
    const auto stays = [](const auto& judged) { return judged.second.what == Verdict::What::kKeep; };
    const auto kept = static_cast<std::size_t>(std::ranges::count_if(verdicts_, stays));
    plan_.actions.reserve(plan_.actions.size() + verdicts_.size() - kept);
    for (const Resource& resource : wish_.resources()) {
      const Verdict& verdict = verdicts_.at(resource.id);
      if (verdict.what == Verdict::What::kKeep) continue;
      const Observed* seen = Seen(resource.id);
      const RecordEntry* entry = Recorded(resource.id);
      Action action{.verb = Verb::kCreate,
                    .resource = resource,
                    .before = seen == nullptr ? std::nullopt : std::optional(seen->attributes),
                    .former = entry == nullptr ? std::nullopt : entry->former,
                    .differences = verdict.differences,
                    .reason = verdict.reason,
                    .replaces = false};
      switch (verdict.what) {
        case Verdict::What::kAdopt:
          action.verb = Verb::kAdopt;
          break;
        case Verdict::What::kChange:
          action.verb = Verb::kChange;
          break;
        case Verdict::What::kReplace:
          // A setting is never away: it is written anew.
          action.replaces = true;
          break;
        default:
          break;
      }
      plan_.actions.push_back(std::move(action));
    }
  }

  const Graph& wish_;
  const Record& record_;
  const Observation& observed_;
  const Purpose purpose_;
  const HeldDown held_down_;
  std::unordered_map<ResourceId, const RecordEntry*> recorded_;
  std::unordered_map<ResourceId, Verdict> verdicts_;
  std::unordered_set<NamespaceName> doomed_;
  std::vector<Action> final_removals_;
  std::vector<Action> forgotten_;
  Plan plan_;
};

}  // namespace

bool Plan::changes_anything() const {
  return std::ranges::any_of(
      actions, [](const Action& action) { return action.verb != Verb::kAdopt && action.verb != Verb::kForget; });
}

Plan MakePlan(const Graph& wish, const Record& record, const Observation& observed, Purpose purpose) {
  const Stopwatch watch("decide what to do");
  return Planner(wish, record, observed, purpose).Make();
}

std::vector<Drift> FindDrift(const Record& record, const Observation& observed) {
  return FindDrift(record, observed, record);
}

std::vector<Drift> FindDrift(const Record& part, const Observation& observed, const Record& record) {
  const HeldDown held_down(PointersTo(record));
  std::vector<Drift> out;
  for (const RecordEntry& entry : part) {
    const ResourceId& id = entry.resource.id;
    if (id.kind == Kind::kExec) continue;
    const auto seen = observed.find(id);
    const Observed* now = seen == observed.end() ? nullptr : &seen->second;
    if (held_down.Explains(entry.resource, now, &entry.resource.attributes)) continue;
    if (seen == observed.end() || seen->second.owner == Observed::Owner::kForeign) {
      out.push_back({.id = id, .differences = {}, .gone = true});
      continue;
    }
    auto differences = Differences(entry.resource.attributes, seen->second.attributes, &entry.resource.attributes);
    if (differences.empty()) continue;
    // Told as the user sees it: what it should be, then what it is.
    for (Difference& difference : differences) std::swap(difference.before, difference.after);
    out.push_back({.id = id, .differences = std::move(differences), .gone = false});
  }
  return out;
}

}  // namespace runner
