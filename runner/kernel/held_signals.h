// The signals that a process which waits for another one passes on to it, waited for instead of suffered.
#pragma once
#include <chrono>
#include <csignal>
#include <optional>

#include "base/error.h"
#include "base/fd.h"

namespace runner::kernel {

/// Holds SIGINT, SIGQUIT, SIGTERM, SIGHUP and SIGCHLD back for as long as it lives (sigprocmask(2)).
class HeldSignals {
 public:
  HeldSignals();
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;
  ~HeldSignals() { Release(); }

  /// As they were before; for a child.
  void Release() const { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  /// The next signal, or 0 or less when none comes in time. No limit waits for ever.
  int Next(std::optional<std::chrono::milliseconds> limit, siginfo_t& info) const;
  /// A non-blocking descriptor to read them from: signalfd(2).
  Result<Fd> Open() const;

 private:
  sigset_t held_{};
  sigset_t before_{};
};

}  // namespace runner::kernel
