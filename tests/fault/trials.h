// The files that are tried out, each with an edit of many kinds of objects.
#pragma once
#include <string>
#include <vector>

#include "tests/fault/workshop.h"

namespace runner::test {

/// Every file in topologies/ and examples/, and one of our own with the kinds of objects that those lack.
std::vector<std::string> TrialNames();
/// What a file asks of the kernel that this one does not have; empty: nothing.
std::string KernelLacks(const std::string& name);
/// To be called in the sandbox: what a file needs beside itself (a process to attach to) is started there.
Trial MakeTrial(const std::string& name);

}  // namespace runner::test
