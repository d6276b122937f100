#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "check/reading.h"

namespace runner::check {
namespace {

using ProbeFunction = Result<Reading> (*)(const Check&, const Lab&, Vantage&, const Patience&);

constexpr std::array<std::pair<std::string_view, ProbeFunction>, 9> kProbes = {{{"ping", ProbePing},
                                                                                {"tcp", ProbeTcp},
                                                                                {"udp", ProbeUdp},
                                                                                {"http", ProbeHttp},
                                                                                {"dns", ProbeDns},
                                                                                {"run", ProbeRun},
                                                                                {"route", ProbeRoute},
                                                                                {"path", ProbePath},
                                                                                {"throughput", ProbeThroughput}}};

}  // namespace

Result<Reading> Probe(const Check& check, const Lab& lab, const Patience& patience) {
  Vantage* from = TRY(lab.at(check.from));
  const auto* found =
      std::ranges::find(kProbes, std::string_view(check.kind), &std::pair<std::string_view, ProbeFunction>::first);
  if (found == kProbes.end()) return Fail("there is no check " + Quote(check.kind));
  return found->second(check, lab, *from, patience);
}

bool Wants(const Check& check, const std::string& measure) {
  return check.expect.kind == Expectation::Kind::kMeasured && check.expect.measured.contains(measure);
}

}  // namespace runner::check
