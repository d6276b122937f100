#include "commands/run.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "base/text.h"

namespace runner {
namespace {

// More than a few lines a second nobody reads.
constexpr std::chrono::milliseconds kBetween{100};

Error Interrupted() {
  Error error = Fail("interrupted");
  error.failure = Failure::kInterrupted;
  return error;
}

}  // namespace

ChangingRun::ChangingRun(const Context& context) : context_(context) {}

Result<LabLock> ChangingRun::TakeLock(const std::string& lab) const {
  const auto end = std::chrono::steady_clock::now() + context_.lock_timeout;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    auto lock = LabLock::Take(context_.state, lab, std::clamp(left, std::chrono::milliseconds(0), kBetween));
    if (lock.ok() || lock.error().code != EWOULDBLOCK) return lock;
    if (Interrupts::asked()) return Interrupted();
    if (left <= kBetween) return lock;
  }
}

Hooks ChangingRun::hooks() {
  Hooks hooks;
  hooks.interrupted = [] { return Interrupts::asked(); };
  hooks.progress = [this](const Action& action, int done, int total) {
    Count(action);
    Show(action, done, total);
  };
  return hooks;
}

Result<std::unique_ptr<Backend>> ChangingRun::OpenBackend(const std::string& lab) const {
  BackendOptions options = context_.backend_options(lab);
  options.interrupted = Interrupts::flag();
  options.output = [this](std::string_view node, std::string_view line) {
    Say(context_, fmt::format("{} | {}", node, line));
  };
  options.ended = [this](const std::string& process) { Say(context_, process); };
  return context_.open_backend(std::move(options));
}

void ChangingRun::Count(const Action& action) {
  switch (action.verb) {
    case Verb::kCreate:
      ++(action.replaces ? replaced_ : created_);
      break;
    case Verb::kChange:
      ++changed_;
      break;
    case Verb::kRemove:
      if (!action.replaces) ++removed_;
      break;
    case Verb::kAdopt:
    case Verb::kForget:
      break;
  }
}

void ChangingRun::Show(const Action& action, int done, int total) {
  if (!context_.terminal || context_.verbosity != 0) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - start_ < kSilence || (shown_ && now - shown_at_ < kBetween)) return;
  *context_.err << fmt::format("\r\x1b[K{}/{} {}", done, total, Traits(action.resource.kind()).name) << std::flush;
  shown_ = true;
  shown_at_ = now;
}

void ChangingRun::EndProgress() {
  if (shown_) *context_.err << "\r\x1b[K" << std::flush;
  shown_ = false;
}

std::string ChangingRun::tally() const {
  std::vector<std::string> parts;
  for (const auto& [count, word] : {std::pair(created_, "created"), std::pair(changed_, "changed"),
                                    std::pair(replaced_, "replaced"), std::pair(removed_, "removed")}) {
    if (count > 0) parts.push_back(fmt::format("{} {}", count, word));
  }
  return Join(parts, ", ");
}

Errors ErrorsOf(const Outcome& outcome) {
  Errors errors = outcome.report.errors;
  if (!errors.empty() && Interrupts::asked()) errors = {Interrupted()};
  for (Error error : outcome.roll_back) {
    error.tried = "undo" + (error.tried.empty() ? "" : ": " + error.tried);
    errors.push_back(std::move(error));
  }
  return errors;
}

}  // namespace runner
