// `dns`: a name as the node resolves it, by its hosts file and its name servers.
#include <fmt/format.h>

#include "base/text.h"
#include "check/names.h"
#include "check/reading.h"

namespace runner::check {

Result<Reading> ProbeDns(const Check& check, const Lab& /*lab*/, Vantage& from, const Patience& patience) {
  Reading reading;
  const Clock::time_point begin = Clock::now();
  const auto found = ResolveName(from, check.target, check.family, patience);
  if (!found.ok()) {
    reading.seen = found.error().text();
    return reading;
  }
  reading.reached = true;
  std::vector<std::string> addresses;
  for (const IpAddress& address : *found) addresses.push_back(address.text());
  reading.seen = fmt::format("{} is {}", check.target, Join(addresses, ", "));
  reading.values["answer"] = std::move(addresses);
  reading.values["rtt"] = static_cast<double>(std::chrono::nanoseconds(Clock::now() - begin).count());
  return reading;
}

}  // namespace runner::check
