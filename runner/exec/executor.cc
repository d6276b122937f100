#include "exec/executor.h"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <unordered_set>

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
    if (Status status = journal_.Flush(); !status.ok()) report_.errors.push_back(std::move(status).error());
    return std::move(report_);
  }

 private:
  /// A removal that failed keeps in place what its object stands on; a creation that failed, what would stand on it.
  void Fail(const Action& action) {
    if (action.verb == Verb::kRemove) {
      for (const DependsOn& on : action.resource.dependencies) blocked_.insert(on.id);
    } else {
      failed_.insert(action.resource.id);
    }
  }
  bool StandsOnFailure(const Action& action) const {
    if (action.verb == Verb::kRemove) return blocked_.contains(action.resource.id);
    for (const DependsOn& on : action.resource.dependencies) {
      if (failed_.contains(on.id)) return true;
    }
    return false;
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
      return journal_.Gone(id);
    }
    TRY(journal_.Begin(action.resource, FormerOf(action)));
    auto made = backend_.Apply(action);
    if (made.ok()) return journal_.Made(id, *made);
    // It is not there: the record must not say so, unless nobody knows.
    const bool was_there = action.before.has_value() && !action.replaces;
    if (!was_there && !OutcomeIsUnknown(made.error()) && !Traits(id.kind).is_setting && id.kind != Kind::kExec) {
      TRY(journal_.Gone(id));
    }
    return std::move(made).error();
  }

  /// What a setting was before the lab first touched it.
  std::optional<Attributes> FormerOf(const Action& action) {
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
  RunReport report_;
};

void Append(RunReport& all, RunReport more) {
  all.done += more.done;
  all.interrupted = all.interrupted || more.interrupted;
  for (Error& error : more.errors) all.errors.push_back(std::move(error));
  for (ResourceId& id : more.skipped) all.skipped.push_back(std::move(id));
}

/// The record as a wish: each object as it stood when the run began; what had drifted away is not asked for.
std::vector<Resource> StateBefore(const Record& record, const Observation& observed) {
  std::vector<Resource> resources;
  for (const RecordEntry& entry : record) {
    const auto seen = observed.find(entry.resource.id);
    if (entry.resource.id.kind == Kind::kExec) {
      resources.push_back(entry.resource);
      continue;
    }
    if (seen == observed.end() || seen->second.owner == Observed::Owner::kForeign) continue;
    resources.push_back(entry.resource);
  }
  return resources;
}

/// Undoes a run: the wish is what stood before it. Commands that ran are not run backwards.
void RollBack(const Record& before, const Observation& observed_before, Backend& backend, Journal& journal,
              Outcome& outcome) {
  outcome.rolled_back = true;
  auto wish = Graph::Make(StateBefore(before, observed_before));
  if (!wish.ok()) {
    outcome.roll_back.push_back(std::move(wish).error());
    return;
  }
  const Hooks silent;  // Not to be interrupted: half an undo helps nobody.
  for (int round = 0; round < kRounds; ++round) {
    const Record record = journal.record();
    auto observed = backend.Observe(*wish, record);
    if (!observed.ok()) {
      outcome.roll_back.push_back(std::move(observed).error());
      return;
    }
    const Plan plan = MakePlan(*wish, record, *observed, Purpose::kRollBack);
    if (plan.actions.empty()) break;
    RunReport report = Execute(plan, backend, journal, OnFailure::kGoOn, silent);
    if (!report.errors.empty()) {
      outcome.roll_back = std::move(report.errors);
      return;
    }
  }
  // What had drifted away before the run is away again, and still the lab's.
  for (const RecordEntry& entry : before) {
    if (journal.Find(entry.resource.id) != nullptr) continue;
    Status status = journal.Begin(entry.resource, entry.former);
    if (status.ok()) status = journal.Made(entry.resource.id, entry.resource.attributes);
    if (!status.ok()) outcome.roll_back.push_back(std::move(status).error());
  }
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

Error Interrupted() {
  Error error = runner::Fail("interrupted");
  error.failure = Failure::kInterrupted;
  return error;
}

}  // namespace

RunReport Execute(const Plan& plan, Backend& backend, Journal& journal, OnFailure on_failure, const Hooks& hooks) {
  return Run(backend, journal, on_failure, hooks).Do(plan);
}

Outcome Converge(const Graph& wish, Purpose purpose, Backend& backend, Journal& journal, const LabHeader& header,
                 AfterFailure after_failure, const Hooks& hooks) {
  Outcome outcome;
  const Record before = journal.record();
  const LabHeader header_before = journal.header();
  std::optional<Observation> observed_before;
  for (int round = 0;; ++round) {
    const Record record = round == 0 ? before : journal.record();
    auto observed = backend.Observe(wish, record);
    if (!observed.ok()) {
      outcome.report.errors.push_back(std::move(observed).error());
      break;
    }
    Plan plan = MakePlan(wish, record, *observed, purpose);
    if (round == 0) {
      outcome.first = plan;
      observed_before = std::move(*observed);
      outcome.report.errors = plan.conflicts;
      if (outcome.report.errors.empty()) outcome.report.errors = backend.Check(plan);
      // Nothing was touched yet, nothing is to be undone.
      if (!outcome.report.errors.empty()) return outcome;
    }
    if (plan.actions.empty()) {
      if (outcome.changed || header != journal.header()) {
        if (auto status = journal.SetHeader(header); !status.ok()) outcome.report.errors.push_back(status.error());
      }
      return outcome;
    }
    if (round == kRounds || (round > 0 && !plan.conflicts.empty())) {
      outcome.report.errors.push_back(NotConverged(plan));
      break;
    }
    if (round > 0) spdlog::debug("round {}: {}", round + 1, SummarizePlan(plan));
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
    RollBack(before, *observed_before, backend, journal, outcome);
  }
  return outcome;
}

Outcome TearDown(Backend& backend, Journal& journal, const Hooks& hooks) {
  Outcome outcome;
  const Graph nothing;
  for (int round = 0; round < kRounds; ++round) {
    const Record record = journal.record();
    auto observed = backend.Observe(nothing, record);
    if (!observed.ok()) {
      outcome.report.errors.push_back(std::move(observed).error());
      return outcome;
    }
    Plan plan = MakePlan(nothing, record, *observed, Purpose::kDown);
    if (round == 0) outcome.first = plan;
    if (plan.actions.empty()) return outcome;
    outcome.changed = true;
    Append(outcome.report, Execute(plan, backend, journal, OnFailure::kGoOn, hooks));
    if (outcome.report.interrupted) outcome.report.errors.push_back(Interrupted());
    if (!outcome.report.ok()) return outcome;
  }
  return outcome;
}

}  // namespace runner
