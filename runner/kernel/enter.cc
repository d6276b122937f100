#include "kernel/enter.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <ctime>

#include "kernel/enter_place.h"
#include "kernel/held_signals.h"

namespace runner::kernel {
namespace {

using Clock = std::chrono::steady_clock;

/// The terminal's foreground process group: handed to a command's own group, and put back when that is over, even if
/// the command (a shell) took it and died.
class Terminal {
 public:
  Terminal() {
    const pid_t group = tcgetpgrp(STDIN_FILENO);
    if (group >= 0 && group == getpgrp()) ours_ = group;
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() { TakeBack(); }

  void HandTo(pid_t group) const {
    if (ours_ != 0) Set(group);
  }
  void TakeBack() const {
    if (ours_ != 0 && tcgetpgrp(STDIN_FILENO) != ours_) Set(ours_);
  }

 private:
  static void Set(pid_t group) {
    // Who is in the background is stopped for this call, unless it ignores the signal.
    const auto before = signal(SIGTTOU, SIG_IGN);
    // Refused when the terminal has gone: nothing is left to hand over.
    tcsetpgrp(STDIN_FILENO, group);
    signal(SIGTTOU, before);
  }
  pid_t ours_ = 0;  // 0: not on a terminal, or in its background
};

enum class Grouping {
  kShared,  // the command is in the caller's process group: the terminal's keys reach both, as below a shell
  kOwn      // it has its own, which a timeout can end whole
};

/// Waits for the child: passes signals on, stops with it, ends it when its time is over.
class Wait {
 public:
  Wait(pid_t child, Grouping grouping, const EnterSpec& spec, const HeldSignals& signals, const Terminal& terminal)
      : child_(child), grouping_(grouping), signals_(signals), terminal_(terminal) {
    if (spec.timeout) deadline_ = Clock::now() + *spec.timeout;
  }

  Result<int> Run() {
    while (true) {
      int status = 0;
      const pid_t waited = waitpid(child_, &status, WNOHANG | (grouping_ == Grouping::kOwn ? WUNTRACED : 0));
      if (waited < 0) return SystemError(errno, "wait for the command");
      if (waited > 0 && !WIFSTOPPED(status)) {
        // What the command left running in its group has no time left either.
        if (is_late_) Signal(SIGKILL);
        return is_late_ ? kExitTimeout : ShellStatus(status);
      }
      if (waited > 0) StopWithChild();
      AwaitSignal();
    }
  }

 private:
  void Signal(int number) const { kill(grouping_ == Grouping::kOwn ? -child_ : child_, number); }

  void StopWithChild() const {
    terminal_.TakeBack();
    raise(SIGSTOP);
    // Continued by the shell's `fg` or `bg`.
    terminal_.HandTo(child_);
    Signal(SIGCONT);
  }

  void AwaitSignal() {
    std::optional<std::chrono::milliseconds> left;
    if (deadline_) left = std::chrono::ceil<std::chrono::milliseconds>(*deadline_ - Clock::now());
    siginfo_t info{};
    const int number = signals_.Next(left, info);
    if (number < 0 && errno == EAGAIN) {
      Signal(is_late_ ? SIGKILL : SIGTERM);
      // A stopped one would never see it.
      Signal(SIGCONT);
      deadline_ = Clock::now() + kGrace;
      is_late_ = true;
    } else if (number > 0 && number != SIGCHLD) {
      // The terminal sent it to the whole foreground group: in a shared one the command has it already.
      const bool has_it = info.si_code == SI_KERNEL && grouping_ == Grouping::kShared;
      if (!has_it) Signal(number);
    }
  }

  pid_t child_;
  Grouping grouping_;
  const HeldSignals& signals_;
  const Terminal& terminal_;
  std::optional<Clock::time_point> deadline_;
  bool is_late_ = false;
};

}  // namespace

Result<int> RunIn(const EnterSpec& spec) {
  std::fflush(nullptr);
  const Grouping grouping = spec.timeout ? Grouping::kOwn : Grouping::kShared;
  const Terminal terminal;
  const HeldSignals signals;
  const pid_t child = ForkInto(spec);
  if (child < 0) return SystemError(errno, "start a process").Wrap(spec.name);
  if (child == 0) {
    if (grouping == Grouping::kOwn) {
      setpgid(0, 0);
      terminal.HandTo(getpid());
    }
    EnterAndExec(spec);
  }
  // Both sides do it, so that neither runs on before it is done; the later one may find the exec done already.
  if (grouping == Grouping::kOwn) setpgid(child, child);
  auto status = Wait(child, grouping, spec, signals, terminal).Run().Wrap(spec.name);
  // They were for the command, which ended first: its status is still to be told.
  siginfo_t late = {};
  while (signals.Next(std::chrono::milliseconds(0), late) > 0) {
  }
  return status;
}

}  // namespace runner::kernel
