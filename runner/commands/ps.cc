#include <map>

#include "base/json.h"
#include "commands/commands.h"
#include "commands/inside.h"
#include "commands/inspect.h"
#include "commands/place.h"
#include "commands/table.h"

namespace runner {
namespace {

using Life = process::KeeperState::Life;

/// A keeper, and the numbers of what runs in its care.
struct Kept {
  process::KeeperState state = {};
  std::map<int, pid_t> numbers = {};
};

Kept AskKeeper(const Context& context, const std::string& lab, const std::string& node) {
  Kept kept{.state = process::ReadKeeper(lab, context.state.LabFolder(lab), node), .numbers = {}};
  if (kept.state.life == Life::kServing) kept.numbers = process::NumbersIn(kept.state.keeper);
  return kept;
}

std::string HealthText(const ProcessView& view) {
  const std::string health = view.state ? process::NameOf(view.state->health) : "";
  return health.empty() ? "-" : health;
}

Ending Show(const Context& context, const LabPlaces& places) {
  const Journal journal = TRY(Journal::Open(context.state.JournalPath(places.lab)));
  const auto processes = ReadProcesses(context, places.lab, journal.record());
  if (context.json()) {
    Json list = Json::array();
    for (const ProcessView& view : processes) list.push_back(ProcessJson(view));
    PrintJson(context, {{"lab", places.lab}, {"processes", std::move(list)}});
  } else if (processes.empty()) {
    Say(context, places.lab + " has no declared process");
  } else {
    *context.out << Table(ProcessRows(processes));
  }
  return kExitDone;
}

}  // namespace

std::vector<ProcessView> ReadProcesses(const Context& context, const std::string& lab, const Record& record) {
  std::map<std::string, Kept> keepers;
  std::vector<ProcessView> views;
  for (const RecordEntry& entry : record) {
    const auto* process = std::get_if<ProcessAttributes>(&entry.resource.attributes);
    if (process == nullptr) continue;
    if (!keepers.contains(process->node)) keepers[process->node] = AskKeeper(context, lab, process->node);
    const Kept& kept = keepers[process->node];
    ProcessView view{.node = process->node, .name = process->name, .state = {}, .pid = {}};
    if (const process::ProcessState* state = kept.state.Find(process->name)) {
      view.state = *state;
      const auto number = kept.numbers.find(state->pid);
      if (state->pid != 0 && number != kept.numbers.end()) view.pid = number->second;
    }
    views.push_back(std::move(view));
  }
  return views;
}

std::string PhaseText(const ProcessView& view) {
  if (!view.state) return "gone";
  std::string text = process::NameOf(view.state->phase);
  const bool is_over = view.state->phase == process::Phase::kFailed || view.state->phase == process::Phase::kWaiting;
  if (is_over && view.state->exit_status) text += " (" + process::Describe(*view.state) + ")";
  return text;
}

Json ProcessJson(const ProcessView& view) {
  Json json = {{"node", view.node},
               {"process", view.name},
               {"state", view.state ? process::NameOf(view.state->phase) : "gone"},
               {"pid", view.pid ? Json(*view.pid) : Json()},
               {"pid_in_node", view.pid ? Json(view.state->pid) : Json()},
               {"health", Json()},
               {"exit_status", Json()},
               {"restarts", view.state ? view.state->restarts : 0},
               {"since", view.state ? Json(view.state->since) : Json()}};
  if (!view.state) return json;
  if (view.state->health != process::Health::kNone) json["health"] = process::NameOf(view.state->health);
  if (view.state->exit_status) json["exit_status"] = *view.state->exit_status;
  return json;
}

std::vector<std::vector<std::string>> ProcessRows(const std::vector<ProcessView>& processes) {
  std::vector<std::vector<std::string>> rows = {{"NODE", "PROCESS", "STATE", "PID", "HEALTH", "RESTARTS", "SINCE"}};
  for (const ProcessView& view : processes) {
    rows.push_back({view.node, view.name, PhaseText(view), view.pid ? std::to_string(*view.pid) : "-", HealthText(view),
                    view.state ? std::to_string(view.state->restarts) : "-", view.state ? view.state->since : "-"});
  }
  return rows;
}

Ending ShowProcesses(const Context& context, const std::string& lab) {
  TRY(CheckPrivilege(context));
  const LabPlaces places = TRY(FindPlaces(context, lab));
  return InLab(context, places.lab, Entry::kLook, [&](const Context& inside) { return Show(inside, places); });
}

}  // namespace runner
