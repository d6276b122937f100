#include "commands/check_tests.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "check/run_test.h"
#include "commands/checked_lab.h"
#include "commands/inside.h"
#include "commands/interrupts.h"
#include "commands/lab_changes.h"
#include "commands/run.h"

namespace runner {
namespace {

/// In the lab.
Result<TestRun, Errors> RunInside(const Context& context, const TestedLab& lab, const OutsideProcess* outside,
                                  bool may_change, const std::function<void(const check::TestVerdict&)>& told) {
  const Interrupts interrupts;
  if (may_change) {
    if (Errors errors = LabChanges::PutBackLeftovers(context, lab.places.lab); !errors.empty()) return errors;
  }
  const auto checked = CheckedLab::Open(context, lab.places, &lab.topology, outside);
  if (!checked.ok()) return Errors{checked.error()};
  LabChanges changes(context, lab.places.lab);
  TestRun run;
  run.verdicts.lab = lab.places.lab;
  run.verdicts.file = lab.places.header.file;
  const auto begin = std::chrono::steady_clock::now();
  for (const Test& test : lab.tests) {
    if (Interrupts::asked()) break;
    run.verdicts.tests.push_back(check::RunTest(test, (*checked)->lab(), changes));
    told(run.verdicts.tests.back());
  }
  run.was_interrupted = Interrupts::asked();
  run.verdicts.took = std::chrono::steady_clock::now() - begin;
  return run;
}

const char* Word(check::Verdict verdict) {
  switch (verdict) {
    case check::Verdict::kOk:
      return "ok";
    case check::Verdict::kFailed:
      return "FAIL";
    case check::Verdict::kSkipped:
      break;
  }
  return "skip";
}

const char* ColourOf(check::Verdict verdict) {
  switch (verdict) {
    case check::Verdict::kOk:
      return "\x1b[32m";
    case check::Verdict::kFailed:
      return "\x1b[31m";
    case check::Verdict::kSkipped:
      break;
  }
  return "\x1b[33m";
}

}  // namespace

Result<TestRun, Errors> RunTests(const Context& context, const TestedLab& lab,
                                 const std::function<void(const check::TestVerdict&)>& told) {
  const ChangingRun run(context);
  const bool may_change = std::ranges::any_of(lab.tests, check::ChangesAnything);
  std::optional<LabLock> lock;
  if (may_change) {
    auto taken = run.TakeLock(lab.places.lab);
    if (!taken.ok()) return Errors{std::move(taken).error()};
    lock = std::move(*taken);
  }
  std::optional<OutsideProcess> outside;
  if (context.ground == Ground::kHolder && std::ranges::any_of(lab.tests, check::LooksFromOutside)) {
    auto started = OutsideProcess::Start();
    if (!started.ok()) return Errors{std::move(started).error()};
    outside.emplace(std::move(*started));
  }
  const Json value =
      TRY(AskInLab(context, lab.places.lab, Entry::kUse, [&](const Context& inside) -> Result<Json, Errors> {
        const TestRun done = TRY(RunInside(inside, lab, outside ? &*outside : nullptr, may_change, told));
        return Json{{"verdicts", check::VerdictsJson(done.verdicts)}, {"interrupted", done.was_interrupted}};
      }));
  return TestRun{.verdicts = check::VerdictsFrom(value["verdicts"]),
                 .was_interrupted = value["interrupted"].get<bool>()};
}

std::string VerdictText(const check::TestVerdict& test, std::size_t name_width, Colour colour) {
  const bool is_coloured = colour == Colour::kOn;
  std::string text = fmt::format("{}{:<4}{}  {:<{}}  ({:.2f} s)\n", is_coloured ? ColourOf(test.verdict) : "",
                                 Word(test.verdict), is_coloured ? "\x1b[0m" : "", test.name, name_width,
                                 std::chrono::duration<double>(test.took).count());
  for (const std::string& sentence : check::Explain(test)) text += "      " + sentence + "\n";
  return text;
}

Status WriteReports(const Context& context, const ReportOptions& options, const std::vector<check::Verdicts>& labs) {
  if (options.tap) *context.out << check::TapText(labs);
  if (options.junit.empty()) return {};
  return ReplaceFile(options.junit, check::JunitXml(labs)).Wrap("report " + Quote(options.junit));
}

}  // namespace runner
