// The minder: the parent of one declared process. What that process starts and leaves behind, a daemon too, becomes the
// minder's child and not the keeper's (PR_SET_CHILD_SUBREAPER), so that all of it can be told and ended; the minder
// ends when nothing of it is left.
#pragma once
#include <sys/types.h>

#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/enter.h"

namespace runner::process {

struct Minded {
  pid_t minder = 0;
  /// Lines of the minder: `process PID`, `began` once it has become its command, `ended STATUS` as waitpid(2) tells it.
  Fd events = {};
  Fd output = {};  // what it and its descendants print; both do not block
};

/// Forks the minder, and through it the process: in the caller's namespaces, with standard input empty.
Result<Minded> StartMinded(const kernel::EnterSpec& spec);

/// All that descends from the process, by /proc. One that ends meanwhile may be among them.
std::vector<pid_t> DescendantsOf(pid_t ancestor);
/// Sends the signal to all that descends from the process; nobody else is ever hit.
void SignalDescendants(pid_t ancestor, int number);
/// Ends all that descends from the process, also what is started meanwhile.
void KillDescendants(pid_t ancestor);

}  // namespace runner::process
