#include "commands/interrupts.h"

#include <poll.h>

#include <algorithm>
#include <type_traits>

namespace runner {
namespace {

static_assert(std::is_same_v<std::sig_atomic_t, int>, "the flag is handed out as an int");
volatile std::sig_atomic_t g_asked = 0;

void Ask(int /*signal*/) { g_asked = 1; }
void Pass(int /*signal*/) {}

}  // namespace

Interrupts::Interrupts() {
  struct sigaction ask = {};
  ask.sa_handler = Ask;
  ask.sa_flags = SA_RESTART;
  sigaction(SIGINT, &ask, &before_interrupt_);
  sigaction(SIGTERM, &ask, &before_terminate_);
  // A handler, not SIG_IGN: that one would be inherited by the lab's commands.
  struct sigaction pass = {};
  pass.sa_handler = Pass;
  pass.sa_flags = SA_RESTART;
  sigaction(SIGPIPE, &pass, &before_pipe_);
}

Interrupts::~Interrupts() {
  sigaction(SIGINT, &before_interrupt_, nullptr);
  sigaction(SIGTERM, &before_terminate_, nullptr);
  sigaction(SIGPIPE, &before_pipe_, nullptr);
}

bool Interrupts::asked() { return g_asked != 0; }

bool Interrupts::WaitFor(int fd, std::chrono::milliseconds limit) {
  sigset_t ask;
  sigset_t before;
  sigemptyset(&ask);
  sigaddset(&ask, SIGINT);
  sigaddset(&ask, SIGTERM);
  // Held back, a signal cannot come between the question and the wait.
  sigprocmask(SIG_BLOCK, &ask, &before);
  pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
  const auto left = std::max(limit, std::chrono::milliseconds(0)).count();
  const timespec time{.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1'000'000};
  const bool is_readable = !asked() && ppoll(&waiting, 1, &time, &before) > 0;
  sigprocmask(SIG_SETMASK, &before, nullptr);
  return is_readable;
}

const volatile int* Interrupts::flag() { return &g_asked; }

}  // namespace runner
