// What a rootless lab cannot have.
#pragma once
#include "commands/lab.h"

namespace runner {

/// The parts of the file that need the machine's own namespaces, all of them, with their places, where the lab stands
/// on a holder. Nothing is looked for in root mode.
Result<void, Errors> CheckGround(const Context& context, const WantedLab& wanted);

}  // namespace runner
