#include "check/attempt.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "base/text.h"
#include "check/judge.h"

namespace runner::check {
namespace {

constexpr Milliseconds kToHold{5000};
constexpr Milliseconds kToStayUnreachable{1000};
// Between two tries, doubled each time.
constexpr Milliseconds kFirstRest{20};
constexpr Milliseconds kLongestRest{400};

bool MustStay(const Check& check) { return check.expect.kind == Expectation::Kind::kUnreachable; }

Patience PatienceOf(const Check& check, const Lab& lab) {
  const Milliseconds usual = MustStay(check) ? kToStayUnreachable : kToHold;
  const Milliseconds within = check.within_ms ? Milliseconds(*check.within_ms) : usual;
  return {.end = Clock::now() + within, .interrupted = lab.interrupted};
}

bool IsForbidden(const Error& error) { return error.code == EPERM || error.code == EACCES; }

class Trying {
 public:
  Trying(const Check& check, const Lab& lab) : check_(check), lab_(lab), patience_(PatienceOf(check, lab)) {}

  StepVerdict Run() {
    StepVerdict step{.what = Describe(check_), .expected = Expected(check_), .line = check_.at.line};
    const Clock::time_point begin = Clock::now();
    Milliseconds rest = kFirstRest;
    do {
      ++step.tries;
      if (TryOnce(step)) break;
      WaitFor({}, patience_.AtMost(rest));
      rest = std::min(2 * rest, kLongestRest);
    } while (!patience_.is_over());
    if (patience_.is_interrupted()) {
      step.verdict = Verdict::kFailed;
      step.found = "interrupted";
    }
    step.took = Clock::now() - begin;
    return step;
  }

 private:
  /// Whether that decides it.
  bool TryOnce(StepVerdict& step) {
    const auto reading = Probe(check_, lab_, patience_);
    if (!reading.ok()) {
      step.found = reading.error().text();
      step.verdict = IsForbidden(reading.error()) ? Verdict::kSkipped : Verdict::kFailed;
      return step.verdict == Verdict::kSkipped;
    }
    const auto mismatch = FindMismatch(check_, *reading);
    // The try before it had the time to end, and tells more.
    if (mismatch && reading->was_cut && step.tries > 1) return false;
    step.verdict = mismatch ? Verdict::kFailed : Verdict::kOk;
    step.found = mismatch ? *mismatch : reading->seen;
    return mismatch.has_value() == MustStay(check_);
  }

  const Check& check_;
  const Lab& lab_;
  const Patience patience_;
};

}  // namespace

std::string Describe(const Check& check) {
  const std::string what = check.kind == "run" ? Join(check.run, " ") : check.target;
  return fmt::format("{} {} from {}", check.kind, what, check.from);
}

StepVerdict RunCheck(const Check& check, const Lab& lab) { return Trying(check, lab).Run(); }

}  // namespace runner::check
