#include "exec/process_wait.h"

#include <utility>

namespace runner {
namespace {

using process::Phase;
using process::ProcessState;
using Done = std::function<Result<bool>(const ProcessState&)>;

constexpr std::size_t kLastLines = 10;

std::string NameOf(const process::Target& target) { return "process " + target.node + "/" + target.process; }

/// An error of the keeper's is told as one of the process.
Status WaitFor(const process::Target& target, const Done& done, const volatile int* interrupted) {
  Status waited = process::Await(target, done, interrupted);
  if (waited.ok() || waited.error().where == NameOf(target)) return waited;
  return std::move(waited).Wrap(NameOf(target));
}

bool IsOver(const ProcessState& state) { return state.phase == Phase::kFailed || state.phase == Phase::kStopped; }

}  // namespace

Error AboutProcess(const process::Target& target, std::string tried, std::string why) {
  Error error = Fail(std::move(tried), std::move(why));
  error.where = NameOf(target);
  for (const std::string& line : process::LastLines(target, kLastLines)) {
    error.notes.push_back({.at = {}, .text = line});
  }
  return error;
}

Status WaitUntilBegun(const process::Target& target, const volatile int* interrupted) {
  const auto has_begun = [&target](const ProcessState& state) -> Result<bool> {
    // What ran before is still being stopped.
    if (state.phase == Phase::kStarting || state.phase == Phase::kStopping) return false;
    if (state.phase == Phase::kFailed) return AboutProcess(target, "start it", process::Describe(state));
    return true;
  };
  return WaitFor(target, has_begun, interrupted);
}

Status WaitUntilHealthy(const process::Target& target, Freshness freshness, const volatile int* interrupted) {
  if (freshness == Freshness::kOld) {
    // It does not get well by waiting.
    bool is_ill = false;
    const auto look = [&is_ill](const ProcessState& state) -> Result<bool> {
      is_ill = state.health == process::Health::kUnhealthy;
      return true;
    };
    TRY(WaitFor(target, look, nullptr));
    if (is_ill) TRY(process::ChangeProcess(target, process::Change::kStart));
  }
  const auto is_healthy = [&target](const ProcessState& state) -> Result<bool> {
    constexpr const char* kTried = "wait until it is healthy";
    if (IsOver(state)) return AboutProcess(target, kTried, process::Describe(state));
    if (state.health == process::Health::kUnhealthy) return AboutProcess(target, kTried, state.reason);
    return state.phase == Phase::kCompleted || state.health == process::Health::kHealthy;
  };
  return WaitFor(target, is_healthy, interrupted);
}

Status WaitUntilCompleted(const process::Target& target, const volatile int* interrupted) {
  const auto is_completed = [&target](const ProcessState& state) -> Result<bool> {
    if (IsOver(state)) return AboutProcess(target, "wait until it has ended with 0", process::Describe(state));
    return state.has_completed;
  };
  return WaitFor(target, is_completed, interrupted);
}

Status WaitUntilStopped(const process::Target& target) {
  const auto has_stopped = [](const ProcessState& state) -> Result<bool> { return IsOver(state); };
  return WaitFor(target, has_stopped, nullptr);
}

Status CheckNotFailed(const process::Target& target) {
  const auto look = [&target](const ProcessState& state) -> Result<bool> {
    if (state.phase == Phase::kFailed) return AboutProcess(target, "start it", process::Describe(state));
    return true;
  };
  return WaitFor(target, look, nullptr);
}

}  // namespace runner
