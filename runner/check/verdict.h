// What tests came to: values, which the reports show.
#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "base/json_fwd.h"

namespace runner::check {

enum class Verdict { kOk, kFailed, kSkipped };

struct StepVerdict {
  std::string what = {};  // "ping 10.3.9.10 from alice", "link r1:eth1 down"
  Verdict verdict = Verdict::kOk;
  std::string expected = {};
  std::string found = {};  // last measured, or why it could not be
  int tries = 0;
  std::chrono::nanoseconds took{0};
  int line = 0;  // in the file; 0: none
};

struct TestVerdict {
  std::string name = {};
  Verdict verdict = Verdict::kOk;
  std::string why = {};  // of a failure or skip that is no step's
  std::vector<StepVerdict> steps = {};
  std::chrono::nanoseconds took{0};
  int line = 0;
};

/// The tests of one lab.
struct Verdicts {
  std::string lab = {};
  std::string file = {};
  std::vector<TestVerdict> tests = {};
  std::chrono::nanoseconds took{0};

  std::size_t Count(Verdict verdict) const;
};

/// "ok", "failed", "skipped"
const char* VerdictName(Verdict verdict);
/// One sentence a step that failed or was skipped.
std::vector<std::string> Explain(const TestVerdict& test);
/// "4 tests: 2 ok, 1 failed, 1 skipped (1.20 s)"
std::string Tally(const std::vector<Verdicts>& labs, std::chrono::nanoseconds took);

Json VerdictsJson(const Verdicts& verdicts);
Verdicts VerdictsFrom(const Json& json);

/// JUnit's XML, as Jenkins and GitLab read it.
std::string JunitXml(const std::vector<Verdicts>& labs);
/// TAP 14.
std::string TapText(const std::vector<Verdicts>& labs);
/// Text in XML: what XML cannot say is replaced.
std::string XmlEscape(std::string_view text);

}  // namespace runner::check
