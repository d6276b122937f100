// `run`: a command, its status and what it prints.
#include <algorithm>

#include <fmt/format.h>

#include "check/reading.h"

namespace runner::check {

Result<Reading> ProbeRun(const Check& check, const Lab& /*lab*/, Vantage& from, const Patience& patience) {
  // To run it only to end it at once would tell nothing.
  constexpr Milliseconds kLeast{1000};
  const auto left = std::chrono::ceil<Milliseconds>(patience.end - Clock::now());
  const Milliseconds limit = std::max(left, kLeast);
  Output output = TRY(from.Run(check.run, limit));
  Reading reading{.reached = output.status == 0 && !output.was_late, .was_cut = output.was_late};
  reading.seen = output.was_late ? fmt::format("it was ended after {:.1f} s", static_cast<double>(limit.count()) / 1000)
                                 : fmt::format("exit status {}", output.status);
  reading.values["status"] = static_cast<double>(output.status);
  reading.values["code"] = static_cast<double>(output.status);
  reading.values["stdout"] = std::move(output.out);
  reading.values["stderr"] = std::move(output.err);
  return reading;
}

}  // namespace runner::check
