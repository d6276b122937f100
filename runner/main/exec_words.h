// Where in `exec LAB NODE [options] -- COMMAND…` the command begins: its own options are not ours.
#pragma once
#include <string>
#include <vector>

namespace runner {

struct Divided {
  std::vector<std::string> words;    // ours
  std::vector<std::string> command;  // the rest; empty for other commands than `exec`
};

/// At `--`, which is dropped; without it, behind LAB and NODE.
Divided DivideExec(std::vector<std::string> words);

}  // namespace runner
