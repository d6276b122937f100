// One file's life in `test`: up, its tests (or a command), down, always down. In a process of its own, and as a rule in
// namespaces of its own, so that several can stand side by side without meeting.
#pragma once
#include <string>

#include "base/fd.h"
#include "commands/check_commands.h"
#include "commands/lab.h"

namespace runner {

struct TestedFile {
  std::string path;           // as it was given
  std::string skip = {};      // why it is not run; empty: it is
  WantedLab wanted = {};      // where it is
  std::string evidence = {};  // its own folder; empty: none is kept
};

/// Ends the process when the lab is down and its verdicts are written to `report`, as JSON.
[[noreturn]] void LiveThrough(const Context& context, const TestOptions& options, const TestedFile& file, Fd report);

}  // namespace runner
