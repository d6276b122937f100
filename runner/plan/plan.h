// The one decision: wish × record × kernel → ordered actions with reasons. `up`, `down`, `plan`, `status`, roll-back
// and recovery are all this function with a different wish. Pure: no system call, no log.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/json_fwd.h"
#include "plan/difference.h"
#include "plan/graph.h"
#include "plan/resource.h"

namespace runner {

/// What the journal knows of one object.
struct RecordEntry {
  enum class State { kBegun, kMade };  // kBegun: it was about to be made; the kernel tells whether it was
  Resource resource;
  Rare<Attributes> former = {};  // what a setting was before
  State state = State::kMade;
};
/// All that the lab has made, in the order in which it was.
using Record = std::vector<RecordEntry>;

/// What the kernel says of one object.
struct Observed {
  enum class Owner { kUnknown, kOurs, kForeign };  // by a mark, where the kind has one
  Attributes attributes;
  Owner owner = Owner::kUnknown;
};
using Observation = std::unordered_map<ResourceId, Observed>;

enum class Verb {
  kCreate,
  kChange,
  kRemove,
  kAdopt,  // stands as it should, only the record is missing
  kForget  // gone already, or goes with its namespace: only the record is crossed out
};

struct Action {
  Verb verb = Verb::kCreate;
  Resource resource;                 // as it shall be; for kRemove and kForget as recorded
  std::optional<Attributes> before;  // what the kernel shows; absent when it is not there
  Rare<Attributes> former = {};      // kRemove of a setting: what to put back
  std::vector<Difference> differences;
  std::string reason;     // "not in the file any more", "namespace r1 is made anew"
  bool replaces = false;  // one half of a remove-and-create pair
};

struct Plan {
  std::vector<Action> actions;
  Errors conflicts;  // foreign objects in the way: nothing may be done
  Errors notes;      // warnings: an edited `exec` that does not run again
  bool empty() const { return actions.empty(); }
  /// Is any action more than bookkeeping?
  bool changes_anything() const;
};

/// How the plan came to be wanted; it decides about commands that run once.
enum class Purpose { kUp, kDown, kRollBack };

Plan MakePlan(const Graph& wish, const Record& record, const Observation& observed, Purpose purpose);

/// `+ link r1:eth0--r2:eth0  (not there)`, `~ address …  mtu 1500 → 1400`, `-/+`, `-`. A pair that replaces is one
/// line.
std::vector<std::string> DescribePlan(const Plan& plan);
/// "3 to create, 1 to change, 0 to remove"
std::string SummarizePlan(const Plan& plan);
Json PlanJson(const Plan& plan);

/// `object` is an id as a plan prints it, or its name where only one kind has it: what the plan does with it and why,
/// what it stands on, and what stands on it. An unknown one is an error with a near name.
Result<std::vector<std::string>> ExplainObject(const Graph& wish, const Record& record, const Plan& plan,
                                               const std::string& object);

/// An object that is not as recorded.
struct Drift {
  ResourceId id;
  std::vector<Difference> differences;  // recorded → found; empty: it is gone
  bool gone = false;
};
/// What a command has overridden is no drift, nor is what goes with an interface that was set down.
std::vector<Drift> FindDrift(const Record& record, const Observation& observed);
/// Of a part of `record`.
std::vector<Drift> FindDrift(const Record& part, const Observation& observed, const Record& record);

}  // namespace runner
