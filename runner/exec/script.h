// A plan as a shell script: the commands of iproute2, nft, sysctl and slirp4netns that do the same by hand.
#pragma once
#include <string>

#include "plan/plan.h"

namespace runner {

/// For /bin/sh, run as root in the lab's host namespace. Above the commands of each action stand its line in the plan.
/// `wish` is what the plan leads to.
Result<std::string> ScriptOf(const Plan& plan, const Graph& wish);

}  // namespace runner
