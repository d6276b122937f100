#include "check/wait.h"

#include <algorithm>

namespace runner::check {
namespace {

// How late an interruption may be seen.
constexpr Milliseconds kLookAround{100};

}  // namespace

Patience Patience::AtMost(Clock::duration limit) const {
  return {.end = std::min(end, Clock::now() + limit), .interrupted = interrupted};
}

bool WaitFor(std::span<pollfd> sockets, const Patience& patience) {
  while (true) {
    if (patience.is_interrupted()) return false;
    const auto left = std::chrono::ceil<Milliseconds>(patience.end - Clock::now());
    const auto limit = std::clamp(left, Milliseconds(0), kLookAround);
    // Interrupted by a signal (-1) is as time over: the loop looks what came.
    if (poll(sockets.data(), sockets.size(), static_cast<int>(limit.count())) > 0) return true;
    if (left <= limit && Clock::now() >= patience.end) return false;
  }
}

bool WaitFor(int fd, short events, const Patience& patience) {
  pollfd one{.fd = fd, .events = events, .revents = 0};
  return WaitFor({&one, 1}, patience);
}

}  // namespace runner::check
