// Waiting for sockets, with an end: time that is over, or an interruption.
#pragma once
#include <poll.h>

#include <chrono>
#include <span>

namespace runner::check {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

/// How long something may take. `interrupted` is set by the caller's signal handlers; null: nobody asks.
struct Patience {
  Clock::time_point end = {};
  const volatile int* interrupted = nullptr;

  bool is_interrupted() const { return interrupted != nullptr && *interrupted != 0; }
  bool is_over() const { return is_interrupted() || Clock::now() >= end; }
  /// The same, but for at most `limit` from now on.
  Patience AtMost(Clock::duration limit) const;
};

/// Whether one of them is ready before patience is over; without any it is a rest.
bool WaitFor(std::span<pollfd> sockets, const Patience& patience);
bool WaitFor(int fd, short events, const Patience& patience);

}  // namespace runner::check
