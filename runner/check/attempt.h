// One check, tried until it holds or its time is over.
#pragma once
#include <string>

#include "check/reading.h"
#include "check/verdict.h"

namespace runner::check {

/// "ping bob from alice"
std::string Describe(const Check& check);

/// One that expects `unreachable` has to hold each time for its whole time. What this machine, or its user, may not do
/// is a skip.
StepVerdict RunCheck(const Check& check, const Lab& lab);

}  // namespace runner::check
