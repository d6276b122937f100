#include "exec/executor.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <unordered_set>
#include <utility>

#include "base/json.h"
#include "plan/codec.h"

namespace runner {
namespace {

constexpr int kRounds = 4;

bool OutcomeIsUnknown(const Error& error) { return error.code == ENOBUFS || error.code == ETIMEDOUT; }

const char* Sign(Verb verb) {
  constexpr const char* kSigns[] = {"+", "~", "-", "=", "·"};
  return kSigns[static_cast<int>(verb)];
}

class Run {
 public:
  Run(Backend& backend, Journal& journal, OnFailure on_failure, const Hooks& hooks)
      : backend_(backend), journal_(journal), on_failure_(on_failure), hooks_(hooks) {}

  RunReport Do(const Plan& plan) {
    const int total = static_cast<int>(plan.actions.size());
    int done = 0;
    if (Status status = BeginCommands(plan); !status.ok()) {
      report_.errors.push_back(std::move(status).error());
      return std::move(report_);
    }
    backend_.Expect(plan);
    for (const Action& action : plan.actions) {
      if (hooks_.interrupted()) {
        report_.interrupted = true;
        break;
      }
      hooks_.progress(action, done++, total);
      if (StandsOnFailure(action)) {
        Fail(action);
        report_.skipped.push_back(action.resource.id);
        continue;
      }
      if (Status status = DoOne(action); !status.ok()) {
        Error error = std::move(status).error();
        if (error.where.empty()) error.where = action.resource.id.text();
        if (!error.at.known()) error.at = action.resource.at;
        report_.errors.push_back(std::move(error));
        if (on_failure_ == OnFailure::kStop) break;
        Fail(action);
      }
    }
    // With nothing left to tell the file goes, whatever it says.
    if (Status status = journal_.Flush(); !status.ok() && journal_.size() != 0) {
      report_.errors.push_back(std::move(status).error());
    }
    return std::move(report_);
  }

 private:
  /// Before all else: a kill between the making of a node and its commands must not make the next run think that they
  /// ran.
  Status BeginCommands(const Plan& plan) {
    for (const Action& action : plan.actions) {
      if (action.resource.id.kind != Kind::kExec || action.verb != Verb::kCreate) continue;
      TRY(journal_.Begin(action.resource, std::nullopt));
    }
    return {};
  }

  /// A removal that failed keeps in place what its object stands on; a creation that failed, what would stand on it.
  void Fail(const Action& action) {
    // From here on each goes by itself, since some stay.
    backend_.Expect({});
    if (action.verb == Verb::kRemove) {
      if (action.resource.id.kind == Kind::kNamespace) staying_.insert(NamespaceOf(action.resource.attributes));
      for (const DependsOn& on : action.resource.dependencies) blocked_.insert(on.id);
    } else {
      failed_.insert(action.resource.id);
    }
  }
  bool StandsOnFailure(const Action& action) const {
    if (action.verb == Verb::kRemove) return blocked_.contains(action.resource.id);
    if (action.verb == Verb::kForget) return action.before && IsInWhatStays(action.resource.attributes);
    for (const DependsOn& on : action.resource.dependencies) {
      if (failed_.contains(on.id)) return true;
    }
    return false;
  }

  /// It was to go with its namespace, which did not go.
  bool IsInWhatStays(const Attributes& attributes) const {
    const auto* veth = std::get_if<VethAttributes>(&attributes);
    return staying_.contains(NamespaceOf(attributes)) || (veth != nullptr && staying_.contains(veth->b.ns));
  }

  Status DoOne(const Action& action) {
    const ResourceId& id = action.resource.id;
    if (action.verb == Verb::kForget) return journal_.Forget(id);
    if (action.verb == Verb::kAdopt) {
      TRY(journal_.Begin(action.resource, FormerOf(action)));
      // Asked for without a change, for the fingerprint of what stands.
      return journal_.Made(id, TRY(backend_.Apply(action)));
    }
    spdlog::info("{} {}", Sign(action.verb), id.text());
    ++report_.done;
    if (action.verb == Verb::kRemove) {
      TRY(backend_.Apply(action));
      return Unwritten(journal_.Gone(id));
    }
    // Until it is done, what stands is what stood: a later run finds by it what is to be replaced.
    Resource begun = action.resource;
    if (action.before) begun.attributes = WithFingerprint(std::move(begun.attributes), *action.before);
    TRY(Unwritten(journal_.Begin(begun, FormerOf(action))));
    auto made = backend_.Apply(action);
    if (made.ok()) return journal_.Made(id, *made);
    // It is not there: the record must not say so, unless nobody knows.
    const bool was_there = action.before.has_value() && !action.replaces;
    if (!was_there && !OutcomeIsUnknown(made.error()) && !Traits(id.kind).is_setting && id.kind != Kind::kExec) {
      TRY(journal_.Gone(id));
    }
    return std::move(made).error();
  }

