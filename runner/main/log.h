// The log of a run: on standard error, without times, as loud as the command line asks for.
#pragma once
#include "base/report.h"

namespace runner {

/// -1 errors only, 0 warnings too, 1 each change too, 2 everything.
void SetUpLog(int verbosity, Colour colour);

}  // namespace runner
