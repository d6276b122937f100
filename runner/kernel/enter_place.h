// The child's half of enter.h: from a fresh fork to the command.
#pragma once
#include <sys/types.h>

#include "kernel/enter.h"

namespace runner::kernel {

/// fork(2), with the child in the process namespace of the spec's view.
pid_t ForkInto(const EnterSpec& spec);

/// Goes where the spec says and becomes its command. Every failure is told on standard error and ends the process with
/// kExitCannotRun or kExitNotFound.
[[noreturn]] void EnterAndExec(const EnterSpec& spec);

/// Mounts a new /sys: it shows the network devices of the namespace in which it was mounted. The control groups of the
/// old one are put back. To be called in a mount namespace of one's own; where parts of /sys are hidden it is refused.
Status RenewSys();

/// The status as a shell gives it: the exit status, or 128 + the signal.
int ShellStatus(int wait_status);

}  // namespace runner::kernel
