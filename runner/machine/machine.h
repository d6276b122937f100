// What this machine lets the runner do, found out by doing it where nothing of the machine is changed by that. For
// `doctor`, and in part before `up` changes anything.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "machine/feature.h"

namespace runner::machine {

/// Everything that can be told, in the order of the page of `doctor`.
Features Probe();

/// What of machine/links.h's KernelFeatures() is named, tried in a scratch namespace; without one, nothing is told.
Features ProbeNeeds(const std::vector<std::string>& names);

/// Whether /dev/net/tun can be opened, and what is to be done where it cannot; limited where uplinks do without.
Feature ProbeTap();
/// "user namespaces": whether an unprivileged process gets one with power in it. `program` is the path that a profile
/// would be for.
Feature ProbeUserNamespaces(const std::string& program);

/// Whether `version` ("4.7.0") is at least `least`; nothing for what is no version.
std::optional<bool> IsAtLeast(const std::string& version, const std::string& least);

}  // namespace runner::machine
