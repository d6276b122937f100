// `${NAME}`, `${NAME:-default}`, `${NAME:?message}` and `$$` in every scalar of a tree.
#pragma once
#include "topology/load.h"
#include "topology/yaml.h"

namespace runner {

/// Replaces in place. A scalar that held a reference is typed afterwards as if it were plain.
void Interpolate(YamlTree& tree, const LoadOptions& options, Diagnostics& diagnostics);

}  // namespace runner
