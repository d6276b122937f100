#include "base/json.h"
#include "commands/commands.h"
#include "commands/declared.h"
#include "commands/inside.h"
#include "commands/lab.h"
#include "commands/record.h"
#include "commands/run.h"
#include "exec/process_wait.h"
#include "exec/translate_process.h"

namespace runner {
namespace {

Status RestartOne(const Context& context, const std::string& lab, const ProcessAttributes& process) {
  const process::Target target = {
      .state_folder = context.state.LabFolder(lab), .node = process.node, .process = process.name};
  TRY(process::StartProcess(target.state_folder, target.node, ProcessSpecFrom(process)));
  TRY(WaitUntilBegun(target, Interrupts::flag()));
  if (!process.healthcheck) return {};
  return WaitUntilHealthy(target, Freshness::kJustStarted, Interrupts::flag());
}

Ending RestartAll(const Context& context, const std::string& lab, const std::string& word) {
  const Journal journal = TRY(OpenRecord(context, lab, Access::kLook));
  const auto processes = TRY(FindDeclared(journal.record(), lab, word));
  Json names = Json::array();
  for (const ProcessAttributes& process : processes) {
    TRY(RestartOne(context, lab, process));
    names.push_back(process.node + "/" + process.name);
    Say(context, "restarted " + process.node + "/" + process.name);
  }
  if (context.json()) PrintJson(context, {{"lab", lab}, {"restarted", std::move(names)}});
  return kExitDone;
}

}  // namespace

Ending Restart(const Context& context, const std::string& lab, const std::string& process) {
  TRY(CheckPrivilege(context));
  const std::string name = TRY(FindLabThatIsUp(context, lab));
  const ChangingRun run(context);
  const LabLock lock = TRY(run.TakeLock(name));
  return InLab(context, name, Entry::kUse, [&](const Context& inside) { return RestartAll(inside, name, process); });
}

}  // namespace runner
