// What the command line itself knows of a word that is being typed: which command, option or name it is.
#pragma once
#include <string>
#include <vector>

#include "commands/complete.h"

namespace CLI {
class App;
}

namespace runner {

/// `typed` is all that stands behind the program's name; the last word, which may be empty, is the one to complete.
Completion AskForWord(const CLI::App& app, const std::vector<std::string>& typed);

}  // namespace runner
