// Between the holder's files: its name in the process list, its namespaces, its record.
#pragma once
#include <optional>
#include <string>

#include "rootless/holder.h"

namespace runner::rootless {

/// The name in /proc/PID/comm of one that is ready and recorded; at most 15 bytes.
inline constexpr char kHolderName[] = "toporun-holder";

/// Nothing when the process has gone or may not be looked at.
std::optional<NamespaceNumbers> ReadNamespaceNumbers(pid_t pid);

/// Whole or not at all.
Status WriteHolderRecord(const std::string& path, const HolderRecord& record);

}  // namespace runner::rootless
