// Whether the things of a topology fit together: what no single entry of the file can tell.
#pragma once
#include "base/error.h"
#include "topology/model.h"

namespace runner {

/// All relations that are wrong (kError) or worth a look (kWarning), each with its place; `file` and the excerpts
/// are left to the loader. Expects what the loader expands: syntax, types, ranges of values and near names of nodes,
/// bridges and groups are settled before. Pure, and near linear in the size of the topology.
Errors ValidateTopology(const Topology& topology);

}  // namespace runner
