// From a topology to what `up` and `plan` hand to the executor.
#pragma once
#include "commands/context.h"
#include "commands/lab.h"
#include "exec/journal.h"
#include "plan/graph.h"

namespace runner {

struct Wish {
  Graph graph;
  LabHeader header;  // as it shall be recorded
};

/// What the lab shall be. `journal` is its record as it is now.
Result<Wish, Errors> MakeWish(const Context& context, const WantedLab& wanted, const Journal& journal);

}  // namespace runner
