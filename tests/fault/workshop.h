// A throw-away machine on which `up` and `down` are run with faults in between, in this process or in one that is
// killed; what a case has to hold is asked of it.
#pragma once
#include <functional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "commands/commands.h"
#include "tests/support/faulty_backend.h"
#include "tests/support/machine_state.h"

namespace runner::test {

/// A topology file as it is tried out: itself, an edited text of it, and what it needs.
struct Trial {
  std::string name;                                      // for messages: "home-nat"
  std::string lab;                                       // the lab's name
  std::string text;                                      // of the file
  std::string edited;                                    // the same with an edit; empty: without
  std::vector<std::pair<std::string, std::string>> set;  // --set
};

struct RunResult {
  int status = 0;
  Errors errors;
  std::vector<Call> calls;
  /// Of the first `count` calls, those that did something.
  int Done(std::size_t count) const;
  std::string text() const;  // the errors as they are printed
};

class Workshop {
 public:
  /// Writes the files; to be called in a sandbox. Its state now is what everything has to come back to.
  explicit Workshop(const Trial& trial);

  RunResult Up(const Faults& faults = {}) { return Run(Command::kUp, faults); }
  RunResult UpEdited(const Faults& faults = {}) { return Run(Command::kUpEdited, faults); }
  RunResult Down(const Faults& faults = {}) { return Run(Command::kDown, faults); }

  enum class Command { kUp, kUpEdited, kDown };
  RunResult Run(Command command, const Faults& faults);
  /// In a process of its own, which a fault may kill. Whether it was killed.
  bool RunAndDie(Command command, const Faults& faults);

  /// Brings the lab up (or changes it) and holds: it is done, and a second time nothing is done.
  void Converge(Command command);
  /// Takes it down and holds: it is done, and the machine is as it was.
  void Clear();

  /// Why the machine is not as it was at the start; empty when it is.
  std::string WhatIsLeft() const;

 private:
  std::string file_;
  std::string edited_;
  Trial trial_;
  std::set<int> processes_;
  MachineState baseline_;
};

}  // namespace runner::test
