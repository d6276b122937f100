// The system calls that a helper still makes once it serves. Everything else ends it.
#pragma once
#include "base/error.h"

namespace runner {

/// Installs the list for the rest of this process's life; it has given up new privileges before. A call that is not on
/// the list kills the process; in a build with sanitizers, which make calls of their own, it fails with EPERM.
Status AllowOnlyServing();

}  // namespace runner
