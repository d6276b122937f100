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
  Errors warnings;   // what takes the place of something that this machine does not give
};

/// What a new uplink works over where no tap can be opened.
enum class WithoutTap { kPacketSocket, kNothing };

/// What becomes of keys that `auto` asks for and nobody has made yet.
enum class NewKeys { kMade, kLeftOpen };

/// What the lab shall be. `journal` is its record as it is now: an uplink that stands stays what it is.
Result<Wish, Errors> MakeWish(const Context& context, const WantedLab& wanted, const Journal& journal, NewKeys new_keys,
                              WithoutTap without_tap = WithoutTap::kPacketSocket);

}  // namespace runner
