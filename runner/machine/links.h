// Which kinds of interfaces and queueing disciplines the kernel has. Inside a scratch namespace (scratch.h): it makes
// them.
#pragma once
#include <string>
#include <vector>

#include "machine/feature.h"

namespace runner::machine {

/// What a topology can ask of the kernel: "link TYPE" of each type of interface, "VLAN filtering" of bridges,
/// "impairment" (netem), "rate limit" (tbf), "encap mpls", "encap seg6", "encap seg6local".
std::vector<std::string> KernelFeatures();

/// Those of them that are named.
Features ProbeKernel(const std::vector<std::string>& names);

/// "nftables"
Feature ProbeNftables();
/// "sysfs": /sys of the namespace's own.
Feature ProbeSysfs();

}  // namespace runner::machine
