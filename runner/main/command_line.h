// The command line, parsed: which command, with what.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "commands/commands.h"

namespace runner {

struct GlobalOptions {
  bool json = false;
  bool root = false;
  bool rootless = false;
  bool quiet = false;
  bool stats = false;
  int verbose = 0;
  std::string state_dir;
  std::string lock_timeout = "0";
  std::vector<std::string> set;
  std::string name;
};

struct CommandLine {
  std::string text;  // help or the version, to be printed; then `run` is empty
  GlobalOptions options;
  std::chrono::milliseconds lock_timeout{0};
  std::vector<std::pair<std::string, std::string>> set;
  bool prints_json = true;  // false: --json says nothing to a command whose output is another program's
  std::function<Ending(const Context&)> run;
};

/// `words` without the program's own name. An error has the failure kUsage.
Result<CommandLine> ParseCommandLine(const std::vector<std::string>& words);

/// Whether the words ask for JSON: an error in them is told so too.
bool AsksForJson(const std::vector<std::string>& words);

}  // namespace runner
