#include "exec/observe_process.h"

#include <algorithm>

#include "exec/translate_process.h"
#include "kernel/netns.h"
#include "kernel/process.h"
#include "plan/file_content.h"

namespace runner {

using Owner = Observed::Owner;
using Life = process::KeeperState::Life;

const process::KeeperState& KeeperReader::StateOf(const std::string& node) {
  const auto found = states_.find(node);
  if (found != states_.end()) return found->second;
  const std::string& lab = context_.options.lab;
  return states_.emplace(node, process::ReadKeeper(lab, context_.options.state.LabFolder(lab), node)).first->second;
}

const process::ProcessState* KeeperReader::Find(const std::string& node, const std::string& process) {
  const process::KeeperState& state = StateOf(node);
  return state.life == Life::kServing ? state.Find(process) : nullptr;
}

bool KeeperReader::IsInNode(const process::KeeperState& state, const NamespaceName& ns) const {
  const auto place = Namespace::OpenPath(context_.sessions.directory().Path(ns));
  if (!place.ok()) return false;
  const auto node = kernel::ReadNamespaceInode(place->fd());
  const auto keeper = kernel::IdentifyProcess(state.keeper.identity.pid);
  return node.ok() && keeper.ok() && *node == *keeper;
}

std::optional<Observed> KeeperReader::See(const ViewAttributes& asked) {
  const process::KeeperState& state = StateOf(asked.node);
  if (state.life == Life::kGone) return std::nullopt;
  ViewAttributes now = state.life == Life::kServing ? ViewFrom(state.spec, asked) : asked;
  now.serving = state.life == Life::kServing && IsInNode(state, asked.ns);
  return Observed{.attributes = now, .owner = Owner::kOurs};
}

Result<std::optional<Observed>> KeeperReader::See(const ContentAttributes& asked) {
  const process::KeeperState& state = StateOf(asked.node);
  if (state.life != Life::kServing) return std::optional<Observed>();
  // A view that knows nothing of it shows the host's.
  if (std::ranges::find(state.spec.files, asked.path) == state.spec.files.end()) return std::optional<Observed>();
  const auto file = TRY(process::ReadFileIn(state.keeper, asked.path));
  if (!file) return std::optional<Observed>();
  FileContent content = EncodeContent(file->content);
  ContentAttributes now = asked;
  now.content = std::move(content.text);
  now.is_hex = content.is_hex;
  now.mode = ModeText(file->mode);
  return std::optional(Observed{.attributes = now, .owner = Owner::kOurs});
}

std::optional<Observed> KeeperReader::See(const ProcessAttributes& asked) {
  const process::ProcessState* state = Find(asked.node, asked.name);
  if (state == nullptr || !state->is_there()) return std::nullopt;
  return Observed{.attributes = ProcessFrom(state->spec, asked), .owner = Owner::kOurs};
}

std::optional<Observed> KeeperReader::See(const ConditionAttributes& asked) {
  const process::ProcessState* state = Find(asked.node, asked.process);
  if (state == nullptr || !state->is_there()) return std::nullopt;
  const bool is_completed = state->has_completed;
  // Whoever has done all that was asked of it is as well as can be.
  const bool is_healthy = state->health == process::Health::kHealthy || state->phase == process::Phase::kCompleted;
  if (asked.condition == "completed" ? !is_completed : !is_healthy) return std::nullopt;
  return Observed{.attributes = asked, .owner = Owner::kOurs};
}

}  // namespace runner
