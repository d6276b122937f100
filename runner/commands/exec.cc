#include <sys/resource.h>

#include <algorithm>
#include <map>
#include <span>

#include <fmt/format.h>

#include "base/text.h"
#include "commands/commands.h"
#include "commands/interrupts.h"
#include "commands/place.h"

namespace runner {
namespace {

void Describe(const ExecOptions& options, const std::string& lab, const std::string& node, kernel::EnterSpec& spec) {
  spec.environment.emplace_back("TOPORUN_LAB", lab);
  spec.environment.emplace_back("TOPORUN_NODE", node);
  spec.environment.insert(spec.environment.end(), options.environment.begin(), options.environment.end());
  spec.working_dir = options.working_dir;
  spec.user = options.user;
  spec.argv = options.command;
  spec.timeout = options.timeout;
}

Ending NoSuchPlace(Errors errors) { return {kExitNoSuchPlace, std::move(errors)}; }

/// How many commands may run side by side: each holds its node, two pipes and itself open.
std::size_t AtOnce() {
  constexpr rlim_t kMost = 64;
  constexpr rlim_t kEach = 4;
  constexpr rlim_t kOthers = 16;
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return 1;
  return std::clamp<rlim_t>((std::max(files.rlim_cur, kOthers) - kOthers) / kEach, 1, kMost);
}

/// The commands' statuses are added.
Ending ExecInSome(const Context& context, const LabPlaces& lab, std::span<const RecordedPlace> places,
                  const ExecOptions& options, std::vector<int>& statuses) {
  std::vector<Entrance> entrances;  // keeps the namespaces open
  std::vector<kernel::CapturedCommand> commands;
  for (const RecordedPlace& place : places) {
    auto entrance = OpenEntrance(context, lab, place.node);
    if (!entrance.ok()) return NoSuchPlace({std::move(entrance).error()});
    Describe(options, lab.lab, place.node, entrance->spec);
    auto sink = [&context, node = place.node](kernel::Stream stream, std::string_view line) {
      std::ostream& to = stream == kernel::Stream::kOutput ? *context.out : *context.err;
      to << node << " | " << line << std::endl;
    };
    commands.push_back({.spec = entrance->spec, .sink = std::move(sink)});
    entrances.push_back(std::move(*entrance));
  }
  const std::vector<int> more = TRY(kernel::RunCapturedAll(commands, commands.size(), Interrupts::flag()));
  statuses.insert(statuses.end(), more.begin(), more.end());
  return kExitDone;
}

/// Who failed, status by status; nothing when nobody did.
void TellStatuses(const Context& context, const std::vector<RecordedPlace>& places, const std::vector<int>& statuses) {
  constexpr std::size_t kMostNames = 8;
  std::map<int, std::vector<std::string>> nodes;
  for (std::size_t i = 0; i < statuses.size(); ++i) nodes[statuses[i]].push_back(places[i].node);
  for (auto& [status, names] : nodes) {
    if (status == 0) continue;
    std::string more;
    if (names.size() > kMostNames) more = fmt::format(" and {} more", names.size() - kMostNames);
    names.resize(std::min(names.size(), kMostNames));
    Say(context, fmt::format("exit status {}: {}{}", status, Join(names, ", "), more));
  }
  const std::size_t failed = statuses.size() - nodes[0].size();
  if (failed > 0) Say(context, fmt::format("{} of {} failed", failed, Counted(statuses.size(), "node")));
}

Ending ExecInAll(const Context& context, const LabPlaces& lab, const ExecOptions& options) {
  std::vector<RecordedPlace> places = lab.places;
  std::erase_if(places, [](const RecordedPlace& place) { return place.is_switch; });
  const Interrupts interrupts;
  std::vector<int> statuses;
  std::span<const RecordedPlace> left = places;
  while (!left.empty() && !Interrupts::asked()) {
    const auto some = left.first(std::min(left.size(), AtOnce()));
    if (Ending ending = ExecInSome(context, lab, some, options, statuses); !ending.errors().empty()) return ending;
    left = left.subspan(some.size());
  }
  if (Interrupts::asked()) return static_cast<int>(Failure::kInterrupted);
  TellStatuses(context, places, statuses);
  return statuses.empty() ? kExitDone : std::ranges::max(statuses);
}

}  // namespace

Ending Exec(const Context& context, const ExecOptions& options) {
  if (Status privilege = CheckPrivilege(context); !privilege.ok()) return NoSuchPlace({std::move(privilege).error()});
  auto lab = FindPlaces(context, options.lab);
  if (!lab.ok()) return NoSuchPlace(std::move(lab).error());
  return InPlaces(context, *lab, [&](const Context& inside) -> Ending {
    if (options.all) return ExecInAll(inside, *lab, options);
    auto entrance = OpenEntrance(inside, *lab, options.node);
    if (!entrance.ok()) return NoSuchPlace({std::move(entrance).error()});
    Describe(options, lab->lab, options.node, entrance->spec);
    auto status = kernel::RunIn(entrance->spec);
    if (!status.ok()) return NoSuchPlace({std::move(status).error()});
    return *status;
  });
}

}  // namespace runner
