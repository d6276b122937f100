// Where in `exec LAB NODE [options] -- COMMAND…` the command begins, and in `capture LAB NODE:IFNAME… -- FILTER…` the
// filter: its own options are not ours. And the words of `impair`, which are no commands.
#pragma once
#include <string>
#include <vector>

namespace runner {

struct Divided {
  std::vector<std::string> words;    // ours
  std::vector<std::string> command;  // the rest; empty for other commands than these
};

/// At `--`, which is dropped; `exec` also without it, behind LAB and NODE.
Divided DivideWords(std::vector<std::string> words);

}  // namespace runner
