// Where the time of a run goes, told by --stats. Nothing is measured until it is asked for.
#pragma once
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace runner {

/// What one part of a run took, all of its times together.
struct TimedPart {
  std::string name;
  double seconds = 0;
  long times = 0;
  bool within = false;  // its time is part of others' too
};

/// Measures from its making to its end, if timing is on. One thread's.
class Stopwatch {
 public:
  enum class Counts { kByItself, kWithinOthers };
  explicit Stopwatch(std::string_view part, Counts counts = Counts::kByItself);
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch();

 private:
  std::string_view part_;
  Counts counts_;
  std::chrono::steady_clock::time_point start_ = {};
};

/// From here on stopwatches measure; what was measured before is forgotten.
void StartTiming();
bool IsTiming();
/// In the order in which they were first measured.
const std::vector<TimedPart>& TimedParts();
/// What another process of the same run has measured.
void AddTimedParts(const std::vector<TimedPart>& parts);
/// A table: seconds, share of `total`, how often, what; then what no part accounts for, `total`, and the parts within.
std::vector<std::string> TimingTable(const std::vector<TimedPart>& parts, double total);

}  // namespace runner
