// Which kinds of interfaces and queueing disciplines the kernel has. Inside a scratch namespace (scratch.h): it makes
// them.
#pragma once
#include <string>
#include <vector>

#include "machine/feature.h"

namespace runner::machine {

/// "link KIND" for each kind of RTM_NEWLINK.
Features ProbeLinkKinds(const std::vector<std::string>& kinds);

/// The kinds that a topology can ask for.
const std::vector<std::string>& LinkKinds();

/// "impairment": netem.
Feature ProbeNetem();
/// "nftables"
Feature ProbeNftables();
/// "sysfs": /sys of the namespace's own.
Feature ProbeSysfs();

}  // namespace runner::machine
