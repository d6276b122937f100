// Processes told apart by more than a pid.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace runner {

/// Field 22 of /proc/PID/stat: with the pid it names a process for good. Nothing for a process that is gone or a
/// zombie.
std::optional<std::uint64_t> StartTimeOf(pid_t pid);

}  // namespace runner
