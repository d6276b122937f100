// The files that are tried out, each with an edit of many kinds of objects.
#pragma once
#include <string>
#include <vector>

#include "tests/fault/workshop.h"

namespace runner::test {

/// Every file in topologies/ and examples/, and one of our own with the kinds of objects that those lack.
std::vector<std::string> TrialNames();
/// What the file asks of the kernel that it may lack ("link vrf"), by its text.
std::vector<std::string> SpecialNeeds(const std::string& name);
/// Those that it lacks.
std::vector<std::string> Lacking(const std::vector<std::string>& needs);
/// To be called in the sandbox: what a file needs beside itself (a process to attach to) is started there.
Trial MakeTrial(const std::string& name);

}  // namespace runner::test
