#include "commands/lab_changes.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <sstream>

#include "base/text.h"
#include "process/client.h"

namespace runner {
namespace {

// Longer than any grace period in a file that means to end.
constexpr std::chrono::seconds kProcessLimit{60};

/// Stands in the lab's folder as long as a test has something changed: NODE:IFNAME of the links, a line each.
std::string MarkPath(const Context& context, const std::string& lab) {
  return context.state.LabFolder(lab) + "/changed-by-test";
}

Status Forget(const Context& context, const std::string& lab) {
  const std::string path = MarkPath(context, lab);
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return SystemError(errno, "remove " + Quote(path));
  return {};
}

Context Quietly(Context context) {
  context.verbosity = -1;
  return context;
}

void Add(Errors more, Errors& errors) {
  for (Error& error : more) errors.push_back(std::move(error));
}

}  // namespace

LabChanges::LabChanges(const Context& context, std::string lab) : context_(Quietly(context)), lab_(std::move(lab)) {}

Status LabChanges::Remember(const std::vector<LinkSetting>& settings) {
  if (!before_) {
    auto before = ReadOverrides(context_, lab_);
    if (!before.ok()) return std::move(before.error().front());
    before_ = std::move(*before);
  }
  for (const LinkSetting& setting : settings) remembered_ += setting.node + ":" + setting.interface + "\n";
  return ReplaceFile(MarkPath(context_, lab_), remembered_, 0600);
}

Status LabChanges::Set(const std::vector<LinkSetting>& settings) {
  TRY(Remember(settings));
  auto set = SetLinks(context_, lab_, settings);
  if (!set.ok()) return std::move(set.error().front());
  return {};
}

Status LabChanges::Make(const LinkChange& change) {
  LinkSetting setting{.node = change.node, .interface = change.interface, .to = {}};
  if (const auto* impairment = std::get_if<Impairment>(&change.set)) {
    setting.to = *impairment;
  } else {
    setting.to = std::get<bool>(change.set) ? LinkState::kUp : LinkState::kDown;
  }
  return Set({setting});
}

Status LabChanges::Make(const NodeChange& change) {
  auto links = LinksOfNode(context_, lab_, change.node, change.up ? LinkState::kUp : LinkState::kDown);
  if (!links.ok()) return std::move(links.error().front());
  return Set(*links);
}

Status LabChanges::Make(const ProcessChange& change) {
  const process::Target target{
      .state_folder = context_.state.LabFolder(lab_), .node = change.node, .process = change.process};
  const auto has_ended = [](const process::ProcessState& state) -> Result<bool> {
    return state.phase == process::Phase::kStopped || state.phase == process::Phase::kFailed ||
           state.phase == process::Phase::kCompleted;
  };
  const auto runs = [](const process::ProcessState& state) -> Result<bool> {
    if (state.phase == process::Phase::kFailed) return Fail(process::Describe(state));
    return state.phase == process::Phase::kRunning || state.phase == process::Phase::kCompleted;
  };
  TRY(Remember({}));
  const std::string where = "process " + Quote(change.node + "/" + change.process);
  if (change.set == "started") {
    TRY(process::ChangeProcess(target, process::Change::kStart).Wrap(where));
    return process::Await(target, runs, nullptr, kProcessLimit).Wrap(where);
  }
  if (change.set == "killed") {
    const auto before = process::ReadKeeper(lab_, target.state_folder, target.node);
    const process::ProcessState* was = before.Find(target.process);
    const int pid = was == nullptr ? 0 : was->pid;
    TRY(process::ChangeProcess(target, process::Change::kKill).Wrap(where));
    // Its policy may have started it again before anybody looks.
    const auto is_another = [&](const process::ProcessState& state) -> Result<bool> {
      return state.pid != pid || TRY(has_ended(state));
    };
    return process::Await(target, is_another, nullptr, kProcessLimit).Wrap(where);
  }
  TRY(process::ChangeProcess(target, process::Change::kStop).Wrap(where));
  return process::Await(target, has_ended, nullptr, kProcessLimit).Wrap(where);
}

Errors LabChanges::PutBack() {
  if (!before_) return {};
  Errors errors;
  auto put_back = runner::PutBack(context_, lab_, *before_, WhenInterrupted::kGoOn);
  if (!put_back.ok()) Add(std::move(put_back).error(), errors);
  // Processes.
  Add(Heal(context_, lab_, WhenInterrupted::kGoOn), errors);
  if (!errors.empty()) return errors;
  before_.reset();
  remembered_.clear();
  if (Status forgotten = Forget(context_, lab_); !forgotten.ok()) errors.push_back(std::move(forgotten).error());
  return errors;
}

Errors LabChanges::PutBackLeftovers(const Context& context, const std::string& lab) {
  const std::string path = MarkPath(context, lab);
  if (access(path.c_str(), F_OK) != 0) return {};
  auto links = ReadFile(path);
  if (!links.ok()) return {std::move(links).error()};
  Say(context, "a test that was killed left something changed: it is put back");
  const Context quiet = Quietly(context);
  if (Errors errors = Heal(quiet, lab, WhenInterrupted::kGoOn); !errors.empty()) return errors;
  std::vector<LinkSetting> settings;
  std::istringstream lines(*links);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    settings.push_back(
        {.node = line.substr(0, colon), .interface = line.substr(colon + 1), .to = LinkState::kAsInFile});
  }
  if (auto set = SetLinks(quiet, lab, settings); !set.ok()) return std::move(set).error();
  if (Status forgotten = Forget(context, lab); !forgotten.ok()) return {std::move(forgotten).error()};
  return {};
}

}  // namespace runner
