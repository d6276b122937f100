// The declared processes of a lab that is up, as commands name them.
#pragma once
#include <string>
#include <vector>

#include "commands/record.h"
#include "plan/plan.h"

namespace runner {

/// What `NODE` or `NODE/PROC` stands for, in the order in which they were started; all without a word. A name that the
/// lab does not have is an error with a near one.
Result<std::vector<ProcessAttributes>> FindDeclared(const Record& record, const std::string& lab,
                                                    const std::string& word);

}  // namespace runner
