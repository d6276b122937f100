#include <algorithm>

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

Ending ExecInAll(const Context& context, const LabPlaces& lab, const ExecOptions& options) {
  std::vector<Entrance> entrances;  // keeps the namespaces open
  std::vector<kernel::CapturedCommand> commands;
  for (const RecordedPlace& place : lab.places) {
    if (place.is_switch) continue;
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
  constexpr std::size_t kAtOnce = 64;
  const Interrupts interrupts;
  const std::vector<int> statuses = TRY(kernel::RunCapturedAll(commands, kAtOnce, Interrupts::flag()));
  if (Interrupts::asked()) return static_cast<int>(Failure::kInterrupted);
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
