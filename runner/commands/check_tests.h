// The tests of a lab that is up, run; for `check` and `test`.
#pragma once
#include <functional>

#include "check/verdict.h"
#include "commands/check_commands.h"
#include "commands/lab.h"
#include "commands/place.h"

namespace runner {

struct TestedLab {
  LabPlaces places;
  Topology topology;
  std::vector<Test> tests;  // those that shall run
};

struct TestRun {
  check::Verdicts verdicts;
  bool was_interrupted = false;
};
/// In file order, one after the other. Each is told as it ends, by the process that is inside the lab.
Result<TestRun, Errors> RunTests(const Context& context, const TestedLab& lab,
                                 const std::function<void(const check::TestVerdict&)>& told);

/// "ok    web answers  (0.02 s)", and below it what is to be said.
std::string VerdictText(const check::TestVerdict& test, std::size_t name_width, Colour colour);

/// Writes what is asked for: --json, --tap to standard output, --junit to its file.
Status WriteReports(const Context& context, const ReportOptions& options, const std::vector<check::Verdicts>& labs);

}  // namespace runner
