// What commands that change a lab have in common while they run: signals, a line of progress, a tally of what was done.
#pragma once
#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "commands/context.h"
#include "commands/interrupts.h"
#include "exec/executor.h"

namespace runner {

/// What is over sooner needs no line of progress.
constexpr std::chrono::milliseconds kSilence{500};

class ChangingRun {
 public:
  explicit ChangingRun(const Context& context);

  /// The lab's lock, waited for as long as the command line says. An interruption ends the wait.
  Result<LabLock> TakeLock(const std::string& lab) const;
  /// For the executor. This object must outlive them.
  Hooks hooks();
  Result<std::unique_ptr<Backend>> OpenBackend(const std::string& lab) const;

  /// Takes the line of progress off the terminal again.
  void EndProgress();
  /// "12 created, 1 changed"; empty when nothing was done.
  std::string tally() const;
  std::chrono::steady_clock::duration elapsed() const { return std::chrono::steady_clock::now() - start_; }

 private:
  void Count(const Action& action);
  void Show(const Action& action, int done, int total);

  const Context& context_;
  Interrupts interrupts_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point shown_at_ = start_;
  bool shown_ = false;
  int created_ = 0;
  int changed_ = 0;
  int replaced_ = 0;
  int removed_ = 0;
};

/// The errors of an outcome, and behind them what could not be undone. What an interruption made fail is told as one.
Errors ErrorsOf(const Outcome& outcome);

}  // namespace runner
