// Views and the files in them, processes, and what is waited for.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/json.h"
#include "exec/apply.h"
#include "exec/process_wait.h"
#include "exec/translate_process.h"
#include "kernel/files.h"
#include "kernel/process.h"
#include "plan/codec.h"
#include "plan/file_content.h"
#include "process/client.h"
#include "process/minder.h"

namespace runner {
namespace {

process::Target TargetOf(const ApplyContext& context, const std::string& node, const std::string& process) {
  return {.state_folder = context.StateFolder(), .node = node, .process = process};
}

/// All keepers of the node, a silent one and one that a crash left too.
Status StopKeepers(ApplyContext& context, const std::string& node) {
  for (const process::KeeperProcess& keeper : process::FindKeepers(context.options.lab, context.StateFolder())) {
    if (keeper.node == node) TRY(process::StopKeeper(context.StateFolder(), keeper));
  }
  return {};
}

/// What others run in the node's view ends with it; it is told so first, and named. What the keeper has in its own care
/// is stopped by it.
Status EndGuests(ApplyContext& context, const NamespaceName& ns, const process::KeeperProcess& keeper) {
  auto opened = Namespace::OpenPath(context.sessions.directory().Path(ns));
  // Its network has gone before it.
  if (!opened.ok()) return {};
  // One walk through /proc tells which of all the namespaces have any.
  if (!context.processes) context.processes = kernel::FindProcessesByNamespace();
  const auto found = context.processes->find(TRY(kernel::ReadNamespaceInode(opened->fd())));
  if (found == context.processes->end()) return {};
  std::vector<pid_t> kept = process::DescendantsOf(keeper.identity.pid);
  kept.push_back(keeper.identity.pid);
  // What has ended since the walk may have been the keeper's too.
  std::erase_if(found->second, [&kept](const kernel::ProcessInfo& one) {
    return std::ranges::find(kept, one.identity.pid) != kept.end() || !kernel::IsRunning(one.identity);
  });
  std::vector<kernel::ProcessIdentity> guests;
  for (const kernel::ProcessInfo& guest : found->second) guests.push_back(guest.identity);
  const auto spared = TRY(kernel::SignalAndWait(guests));
  for (const kernel::ProcessInfo& guest : found->second) {
    if (std::ranges::find(spared, guest.identity) != spared.end()) continue;
    context.options.ended(fmt::format("{}: ended process {} ({})", ns, guest.identity.pid, guest.comm));
  }
  // Nobody is left for the removal of the namespace.
  if (spared.empty()) context.processes->erase(found);
  return {};
}

Status StartView(ApplyContext& context, const ViewAttributes& view) {
  // One that is silent or was left by a crash.
  TRY(StopKeepers(context, view.node));
  const KeeperPlace place = {.lab = context.options.lab,
                             .state_folder = context.StateFolder(),
                             .node_files = kernel::NodeFiles(context.options.files_base, view.ns).folder()};
  const int netns = TRY(context.sessions.Get(view.ns))->place().fd();
  TRY(process::StartKeeper(KeeperSpecFrom(view, place), netns, context.options.host_side.holder,
                           context.options.executable));
  return {};
}

/// Whether something of the lab's is waited for before it: then it ends before that does.
bool WaitsForOthers(const Resource& resource) {
  return std::ranges::any_of(resource.dependencies, [](const DependsOn& on) { return on.id.kind == Kind::kProcess; });
}

Status StopProcess(const Action& action, const process::Target& target) {
  TRY(process::ChangeProcess(target, process::Change::kStop));
  // Those that nobody depends on end side by side, until their keeper does.
  if (!WaitsForOthers(action.resource) && !action.replaces) return {};
  return WaitUntilStopped(target);
}

}  // namespace

Status ApplyView(ApplyContext& context, const Action& action, const ViewAttributes& view) {
  if (action.verb == Verb::kRemove) {
    const auto state = process::ReadKeeper(context.options.lab, context.StateFolder(), view.node);
    if (state.life == process::KeeperState::Life::kServing) TRY(EndGuests(context, view.ns, state.keeper));
    return StopKeepers(context, view.node);
  }
  if (action.verb == Verb::kCreate) return StartView(context, view);
  return {};
}

Status ApplyContent(ApplyContext& context, const Action& action, const ContentAttributes& content) {
  // What a view no longer has goes with it: which files there are is a matter of the view.
  if (action.verb != Verb::kCreate && action.verb != Verb::kChange) return {};
  const std::string bytes = TRY(DecodeContent({.text = content.content, .is_hex = content.is_hex}));
  return process::PutFile(context.StateFolder(), content.node, content.path, bytes, ModeFrom(content.mode));
}

Status ApplyProcess(ApplyContext& context, const Action& action, const ProcessAttributes& process) {
  const process::Target target = TargetOf(context, process.node, process.name);
  switch (action.verb) {
    case Verb::kRemove:
      context.started.erase(action.resource.id);
      return StopProcess(action, target);
    case Verb::kChange:
      return process::RedefineProcess(target.state_folder, target.node, ProcessSpecFrom(process));
    case Verb::kCreate:
      // Started by this very run, and gone again. What a roll-back brings back in the place of a failure is another.
      if (const auto before = context.started.find(action.resource.id);
          before != context.started.end() && EncodeAttributes(before->second) == EncodeAttributes(process)) {
        return AboutProcess(target, "start it", "it ended at once");
      }
      context.started.insert_or_assign(action.resource.id, process);
      TRY(process::StartProcess(target.state_folder, target.node, ProcessSpecFrom(process)));
      return WaitUntilBegun(target, context.options.interrupted);
    default:
      return {};
  }
}

Status ApplyCondition(ApplyContext& context, const Action& action, const ConditionAttributes& condition) {
  if (action.verb != Verb::kCreate) return {};
  const process::Target target = TargetOf(context, condition.node, condition.process);
  if (condition.condition == "completed") return WaitUntilCompleted(target, context.options.interrupted);
  const ResourceId process{.kind = Kind::kProcess, .name = condition.node + "/" + condition.process};
  const Freshness freshness = context.started.contains(process) ? Freshness::kJustStarted : Freshness::kOld;
  return WaitUntilHealthy(target, freshness, context.options.interrupted);
}

Errors SettleProcesses(ApplyContext& context) {
  Errors errors;
  for (const auto& [id, definition] : std::exchange(context.started, {})) {
    const std::size_t slash = id.name.find('/');
    const process::Target target = TargetOf(context, id.name.substr(0, slash), id.name.substr(slash + 1));
    Status lives = CheckNotFailed(target);
    if (!lives.ok()) errors.push_back(std::move(lives).error());
  }
  return errors;
}

Status RefreshViews(ApplyContext& context, const NamespaceName& ns) {
  for (const auto& [id, attributes] : context.known) {
    const auto* view = std::get_if<ViewAttributes>(&attributes);
    if (view == nullptr || (!ns.empty() && view->ns != ns)) continue;
    const Status refreshed = process::RefreshFiles(context.StateFolder(), view->node);
    // There is none yet, or none any more: it reads them when it starts.
    if (!refreshed.ok() && refreshed.error().code == 0) return refreshed;
  }
  return {};
}

}  // namespace runner
