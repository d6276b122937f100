// What each kind of check measures, and in which unit.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "base/comparison.h"

namespace runner {

struct Measure {
  std::string_view name;             // "rtt"; of an output without what follows the dot
  std::optional<Quantity> quantity;  // absent: text, or a list of names
};

/// Of `ping`, `tcp`, …; empty for what is no kind of check.
const std::vector<Measure>& MeasuresOf(std::string_view kind);
/// Nothing where that kind of check does not measure it. "stdout.json" is "stdout".
const Measure* FindMeasure(std::string_view kind, std::string_view name);

}  // namespace runner
