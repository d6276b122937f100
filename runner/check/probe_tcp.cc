// `tcp`: a connection.
#include <fmt/format.h>

#include "base/comparison.h"
#include "base/text.h"
#include "check/connection.h"
#include "check/names.h"
#include "check/reading.h"

namespace runner::check {

Result<Reading> ProbeTcp(const Check& check, const Lab& lab, Vantage& from, const Patience& patience) {
  constexpr Milliseconds kForOne{3000};
  const auto target = SplitPort(check.target);
  if (!target) return Fail(Quote(check.target) + " is no HOST:PORT");
  const IpAddress to = TRY(ResolveHost(lab, from, target->host, check.family, patience));
  // A first packet that is lost is sent again after a second.
  const Connection connection = TRY(Connect(from, to, target->port, patience.AtMost(kForOne)));
  Reading reading{.reached = connection.socket.is_open()};
  const std::string who = fmt::format("{} port {}", to.text(), target->port);
  if (!reading.reached) {
    reading.seen = fmt::format("no connection to {}: {}", who, connection.refused);
    return reading;
  }
  const auto rtt = static_cast<double>(std::chrono::nanoseconds(connection.took).count());
  reading.values["rtt"] = rtt;
  reading.seen = fmt::format("{} takes a connection after {}", who, QuantityText(rtt, Quantity::kTime));
  return reading;
}

}  // namespace runner::check
