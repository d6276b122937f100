#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/json.h"
#include "base/text.h"
#include "check/all_pairs.h"
#include "check/attempt.h"
#include "check/run_test.h"
#include "commands/check_commands.h"
#include "commands/check_tests.h"
#include "commands/checked_lab.h"
#include "commands/inside.h"
#include "commands/interrupts.h"
#include "topology/load.h"

namespace runner {
namespace {

constexpr std::chrono::milliseconds kForAllPairs{5000};

std::size_t NameWidth(const std::vector<Test>& tests) {
  std::size_t width = 0;
  for (const Test& test : tests) width = std::max(width, test.name.size());
  return width;
}

Error NoSuchTest(const std::vector<Test>& tests, const std::string& pattern) {
  std::vector<std::string> names;
  for (const Test& test : tests) names.push_back(test.name);
  return Fail("no test fits " + Quote(pattern) + DidYouMeanAmong(pattern, names));
}

/// The lab and the tests of its file.
Result<TestedLab, Errors> FindTests(const Context& context, const CheckOptions& options) {
  WantedLab wanted = TRY(ReadWantedLab(context, options.lab));
  TestedLab lab;
  lab.places = TRY(FindPlaces(context, wanted.topology.name));
  if (lab.places.header.digest != wanted.source.digest) {
    Say(context, fmt::format("note: {} has changed since {} came up; the tests are those that it has now",
                             Quote(wanted.source.shown), lab.places.lab));
  }
  lab.tests = check::SelectTests(wanted.topology.tests, options.pattern);
  lab.topology = std::move(wanted.topology);
  if (lab.tests.empty() && !lab.topology.tests.empty()) return Errors{NoSuchTest(lab.topology.tests, options.pattern)};
  return lab;
}

/// A check from the command line. The file, which may be gone, only helps.
Result<TestedLab, Errors> MakeOneTest(const Context& context, const CheckOptions& options) {
  TestedLab lab;
  lab.places = TRY(FindPlaces(context, options.lab));
  if (auto wanted = ReadWantedLab(context, lab.places.lab); wanted.ok()) lab.topology = std::move(wanted->topology);
  const Check& check = *options.one;
  if (check.from != "outside" && check.from != "host") {
    if (auto found = FindPlace(lab.places.places, lab.places.lab, check.from); !found.ok()) {
      return Errors{std::move(found).error()};
    }
  }
  Test test;
  test.name = check::Describe(check);
  test.steps.emplace_back(check);
  lab.tests.push_back(std::move(test));
  return lab;
}

Ending Tell(const Context& context, const CheckOptions& options, const TestRun& run) {
  const std::vector<check::Verdicts> labs = {run.verdicts};
  TRY(WriteReports(context, options.report, labs));
  if (context.json()) {
    PrintJson(context, check::VerdictsJson(run.verdicts));
  } else if (!options.report.tap) {
    *context.out << check::Tally(labs, run.verdicts.took) << "\n";
  }
  if (run.was_interrupted) return static_cast<int>(Failure::kInterrupted);
  return run.verdicts.Count(check::Verdict::kFailed) > 0 ? kExitFailed : kExitDone;
}

Ending CheckTests(const Context& context, const CheckOptions& options) {
  const TestedLab lab = TRY(options.one ? MakeOneTest(context, options) : FindTests(context, options));
  if (lab.tests.empty()) Say(context, "lab " + Quote(lab.places.lab) + " has no tests: nothing to check");
  const bool is_text = !context.json() && !options.report.tap;
  const std::size_t width = NameWidth(lab.tests);
  const TestRun run = TRY(RunTests(context, lab, [&](const check::TestVerdict& test) {
    if (!is_text) return;
    *context.out << VerdictText(test, width, context.out_colour);
    // Who asks a single question wants to see the answer.
    if (options.one && test.verdict == check::Verdict::kOk) *context.out << "      " << test.steps.back().found << "\n";
    *context.out << std::flush;
  }));
  return Tell(context, options, run);
}

Json PairsJson(const std::string& lab, const std::vector<check::Pair>& pairs) {
  Json failed = Json::array();
  for (const check::Pair& pair : pairs) {
    if (pair.reached) continue;
    failed.push_back({{"from", pair.from},
                      {"to", pair.to},
                      {"interface", pair.interface},
                      {"address", pair.address.text()},
                      {"why", pair.why}});
  }
  return {{"lab", lab}, {"pairs", pairs.size()}, {"failed", std::move(failed)}};
}

void PrintPairs(const Context& context, const std::vector<check::Pair>& pairs) {
  const auto failed = static_cast<std::size_t>(std::ranges::count(pairs, false, &check::Pair::reached));
  if (failed > 0) *context.out << check::MatrixOf(pairs) << "\n";
  for (const check::Pair& pair : pairs) {
    if (pair.reached) continue;
    *context.out << fmt::format("{} does not reach {} at {} ({}){}\n", pair.from, pair.to, pair.address.text(),
                                pair.interface, pair.why.empty() ? "" : ": " + pair.why);
  }
  *context.out << fmt::format("{} of {} reached\n", pairs.size() - failed, Counted(pairs.size(), "address pair"));
}

Ending CheckAllPairs(const Context& context, const CheckOptions& options) {
  const LabPlaces places = TRY(FindPlaces(context, options.lab));
  return InLab(context, places.lab, Entry::kUse, [&](const Context& inside) -> Ending {
    const Interrupts interrupts;
    const auto lab = TRY(CheckedLab::Open(inside, places, nullptr, nullptr));
    std::vector<check::Pair> pairs = check::PairsOf(lab->lab().book, options.family);
    const auto within = options.within.value_or(kForAllPairs);
    TRY(check::PingPairs(pairs, [&lab](const std::string& node) { return lab->Open(node); },
                         {.end = check::Clock::now() + within, .interrupted = Interrupts::flag()}));
    if (Interrupts::asked()) return static_cast<int>(Failure::kInterrupted);
    if (inside.json()) {
      PrintJson(inside, PairsJson(places.lab, pairs));
    } else {
      PrintPairs(inside, pairs);
    }
    return std::ranges::all_of(pairs, &check::Pair::reached) ? kExitDone : kExitFailed;
  });
}

}  // namespace

Ending CheckLab(const Context& context, const CheckOptions& options) {
  TRY(CheckPrivilege(context));
  return options.all_pairs ? CheckAllPairs(context, options) : CheckTests(context, options);
}

}  // namespace runner
