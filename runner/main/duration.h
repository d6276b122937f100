// Durations as people type them.
#pragma once
#include <chrono>
#include <optional>
#include <string_view>

namespace runner {

/// `500ms`, `1.5s`, `2m`, `1h`; without a unit seconds. At most a year.
std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text);

}  // namespace runner
