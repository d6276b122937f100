// One thing that a machine lets the runner do, or not, and how to mend it.
#pragma once
#include <string>
#include <vector>

namespace runner::machine {

enum class Level {
  kWorks,
  kLimited,  // something else takes its place, or part of it is missing
  kMissing
};

struct Feature {
  std::string name = {};  // "tap device", "link vrf"
  Level level = Level::kWorks;
  std::string detail = {};  // what was found
  std::string remedy = {};  // what mends it; empty where nothing is to be mended
  friend bool operator==(const Feature&, const Feature&) = default;
};

using Features = std::vector<Feature>;

}  // namespace runner::machine
