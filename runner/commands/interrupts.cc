#include "commands/interrupts.h"

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
const volatile int* Interrupts::flag() { return &g_asked; }

}  // namespace runner
