#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "commands/commands.h"
#include "commands/ground.h"
#include "commands/inside.h"
#include "commands/lab.h"
#include "commands/record.h"
#include "commands/run.h"
#include "commands/wish.h"

namespace runner {
namespace {

struct Finished {
  Outcome outcome;
  std::string tally;
};

/// With the lab's lock held.
Result<Finished, Errors> BringUp(const Context& context, const WantedLab& wanted, AfterFailure after_failure) {
  ChangingRun run(context);
  auto journal = OpenRecord(context, wanted.topology.name, Access::kWrite);
  if (!journal.ok()) return Errors{std::move(journal).error()};
  const bool was_up = journal->exists() && journal->is_settled();
  const Wish wish = TRY(MakeWish(context, wanted, *journal, NewKeys::kMade));
  PrintWarnings(context, WithExcerpts(wish.warnings, wanted.source));
  auto backend = run.OpenBackend(wanted.topology.name);
  if (!backend.ok()) return Errors{std::move(backend).error()};
  Outcome outcome = Converge(wish.graph, Purpose::kUp, **backend, *journal, wish.header, after_failure, run.hooks());
  run.EndProgress();
  if (!outcome.report.ok() && !was_up && journal->exists() && journal->size() == 0) {
    // Nothing is left of the first try, or of one that was killed, nor shall its record be.
    if (Status removed = journal->Remove(); !removed.ok()) outcome.roll_back.push_back(std::move(removed).error());
  }
  return Finished{.outcome = std::move(outcome), .tally = run.tally()};
}

void TellResult(const Context& context, const std::string& lab, const Finished& finished,
                std::chrono::steady_clock::duration took) {
  if (finished.outcome.changed) {
    Say(context,
        fmt::format("{} is up: {} ({})", lab, finished.tally.empty() ? "recorded" : finished.tally, Seconds(took)));
  } else {
    Say(context, lab + " is up to date: nothing to do");
  }
  if (!context.json()) return;
  Json json = {{"lab", lab}, {"changed", finished.outcome.changed}};
  json.update(PlanJson(finished.outcome.first));
  json["seconds"] = std::chrono::duration<double>(took).count();
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
  TRY(CheckGround(context, wanted));
  const std::string& lab = wanted.topology.name;
  const ChangingRun run(context);
  LabLock lock = TRY(run.TakeLock(lab));
  Ending ending = InLab(context, lab, Entry::kUp, [&](const Context& inside) -> Ending {
    auto finished = BringUp(inside, wanted, options.keep ? AfterFailure::kKeep : AfterFailure::kRollBack);
    if (!finished.ok()) return WithExcerpts(std::move(finished).error(), wanted.source);
    PrintWarnings(inside, WithExcerpts(finished->outcome.first.notes, wanted.source));
    if (!finished->outcome.report.ok()) return Failures(lab, finished->outcome, wanted.source);
    TellResult(inside, lab, *finished, run.elapsed());
    return kExitDone;
  });
  Status left = lock.LeaveIfEmpty();
  if (ending.errors().empty()) TRY(std::move(left));
  return ending;
}

}  // namespace runner
