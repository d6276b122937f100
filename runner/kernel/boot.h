// This boot of the machine.
#pragma once
#include <string>

#include "base/error.h"

namespace runner {

/// Another one after each boot: what was recorded under another id stood in a kernel that is gone.
Result<std::string> BootId();

}  // namespace runner
