// What one attempt of a check found.
#pragma once
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "check/vantage.h"
#include "topology/model.h"

namespace runner::check {

/// A number in the unit of its quantity, a text, or names in an order that counts (nodes crossed) or does not.
using Value = std::variant<double, std::string, std::vector<std::string>>;

struct Reading {
  bool reached = false;
  bool was_cut = false;   // by the end of the time, before it could tell
  std::string seen = {};  // in a few words: "connected in 0.1ms", "connection refused"
  std::map<std::string, Value> values = {};
};

/// Makes one attempt. A probe that finds nobody is a reading; an error is what keeps it from finding out (a name that
/// does not resolve, a socket that may not be opened: EPERM or EACCES).
Result<Reading> Probe(const Check& check, const Lab& lab, const Patience& patience);

// One a kind, each in its file.
Result<Reading> ProbePing(const Check& check, const Lab& lab, Vantage& from, const Patience& patience);
Result<Reading> ProbeTcp(const Check& check, const Lab& lab, Vantage& from, const Patience& patience);
Result<Reading> ProbeUdp(const Check& check, const Lab& lab, Vantage& from, const Patience& patience);
Result<Reading> ProbeHttp(const Check& check, const Lab& lab, Vantage& from, const Patience& patience);
Result<Reading> ProbeDns(const Check& check, const Lab& lab, Vantage& from, const Patience& patience);
Result<Reading> ProbeRun(const Check& check, const Lab& lab, Vantage& from, const Patience& patience);
Result<Reading> ProbeRoute(const Check& check, const Lab& lab, Vantage& from, const Patience& patience);
Result<Reading> ProbePath(const Check& check, const Lab& lab, Vantage& from, const Patience& patience);
Result<Reading> ProbeThroughput(const Check& check, const Lab& lab, Vantage& from, const Patience& patience);

/// Whether the expectation asks for it.
bool Wants(const Check& check, const std::string& measure);

}  // namespace runner::check
