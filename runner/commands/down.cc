#include <unistd.h>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "commands/commands.h"
#include "commands/lab.h"
#include "commands/record.h"
#include "commands/run.h"

namespace runner {
namespace {

Error WhatIsLeft(const std::string& lab, const Record& record) {
  Error error = Fail(Counted(record.size(), "object") + " left; `toporun down " + lab + "` tries again");
  error.where = "lab " + Quote(lab);
  for (const RecordEntry& entry : record)
    error.notes.push_back({.at = {}, .text = "left: " + entry.resource.id.text()});
  return error;
}

/// With the lab's lock held.
Errors TakeDown(const Context& context, ChangingRun& run, const std::string& lab) {
  auto journal = OpenRecord(context, lab, Access::kWrite);
  if (!journal.ok()) return {std::move(journal).error()};
  const std::size_t before = journal->record().size();
  auto backend = run.OpenBackend(lab);
  if (!backend.ok()) return {std::move(backend).error()};
  const Outcome outcome = TearDown(**backend, *journal, run.hooks());
  run.EndProgress();
  Errors errors = ErrorsOf(outcome);
  if (const Record left = journal->record(); !left.empty()) {
    errors.push_back(WhatIsLeft(lab, left));
    return errors;
  }
  if (Status removed = journal->Remove(); !removed.ok()) errors.push_back(std::move(removed).error());
  if (errors.empty()) {
    Say(context, fmt::format("{} is down: {} removed ({})", lab, Counted(before, "object"), Seconds(run.elapsed())));
  }
  return errors;
}

Errors DownOne(const Context& context, const std::string& lab) {
  ChangingRun run(context);
  auto lock = run.TakeLock(lab);
  if (!lock.ok()) return {std::move(lock).error()};
  Errors errors = TakeDown(context, run, lab);
  if (Status left = lock->LeaveIfEmpty(); !left.ok()) errors.push_back(std::move(left).error());
  return errors;
}

/// A run that was killed before its first change leaves a folder without a record.
Status ClearFolder(const Context& context, const std::string& lab) {
  if (access(context.state.LabFolder(lab).c_str(), F_OK) != 0) return {};
  LabLock lock = TRY(LabLock::Take(context.state, lab, std::chrono::milliseconds(0)));
  return lock.LeaveIfEmpty();
}

Ending Finish(const Context& context, const std::vector<std::string>& labs, Errors errors) {
  if (!errors.empty()) return errors;
  if (context.json()) PrintJson(context, Json{{"down", labs}});
  return kExitDone;
}

}  // namespace

Ending Down(const Context& context, const DownOptions& options) {
  TRY(CheckPrivilege(context));
  if (!options.all) {
    const LabName lab = TRY(FindLab(context, options.lab));
    if (!lab.is_up) {
      TRY(ClearFolder(context, lab.name));
      Say(context, "lab " + Quote(lab.name) + " is not up: nothing to do");
      return Finish(context, {}, {});
    }
    return Finish(context, {lab.name}, DownOne(context, lab.name));
  }
  const std::vector<std::string> labs = context.state.Labs();
  if (labs.empty()) Say(context, "no lab is up: nothing to do");
  Errors errors;
  for (const std::string& lab : labs) {
    Errors more = DownOne(context, lab);
    const bool interrupted = Ending::StatusOf(more) == static_cast<int>(Failure::kInterrupted);
    std::move(more.begin(), more.end(), std::back_inserter(errors));
    if (interrupted) break;
  }
  return Finish(context, labs, std::move(errors));
}

}  // namespace runner
