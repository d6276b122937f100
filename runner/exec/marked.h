// What still stands under a lab's marks, found without its record: names, the alias of `lo`, link groups, protocol
// numbers, names of tables, command lines.
#pragma once
#include "exec/observe.h"

namespace runner {

/// As a record that can be taken down. What is inside a namespace that the lab made goes with it and is left out.
/// Former values are not told by marks: only what labs share on the host has them in a place of its own. Changes
/// nothing.
Result<Record> FindMarked(const ObserveContext& context);

/// The labs of which a namespace stands, sorted.
Result<std::vector<std::string>> FindMarkedLabs(const NamespaceDirectory& directory);

}  // namespace runner
