#include "kernel/held_signals.h"

#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>

namespace runner::kernel {

HeldSignals::HeldSignals() {
  sigemptyset(&held_);
  for (const int number : {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&held_, number);
  sigprocmask(SIG_BLOCK, &held_, &before_);
}

int HeldSignals::Next(std::optional<std::chrono::milliseconds> limit, siginfo_t& info) const {
  if (!limit) return sigwaitinfo(&held_, &info);
  const auto left = std::max(*limit, std::chrono::milliseconds(0)).count();
  const timespec time{.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1'000'000};
  return sigtimedwait(&held_, &info, &time);
}

Result<Fd> HeldSignals::Open() const {
  Fd fd(signalfd(-1, &held_, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.is_open()) return SystemError(errno, "open a descriptor for signals");
  return fd;
}

}  // namespace runner::kernel
