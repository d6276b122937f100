#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "commands/commands.h"
#include "commands/lab.h"
#include "commands/record.h"
#include "commands/run.h"
#include "commands/wish.h"

namespace runner {
namespace {

struct Finished {
  Outcome outcome;
  std::string tally;
  std::chrono::steady_clock::duration took{};
};

/// With the lab's lock held.
Result<Finished, Errors> BringUp(const Context& context, ChangingRun& run, const WantedLab& wanted,
                                 AfterFailure after_failure) {
  auto journal = OpenRecord(context, wanted.topology.name, Access::kWrite);
  if (!journal.ok()) return Errors{std::move(journal).error()};
  const bool was_up = journal->exists();
  const Wish wish = TRY(MakeWish(context, wanted, *journal));
  auto backend = run.OpenBackend(wanted.topology.name);
  if (!backend.ok()) return Errors{std::move(backend).error()};
  Outcome outcome = Converge(wish.graph, Purpose::kUp, **backend, *journal, wish.header, after_failure, run.hooks());
  run.EndProgress();
  if (!outcome.report.ok() && !was_up && journal->exists() && journal->record().empty()) {
    // Nothing is left of the first try, nor shall its record be.
    if (Status removed = journal->Remove(); !removed.ok()) outcome.roll_back.push_back(std::move(removed).error());
  }
  return Finished{.outcome = std::move(outcome), .tally = run.tally(), .took = run.elapsed()};
}

void TellResult(const Context& context, const std::string& lab, const Finished& finished) {
  if (finished.outcome.changed) {
    Say(context, fmt::format("{} is up: {} ({})", lab, finished.tally.empty() ? "recorded" : finished.tally,
                             Seconds(finished.took)));
  } else {
    Say(context, lab + " is up to date: nothing to do");
  }
  if (!context.json()) return;
  Json json = {{"lab", lab}, {"changed", finished.outcome.changed}};
  json.update(PlanJson(finished.outcome.first));
  json["seconds"] = std::chrono::duration<double>(finished.took).count();
  PrintJson(context, json);
}

/// What a failed run leaves behind.
std::string WhatStays(const std::string& lab, const Outcome& outcome) {
  if (!outcome.rolled_back) return "what was done stays; `toporun down " + lab + "` removes it";
  if (outcome.roll_back.empty()) return "what was done is undone";
  return "not all that was done could be undone; `toporun down " + lab + "` removes what is left";
}

Errors Failures(const std::string& lab, const Outcome& outcome, const Source& source) {
  Errors errors = WithExcerpts(ErrorsOf(outcome), source);
  if (outcome.changed && !errors.empty()) errors.back().notes.push_back({.at = {}, .text = WhatStays(lab, outcome)});
  return errors;
}

}  // namespace

Ending Up(const Context& context, const UpOptions& options) {
  TRY(CheckPrivilege(context));
  const WantedLab wanted = TRY(ReadWantedLab(context, options.lab));
  PrintWarnings(context, wanted.warnings);
  const std::string& lab = wanted.topology.name;
  ChangingRun run(context);
  LabLock lock = TRY(run.TakeLock(lab));
  auto finished = BringUp(context, run, wanted, options.keep ? AfterFailure::kKeep : AfterFailure::kRollBack);
  Status left = lock.LeaveIfEmpty();
  if (!finished.ok()) return WithExcerpts(std::move(finished).error(), wanted.source);
  PrintWarnings(context, WithExcerpts(finished->outcome.first.notes, wanted.source));
  if (!finished->outcome.report.ok()) return Failures(lab, finished->outcome, wanted.source);
  TRY(std::move(left));
  TellResult(context, lab, *finished);
  return kExitDone;
}

}  // namespace runner
