// SIGINT and SIGTERM as a question that is asked between two actions.
#pragma once
#include <chrono>
#include <csignal>

namespace runner {

/// While it lives, the first of these signals only sets a flag, so that what was done can be undone; SIGPIPE is no
/// reason to stop half-way either. Asked once is asked for the rest of the process.
class Interrupts {
 public:
  Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;
  ~Interrupts();

  static bool asked();
  /// Whether `fd` (-1: none) became readable within `limit`. An interruption ends the wait, also one from just before.
  static bool WaitFor(int fd, std::chrono::milliseconds limit);
  /// Set to non-zero by the handlers.
  static const volatile int* flag();

 private:
  struct sigaction before_interrupt_ = {};
  struct sigaction before_terminate_ = {};
  struct sigaction before_pipe_ = {};
};

}  // namespace runner
