// The command line as data: what `--help` says, for what is made of it when toporun is built (its manual page).
#pragma once
#include "base/json_fwd.h"

namespace CLI {
class App;
}

namespace runner {

/// {options: […], commands: [{name, about, words: […], options: […]}]}, in the order of `--help`. What is hidden there
/// is left out.
Json DescribeWords(const CLI::App& app);

}  // namespace runner
