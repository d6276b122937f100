// `pids` and `identify`: which processes are in a node, and in which node a process is.
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "commands/commands.h"
#include "commands/inside.h"
#include "commands/lab.h"
#include "commands/place.h"
#include "commands/table.h"
#include "kernel/process.h"

namespace runner {
namespace {

Result<kernel::NamespaceInode> InodeOf(const Context& context, const RecordedPlace& place) {
  const Namespace ns = TRY(Namespace::OpenPath(NamespacePath(context, place)).Wrap("node " + Quote(place.node)));
  return kernel::ReadNamespaceInode(ns.fd());
}

/// All places of the lab, or the one that is named.
Result<std::vector<RecordedPlace>> PlacesMeant(const LabPlaces& lab, const std::string& node) {
  if (node.empty()) return lab.places;
  return std::vector<RecordedPlace>{TRY(FindPlace(lab.places, lab.lab, node))};
}

struct Home {
  std::string lab;
  std::string node;
};

/// The node whose namespace it is; one that cannot be opened is nobody's home.
std::optional<Home> FindHome(const Context& context, const kernel::NamespaceInode& ns) {
  for (const auto& [lab, header] : LabsThatAreUp(context.state)) {
    const auto journal = Journal::Open(context.state.JournalPath(lab));
    if (!journal.ok()) continue;
    const auto node = AskInLab(context, lab, Entry::kUse, [&](const Context& inside) -> Result<Json, Errors> {
      for (const RecordedPlace& place : PlacesOf(journal->record())) {
        const auto inode = InodeOf(inside, place);
        if (inode.ok() && *inode == ns) return Json(place.node);
      }
      return Json();
    });
    if (node.ok() && node->is_string()) return Home{.lab = lab, .node = node->get<std::string>()};
  }
  return std::nullopt;
}

Ending PrintProcesses(const Context& context, const LabPlaces& places, const std::string& node) {
  std::vector<std::vector<std::string>> rows = {{"NODE", "PID", "COMMAND"}};
  Json json = Json::array();
  auto processes = kernel::FindProcessesByNamespace();
  for (const RecordedPlace& place : TRY(PlacesMeant(places, node))) {
    for (const kernel::ProcessInfo& process : processes[TRY(InodeOf(context, place))]) {
      const std::string& command = process.command_line.empty() ? process.comm : process.command_line;
      rows.push_back({place.node, std::to_string(process.identity.pid), command});
      json.push_back({{"node", place.node}, {"pid", process.identity.pid}, {"command", command}});
    }
  }
  if (context.json()) {
    PrintJson(context, {{"lab", places.lab}, {"processes", std::move(json)}});
  } else {
    *context.out << Table(rows);
  }
  return kExitDone;
}

}  // namespace

Ending ListProcesses(const Context& context, const std::string& lab, const std::string& node) {
  TRY(CheckPrivilege(context));
  const LabPlaces places = TRY(FindPlaces(context, lab));
  return InLab(context, places.lab, Entry::kUse,
               [&](const Context& inside) { return PrintProcesses(inside, places, node); });
}

Ending Identify(const Context& context, std::optional<int> pid) {
  const pid_t process = pid.value_or(getpid());
  const auto ns = kernel::IdentifyProcess(process);
  if (!ns.ok() && ns.error().code == ENOENT) return Fail(fmt::format("there is no process {}", process));
  if (!ns.ok()) return ns.error();
  const auto home = FindHome(context, *ns);
  if (context.json()) {
    PrintJson(context,
              {{"pid", process}, {"lab", home ? Json(home->lab) : Json()}, {"node", home ? Json(home->node) : Json()}});
    return home ? kExitDone : kExitFailed;
  }
  if (!home) return Fail(fmt::format("process {} is in no node of a lab that is up", process));
  *context.out << home->lab << " " << home->node << "\n";
  return kExitDone;
}

}  // namespace runner
