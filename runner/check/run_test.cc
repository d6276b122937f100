#include "check/run_test.h"

#include <fnmatch.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "base/text.h"
#include "check/attempt.h"

namespace runner::check {
namespace {

std::string Word(const LinkChange& change) {
  if (const bool* up = std::get_if<bool>(&change.set)) return *up ? "up" : "down";
  return "impaired";
}

/// The kernel has no such thing, or this user may not.
bool IsLacking(const Error& error) {
  return error.code == EOPNOTSUPP || error.code == ENOENT || error.code == EPERM || error.code == EACCES;
}

class Stepper {
 public:
  Stepper(const Lab& lab, Changes& changes) : lab_(lab), changes_(changes) {}

  StepVerdict operator()(const Check& check) { return RunCheck(check, lab_); }
  StepVerdict operator()(const LinkChange& change) {
    return Change(fmt::format("link {}:{} {}", change.node, change.interface, Word(change)), change);
  }
  StepVerdict operator()(const NodeChange& change) {
    return Change(fmt::format("node {} {}", change.node, change.up ? "up" : "down"), change);
  }
  StepVerdict operator()(const ProcessChange& change) {
    return Change(fmt::format("process {}/{} {}", change.node, change.process, change.set), change);
  }
  StepVerdict operator()(const Wait& wait) {
    const Clock::time_point begin = Clock::now();
    const Patience patience{.end = begin + Milliseconds(wait.ms), .interrupted = lab_.interrupted};
    WaitFor({}, patience);
    StepVerdict step{.what = fmt::format("wait {}ms", wait.ms)};
    step.took = Clock::now() - begin;
    if (!patience.is_interrupted()) return step;
    step.verdict = Verdict::kFailed;
    step.found = "interrupted";
    return step;
  }

 private:
  template <class OneChange>
  StepVerdict Change(std::string what, const OneChange& change) {
    StepVerdict step{.what = std::move(what), .line = change.at.line};
    const Clock::time_point begin = Clock::now();
    const Status made = changes_.Make(change);
    step.took = Clock::now() - begin;
    if (made.ok()) return step;
    step.verdict = IsLacking(made.error()) ? Verdict::kSkipped : Verdict::kFailed;
    step.found = made.error().text();
    return step;
  }

  const Lab& lab_;
  Changes& changes_;
};

}  // namespace

TestVerdict RunTest(const Test& test, const Lab& lab, Changes& changes) {
  TestVerdict verdict{.name = test.name, .line = test.at.line};
  const Clock::time_point begin = Clock::now();
  Stepper stepper(lab, changes);
  for (const TestStep& step : test.steps) {
    verdict.steps.push_back(std::visit(stepper, step));
    verdict.verdict = verdict.steps.back().verdict;
    if (verdict.verdict != Verdict::kOk) break;
  }
  for (const Error& error : changes.PutBack()) {
    verdict.verdict = Verdict::kFailed;
    verdict.why += (verdict.why.empty() ? "put back what it changed: " : "; ") + error.text();
  }
  verdict.took = Clock::now() - begin;
  return verdict;
}

bool ChangesAnything(const Test& test) {
  return std::ranges::any_of(test.steps, [](const TestStep& step) {
    return !std::holds_alternative<Check>(step) && !std::holds_alternative<Wait>(step);
  });
}

bool LooksFromOutside(const Test& test) {
  return std::ranges::any_of(test.steps, [](const TestStep& step) {
    const auto* check = std::get_if<Check>(&step);
    return check != nullptr && check->from == "outside";
  });
}

std::vector<Test> SelectTests(const std::vector<Test>& tests, const std::string& pattern) {
  std::vector<Test> selected;
  std::ranges::copy_if(tests, std::back_inserter(selected), [&pattern](const Test& test) {
    return pattern.empty() || fnmatch(pattern.c_str(), test.name.c_str(), 0) == 0;
  });
  return selected;
}

}  // namespace runner::check
