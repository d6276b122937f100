// Does a plan, action by action: the journal knows of each before the kernel does.
#pragma once
#include <functional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "exec/backend.h"
#include "exec/journal.h"
#include "plan/plan.h"

namespace runner {

enum class OnFailure {
  kStop,  // `up`: the first failure ends the run
  kGoOn   // `down` and roll-back: what depends on a failed action is skipped, the rest is done
};

struct RunReport {
  int done = 0;                     // actions that changed something
  Errors errors;                    // with kStop at most one
  std::vector<ResourceId> skipped;  // because of another's failure
  bool interrupted = false;
  bool ok() const { return errors.empty() && !interrupted; }
};

struct Hooks {
  /// Asked before each action; true stops the run.
  std::function<bool()> interrupted = [] { return false; };
  /// Told before each action: how many are done, of how many.
  std::function<void(const Action&, int done, int total)> progress = [](const Action&, int, int) {};
};

RunReport Execute(const Plan& plan, Backend& backend, Journal& journal, OnFailure on_failure, const Hooks& hooks);

/// How a wish was met.
struct Outcome {
  RunReport report;  // of all rounds together
  Plan first;        // what was decided at the start
  Errors roll_back;  // what could not be undone
  int gone = 0;      // TearDown: objects that are on record no more
  bool rolled_back = false;
  bool changed = false;  // something was done (and, unless rolled back, stays)
};

enum class AfterFailure { kRollBack, kKeep };

using ResourceIds = std::unordered_set<ResourceId>;

/// Brings the kernel to `wish`: observe, plan, check, do, and observe again until the plan is empty (what one change
/// makes the kernel drop comes back in the next round; a few rounds are the limit). A failure or an interruption undoes
/// what this run did. The journal's header is written before the first change. With `only`, nothing but these objects
/// is touched, whatever else differs.
Outcome Converge(const Graph& wish, Purpose purpose, Backend& backend, Journal& journal, const LabHeader& header,
                 AfterFailure after_failure, const Hooks& hooks, const ResourceIds* only = nullptr);

/// Removes all that the journal knows, and, where that may not be all (it is lost, cut short, or a run was killed),
/// what stands under the lab's marks. Goes on after failures.
Outcome TearDown(Backend& backend, Journal& journal, const Hooks& hooks);

}  // namespace runner
