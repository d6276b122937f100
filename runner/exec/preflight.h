// Whether this machine lets a plan be carried out, before anything of it is done: only for what the plan makes.
#pragma once
#include "base/error.h"
#include "plan/plan.h"

namespace runner {

/// Each error names the first object that needs what is missing, and the remedy.
Errors CheckMachine(const Plan& plan);

}  // namespace runner