  /// Whoever undoes does not stop for a record that cannot be written (its file system is full): the lines wait, and
  /// the end of the run tells.
  Status Unwritten(Status status) const { return on_failure_ == OnFailure::kGoOn ? Status() : std::move(status); }

  /// What a setting was before the lab first touched it.
  std::optional<Attributes> FormerOf(const Action& action) {
    // A card that is taken is read now: what is on record may be of another one, which was given back just now or in a
    // run that ended before it could say so.
    const bool is_taken = action.replaces || !action.before;
    if (is_taken && action.resource.kind() == Kind::kPhysical) return backend_.ReadFormer(action.resource);
    if (action.former || !Traits(action.resource.kind()).is_setting) return action.former;
    // Not there when the run began: its device has been made since.
    return action.before ? action.before : backend_.ReadFormer(action.resource);
  }

  Backend& backend_;
  Journal& journal_;
  const OnFailure on_failure_;
  const Hooks& hooks_;
  std::unordered_set<ResourceId> blocked_;
  std::unordered_set<ResourceId> failed_;
  std::unordered_set<NamespaceName> staying_;  // their removal failed
  RunReport report_;
};

void Append(RunReport& all, RunReport more) {
  all.done += more.done;
  all.interrupted = all.interrupted || more.interrupted;
  for (Error& error : more.errors) all.errors.push_back(std::move(error));
  for (ResourceId& id : more.skipped) all.skipped.push_back(std::move(id));
}

/// After the last round something still differs: the difference is the error.
Error NotConverged(const Plan& plan) {
  Error error = runner::Fail("the kernel does not show what was asked for");
  for (const std::string& line : DescribePlan(plan)) error.notes.push_back({.at = {}, .text = line});
  if (!plan.actions.empty()) {
    error.where = plan.actions.front().resource.id.text();
    error.at = plan.actions.front().resource.at;
  }
  return error;
}

/// What stood when a run began, and what of it was the lab's.
struct Before {
  Record record;
  Observation observed;
};

/// What stood before a run, as a wish: each object as the kernel showed it, whatever the record said. What had drifted
/// away is not asked for. What stood without a record is: the run may have adopted it.
std::vector<Resource> StateBefore(const Graph& wish, const Before& before) {
  std::vector<Resource> resources;
  std::unordered_set<ResourceId> recorded;
  std::unordered_set<ResourceId> dying;
  const auto stands_on_what_dies = [&dying](const Resource& resource) {
    return std::ranges::any_of(resource.dependencies, [&dying](const DependsOn& on) {
      return on.strength == DependsOn::Strength::kNeeds && dying.contains(on.id);
    });
  };
  for (const RecordEntry& entry : before.record) {
    recorded.insert(entry.resource.id);
    if (stands_on_what_dies(entry.resource)) {
      dying.insert(entry.resource.id);
      continue;
    }
    const auto seen = before.observed.find(entry.resource.id);
    if (entry.resource.id.kind == Kind::kExec) {
      resources.push_back(entry.resource);
      continue;
    }
    if (seen == before.observed.end() || seen->second.owner == Observed::Owner::kForeign) continue;
    // One end of a cable whose other end is dying; with it goes what is on it.
    const auto* veth = std::get_if<VethAttributes>(&seen->second.attributes);
    if (veth != nullptr && !veth->joined) {
      dying.insert(entry.resource.id);
      continue;
    }
    resources.push_back(entry.resource);
    // Half made is no state to come back to.
    if (entry.state == RecordEntry::State::kBegun) continue;
    resources.back().attributes = AsObserved(entry.resource.attributes, seen->second.attributes);
  }
  for (const Resource& resource : wish.resources()) {
    const auto seen = before.observed.find(resource.id);
    const bool ours = seen != before.observed.end() && seen->second.owner == Observed::Owner::kOurs;
    if (recorded.contains(resource.id) || !ours || Traits(resource.kind()).is_setting) continue;
    resources.push_back(resource);
    resources.back().attributes = AsObserved(resource.attributes, seen->second.attributes);
  }
  return resources;
}

/// The record says again what it said before the run, also of what had drifted.
Errors RestoreRecord(const Record& before, Journal& journal) {
  Errors errors;
  std::unordered_set<ResourceId> known;
  const auto keep = [&errors](Status status) {
    if (!status.ok()) errors.push_back(std::move(status).error());
  };
  for (const RecordEntry& entry : before) {
    known.insert(entry.resource.id);
    const RecordEntry* now = journal.Find(entry.resource.id);
    if (now != nullptr && now->state == entry.state &&
        EncodeResource(now->resource) == EncodeResource(entry.resource)) {
      continue;
    }
    Status status = journal.Begin(entry.resource, entry.former);
    if (status.ok() && entry.state == RecordEntry::State::kMade) {
      status = journal.Made(entry.resource.id, entry.resource.attributes);
    }
    keep(std::move(status));
  }
  std::vector<ResourceId> strangers;
  for (const RecordEntry& entry : journal.record()) {
    if (!known.contains(entry.resource.id)) strangers.push_back(entry.resource.id);
  }
  for (const ResourceId& id : strangers) keep(journal.Forget(id));
  // With nothing left to tell the file goes, whatever it says.
  if (Status status = journal.Flush(); journal.size() != 0) keep(std::move(status));
  return errors;
}

/// The record tells all of what stood: nothing was there by its mark alone.
bool IsWhole(const Graph& stood, const Record& record) {
  std::unordered_set<ResourceId> known;
  for (const RecordEntry& entry : record) known.insert(entry.resource.id);
  return std::ranges::all_of(stood.resources(), [&known](const Resource& one) { return known.contains(one.id); });
}

/// Undoes a run: the wish is what stood before it. Commands that ran are not run backwards.
void RollBack(const Graph& up, const Before& before, Backend& backend, Journal& journal, Outcome& outcome) {
  outcome.rolled_back = true;
  auto wish = Graph::Make(StateBefore(up, before));
  if (!wish.ok()) {
    outcome.roll_back.push_back(std::move(wish).error());
    return;
  }
  const Hooks silent;  // Not to be interrupted: half an undo helps nobody.
  for (int round = 0;; ++round) {
    const Record& record = journal.record();
    auto observed = backend.Observe(*wish, record);
    if (!observed.ok()) {
      // A look changes nothing: it may be tried again.
      if (round < kRounds) continue;
      outcome.roll_back.push_back(std::move(observed).error());
      return;
    }
    const Plan plan = MakePlan(*wish, record, *observed, Purpose::kRollBack);
    if (plan.actions.empty()) {
      outcome.roll_back = RestoreRecord(before.record, journal);
      if (journal.size() == 0 || !IsWhole(*wish, before.record)) return;
      if (auto status = journal.Settle(); !status.ok()) outcome.roll_back.push_back(std::move(status).error());
      return;
    }
    if (round == kRounds) {
      outcome.roll_back.push_back(NotConverged(plan));
      return;
    }
    RunReport report = Execute(plan, backend, journal, OnFailure::kGoOn, silent);
    // An answer that was lost: the next look tells what became of it.
    std::erase_if(report.errors, OutcomeIsUnknown);
    if (!report.errors.empty()) {
      outcome.roll_back = std::move(report.errors);
      return;
    }
  }
}

Error Interrupted() {
  Error error = runner::Fail("interrupted");
  error.failure = Failure::kInterrupted;
  return error;
}

Plan Within(Plan plan, const ResourceIds* only) {
  if (only == nullptr) return plan;
  std::unordered_set<std::string> names;
  for (const ResourceId& id : *only) names.insert(id.text());
  std::erase_if(plan.actions, [only](const Action& action) { return !only->contains(action.resource.id); });
  for (Errors* errors : {&plan.conflicts, &plan.notes}) {
    std::erase_if(*errors, [&names](const Error& error) { return !names.contains(error.where); });
  }
  return plan;
}

}  // namespace

RunReport Execute(const Plan& plan, Backend& backend, Journal& journal, OnFailure on_failure, const Hooks& hooks) {
  return Run(backend, journal, on_failure, hooks).Do(plan);
}

Outcome Converge(const Graph& wish, Purpose purpose, Backend& backend, Journal& journal, const LabHeader& header,
                 AfterFailure after_failure, const Hooks& hooks, const ResourceIds* only) {
  Outcome outcome;
  Record before;
  std::optional<Observation> observed_before;
  for (int round = 0;; ++round) {
    const Record& record = journal.record();
    auto observed = round == 0 ? backend.Observe(wish, record) : backend.ObserveAgain(wish, record, *observed_before);
    if (!observed.ok()) {
      outcome.report.errors.push_back(std::move(observed).error());
      break;
    }
    Plan later_plan;
    Plan& plan = round == 0 ? outcome.first : later_plan;
    plan = Within(MakePlan(wish, record, *observed, purpose), only);
    if (round == 0) {
      observed_before = std::move(*observed);
      outcome.report.errors = plan.conflicts;
      if (outcome.report.errors.empty()) outcome.report.errors = backend.Check(plan);
      // Nothing was touched yet, nothing is to be undone.
      if (!outcome.report.errors.empty()) return outcome;
    }
    if (plan.actions.empty()) {
      if (outcome.changed) outcome.report.errors = backend.Settle();
      if (!outcome.report.errors.empty()) {
        // A signal ends the wait too.
        outcome.report.interrupted = hooks.interrupted();
        if (outcome.report.interrupted) outcome.report.errors = {Interrupted()};
        break;
      }
      if (outcome.changed || header != journal.header()) {
        auto status = journal.SetHeader(header);
        if (status.ok()) status = journal.Settle();
        if (!status.ok()) {
          outcome.report.errors.push_back(std::move(status).error());
          break;
        }
      }
      return outcome;
    }
    if (round == kRounds || (round > 0 && !plan.conflicts.empty())) {
      outcome.report.errors.push_back(NotConverged(plan));
      break;
    }
    if (round > 0) spdlog::debug("round {}: {}", round + 1, SummarizePlan(plan));
    if (round == 0) before = record;
    if (!journal.exists()) {
      // Without a record the first thing made would be nobody's.
      if (auto status = journal.SetHeader(header); !status.ok()) {
        outcome.report.errors.push_back(std::move(status).error());
        return outcome;
      }
    }
    outcome.changed = true;
    Append(outcome.report, Execute(plan, backend, journal, OnFailure::kStop, hooks));
    if (outcome.report.interrupted) outcome.report.errors.push_back(Interrupted());
    if (!outcome.report.errors.empty()) break;
  }
  if (outcome.changed && after_failure == AfterFailure::kRollBack && observed_before) {
    RollBack(wish, {.record = before, .observed = std::move(*observed_before)}, backend, journal, outcome);
  }
  return outcome;
}

namespace {

/// Folders, files and namespaces, and what is in somebody else's namespace, which can be found as long as it is
/// attached. The rest, on the host, is looked for in the end: its marks do not tell under which id it was recorded.
bool IsToldByOthers(const Resource& resource) {
  const Kind kind = resource.id.kind;
  return kind == Kind::kFolder || kind == Kind::kFile || !NamespaceOf(resource.attributes).empty();
}

enum class Marked { kToldByOthers, kAll };
/// Puts on record what stands under the lab's marks and is not; whether there was anything.
Result<bool> RecordMarked(Marked which, Backend& backend, Journal& journal) {
  bool any = false;
  for (const RecordEntry& entry : TRY(backend.FindMarked())) {
    if (journal.Find(entry.resource.id) != nullptr) continue;
    if (which == Marked::kToldByOthers && !IsToldByOthers(entry.resource)) continue;
    TRY(journal.Begin(entry.resource, entry.former));
    any = true;
  }
  return any;
}

}  // namespace

Outcome TearDown(Backend& backend, Journal& journal, const Hooks& hooks) {
  Outcome outcome;
  const Graph nothing;
  bool is_complete = journal.is_settled();
  if (!is_complete) {
    // Before the first removal: a file is known to be the lab's by the namespace and the links beside it.
    if (auto any = RecordMarked(Marked::kToldByOthers, backend, journal); !any.ok()) {
      outcome.report.errors.push_back(std::move(any).error());
    }
  }
  for (int round = 0; round < kRounds; ++round) {
    const Record& record = journal.record();
    auto observed = backend.Observe(nothing, record);
    if (!observed.ok()) {
      outcome.report.errors.push_back(std::move(observed).error());
      return outcome;
    }
    Plan later_plan;
    Plan& plan = round == 0 ? outcome.first : later_plan;
    plan = MakePlan(nothing, record, *observed, Purpose::kDown);
    if (plan.actions.empty()) {
      if (is_complete) return outcome;
      is_complete = true;
      auto any = RecordMarked(Marked::kAll, backend, journal);
      if (any.ok() && *any) continue;
      if (!any.ok()) outcome.report.errors.push_back(std::move(any).error());
      return outcome;
    }
    outcome.changed = true;
    const std::size_t stood = record.size();
    RunReport report = Execute(plan, backend, journal, OnFailure::kGoOn, hooks);
    // An answer that was lost: the next look tells what became of it.
    if (round + 1 < kRounds && !report.interrupted) std::erase_if(report.errors, OutcomeIsUnknown);
    Append(outcome.report, std::move(report));
    outcome.gone += static_cast<int>(stood - journal.size());
    if (outcome.report.interrupted) outcome.report.errors.push_back(Interrupted());
    if (!outcome.report.ok()) return outcome;
  }
  return outcome;
}

}  // namespace runner
