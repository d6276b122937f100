#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "commands/commands.h"
#include "commands/drift.h"
#include "commands/inside.h"
#include "commands/lab.h"
#include "commands/overrides.h"
#include "commands/record.h"
#include "commands/run.h"
#include "commands/source.h"
#include "commands/table.h"

namespace runner {
namespace {

struct LabStatus {
  std::string lab;
  LabHeader header;
  std::size_t objects = 0;
  std::vector<Drift> drift;
  std::vector<OverrideNote> overrides;
  bool file_changed = false;
  bool holder_gone = false;
  bool is_as_recorded() const { return drift.empty() && !holder_gone; }
};

/// A file that is gone has not changed: `down` needs none.
bool HasFileChanged(const LabHeader& header) {
  if (header.file == "-" || header.file.empty()) return false;
  const auto source = ReadSource(header.file);
  return source.ok() && source->digest != header.digest;
}

Result<LabStatus> Look(const Context& context, const std::string& lab) {
  const Journal journal = TRY(OpenRecord(context, lab, Access::kLook));
  const Record& record = journal.record();
  return LabStatus{.lab = lab,
                   .header = journal.header(),
                   .objects = record.size(),
                   .drift = TRY(DriftOf(context, lab, record)),
                   .overrides = OverridesIn(record),
                   .file_changed = HasFileChanged(journal.header())};
}

Json ToJson(const LabStatus& status) {
  Json drift = Json::array();
  for (const Drift& one : status.drift) drift.push_back(DriftJson(one));
  Json overrides = Json::array();
  for (const OverrideNote& note : status.overrides) overrides.push_back(note.json);
  return {{"lab", status.lab},
          {"file", status.header.file},
          {"since", status.header.since},
          {"objects", status.objects},
          {"as_recorded", status.is_as_recorded()},
          {"file_changed", status.file_changed},
          {"holder_gone", status.holder_gone},
          {"drift", std::move(drift)},
          {"overrides", std::move(overrides)}};
}

void PrintText(const Context& context, const LabStatus& status) {
  *context.out << status.lab << ": "
               << (status.is_as_recorded() ? "as recorded (" + Counted(status.objects, "object") + ")"
                                           : Counted(status.drift.size() + (status.holder_gone ? 1 : 0), "difference"))
               << (status.overrides.empty() ? "" : ", " + Counted(status.overrides.size(), "override")) << "\n";
  std::vector<std::vector<std::string>> rows;
  if (status.holder_gone) rows.push_back(HolderGoneRow());
  for (const Drift& drift : status.drift) rows.push_back(DriftRow(drift));
  for (const OverrideNote& note : status.overrides) rows.push_back(note.Row());
  *context.out << Table(rows);
  if (status.file_changed) {
    Say(context, fmt::format("note: {} has changed since {} came up; `toporun plan {}` shows what `up` would do",
                             Quote(status.header.file), status.lab, status.lab));
  }
}

Result<std::vector<std::string>, Errors> LabsMeant(const Context& context, const std::string& word) {
  if (word.empty()) return context.state.Labs();
  std::string lab = TRY(FindLabThatIsUp(context, word));
  return std::vector<std::string>{std::move(lab)};
}

Result<Json, Errors> StatusOf(const Context& context, const std::string& lab, bool heal) {
  const ChangingRun run(context);
  std::optional<LabLock> lock;
  if (heal) {
    auto taken = run.TakeLock(lab);
    if (!taken.ok()) return Errors{std::move(taken).error()};
    lock = std::move(*taken);
  }
  const auto ground = HasGround(context, lab);
  if (!ground.ok()) return Errors{ground.error()};
  const Entry entry = heal ? Entry::kUp : Entry::kLook;
  return AskInLab(context, lab, entry, [&](const Context& inside) -> Result<Json, Errors> {
    if (heal) {
      if (Errors errors = Heal(inside, lab); !errors.empty()) return errors;
    }
    auto status = Look(inside, lab);
    if (!status.ok()) return Errors{std::move(status).error()};
    status->holder_gone = !*ground && !heal;
    if (!inside.json()) PrintText(inside, *status);
    return ToJson(*status);
  });
}

}  // namespace

Ending ShowStatus(const Context& context, const StatusOptions& options) {
  TRY(CheckPrivilege(context));
  const std::vector<std::string> labs = TRY(LabsMeant(context, options.lab));
  if (labs.empty()) Say(context, "no lab is up");
  bool differs = false;
  Json json = Json::array();
  for (const std::string& lab : labs) {
    const Json status = TRY(StatusOf(context, lab, options.heal));
    differs = differs || !status["as_recorded"].get<bool>();
    json.push_back(status);
  }
  if (context.json()) PrintJson(context, {{"labs", std::move(json)}});
  return differs ? kExitDiffers : kExitDone;
}

}  // namespace runner
