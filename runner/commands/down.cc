#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "commands/commands.h"
#include "commands/inside.h"
#include "commands/lab.h"
#include "commands/record.h"
#include "commands/run.h"
#include "exec/marked.h"
#include "kernel/boot.h"

namespace runner {
namespace {

Error WhatIsLeft(const std::string& lab, const Record& record) {
  Error error = Fail(Counted(record.size(), "object") + " left; `toporun down " + lab + "` tries again");
  error.where = "lab " + Quote(lab);
  for (const RecordEntry& entry : record)
    error.notes.push_back({.at = {}, .text = "left: " + entry.resource.id.text()});
  return error;
}

/// The lab's record, or a new one in place of what is lost or cannot be read: then marks have to tell all.
Result<Journal> OpenOrReplaceRecord(const Context& context, const std::string& lab) {
  auto journal = OpenRecord(context, lab, Access::kWrite);
  if (!journal.ok() && journal.error().failure == Failure::kConflict) return journal;
  if (journal.ok() && journal->exists()) return journal;
  if (!journal.ok()) Say(context, "warning: " + journal.error().text());
  Say(context, "warning: lab " + Quote(lab) +
                   ": without its record it is found by its marks; settings that it changed on the host or in attached "
                   "namespaces keep their values");
  Journal fresh = Journal::InPlaceOf(context.state.JournalPath(lab));
  LabHeader header;
  header.lab = lab;
  header.boot_id = TRY(BootId());
  header.host_namespace = TRY(HostNamespaceId());
  header.is_rootless = context.ground == Ground::kHolder;
  TRY(fresh.SetHeader(header));
  return fresh;
}

/// With the lab's lock held.
Errors TakeDown(const Context& context, const std::string& lab) {
  ChangingRun run(context);
  auto journal = OpenOrReplaceRecord(context, lab);
  if (!journal.ok()) return {std::move(journal).error()};
  auto backend = run.OpenBackend(lab);
  if (!backend.ok()) return {std::move(backend).error()};
  const Outcome outcome = TearDown(**backend, *journal, run.hooks());
  run.EndProgress();
  const auto before = static_cast<std::size_t>(outcome.gone);
  Errors errors = ErrorsOf(outcome);
  if (const Record& left = journal->record(); !left.empty()) {
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
  Errors errors = InLab(context, lab, Entry::kDown, [&lab](const Context& inside) -> Ending {
                    Errors failures = TakeDown(inside, lab);
                    if (failures.empty()) return kExitDone;
                    return failures;
                  }).errors();
  if (Status left = lock->LeaveIfEmpty(); !left.ok()) errors.push_back(std::move(left).error());
  return errors;
}

/// Whether anything of a lab without a record stands. What a rootless lab made goes with its holder.
Result<bool> IsMarked(const Context& context, const std::string& lab) {
  if (context.ground == Ground::kHolder) return false;
  auto backend = TRY(OpenLinuxBackend(context.backend_options(lab)));
  return !TRY(backend->FindMarked()).empty();
}

/// A run that was killed before its first change, or after its last, leaves a folder without a record, and perhaps a
/// holder.
Status ClearFolder(const Context& context, const std::string& lab) {
  const bool has_holder = context.ground == Ground::kHolder && TRY(HasGround(context, lab));
  if (!has_holder && access(context.state.LabFolder(lab).c_str(), F_OK) != 0) {
    RemoveRootIfEmpty(context.state);
    return {};
  }
  LabLock lock = TRY(LabLock::Take(context.state, lab, std::chrono::milliseconds(0)));
  TRY(EndStrayHolder(context, lab));
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
    if (!lab.is_up && !TRY(IsMarked(context, lab.name))) {
      TRY(ClearFolder(context, lab.name));
      Say(context, "lab " + Quote(lab.name) + " is not up: nothing to do");
      return Finish(context, {}, {});
    }
    return Finish(context, {lab.name}, DownOne(context, lab.name));
  }
  std::vector<std::string> labs = context.state.Labs();
  if (context.ground == Ground::kMachine) {
    for (const std::string& lab : TRY(FindMarkedLabs({.path = context.namespace_directory}))) {
      if (std::ranges::find(labs, lab) == labs.end()) labs.push_back(lab);
    }
  }
  for (const std::string& folder : context.state.Folders()) {
    if (std::ranges::find(labs, folder) == labs.end()) TRY(ClearFolder(context, folder));
  }
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
