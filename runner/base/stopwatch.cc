#include "base/stopwatch.h"

#include <algorithm>

#include <fmt/format.h>

namespace runner {
namespace {

bool timing = false;

std::vector<TimedPart>& Parts() {
  static std::vector<TimedPart> parts;
  return parts;
}

TimedPart& PartOf(std::string_view name, bool within) {
  std::vector<TimedPart>& parts = Parts();
  const auto found = std::ranges::find(parts, name, &TimedPart::name);
  if (found != parts.end()) return *found;
  return parts.emplace_back(TimedPart{.name = std::string(name), .within = within});
}

std::string Line(const TimedPart& part, double total) {
  const double share = total > 0 ? part.seconds / total * 100 : 0;
  const std::string times = part.times > 0 ? std::to_string(part.times) : "";
  return fmt::format("{:9.3f} s {:3.0f} % {:>8}  {}", part.seconds, share, times, part.name);
}

}  // namespace

Stopwatch::Stopwatch(std::string_view part, Counts counts) : part_(part), counts_(counts) {
  if (timing) start_ = std::chrono::steady_clock::now();
}

Stopwatch::~Stopwatch() {
  if (!timing || start_ == std::chrono::steady_clock::time_point()) return;
  TimedPart& part = PartOf(part_, counts_ == Counts::kWithinOthers);
  part.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  ++part.times;
}

void StartTiming() {
  timing = true;
  Parts().clear();
}

bool IsTiming() { return timing; }

const std::vector<TimedPart>& TimedParts() { return Parts(); }

void AddTimedParts(const std::vector<TimedPart>& parts) {
  for (const TimedPart& part : parts) {
    TimedPart& mine = PartOf(part.name, part.within);
    mine.seconds += part.seconds;
    mine.times += part.times;
  }
}

std::vector<std::string> TimingTable(const std::vector<TimedPart>& parts, double total) {
  std::vector<std::string> lines;
  double rest = total;
  for (const TimedPart& part : parts) {
    if (part.within) continue;
    lines.push_back(Line(part, total));
    rest -= part.seconds;
  }
  lines.push_back(Line({.name = "everything else", .seconds = std::max(rest, 0.0)}, total));
  lines.push_back(Line({.name = "together", .seconds = total}, total));
  for (const TimedPart& part : parts) {
    if (part.within) lines.push_back(Line({part.name + ", within the above", part.seconds, part.times}, total));
  }
  return lines;
}

}  // namespace runner
