#include "check/verdict.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace runner::check {
namespace {

double Seconds(std::chrono::nanoseconds took) { return std::chrono::duration<double>(took).count(); }

Verdict VerdictFrom(const std::string& name) {
  return name == "ok" ? Verdict::kOk : name == "failed" ? Verdict::kFailed : Verdict::kSkipped;
}

std::chrono::nanoseconds Duration(const Json& json) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(json.get<double>()));
}

std::string Sentence(const TestVerdict& test, std::size_t index) {
  const StepVerdict& step = test.steps[index];
  std::string text = test.steps.size() == 1 ? "" : fmt::format("step {}: ", index + 1);
  text += step.what + ": ";
  if (step.verdict == Verdict::kSkipped || step.expected.empty()) return text + step.found;
  text += fmt::format("expected {}, but {}", step.expected, step.found);
  if (step.tries > 0) {
    text += fmt::format(" ({} for {:.2f} s)",
                        step.tries == 1 ? "tried once" : fmt::format("tried {} times", step.tries), Seconds(step.took));
  }
  return text;
}

}  // namespace

std::size_t Verdicts::Count(Verdict verdict) const {
  return static_cast<std::size_t>(std::ranges::count(tests, verdict, &TestVerdict::verdict));
}

const char* VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kFailed:
      return "failed";
    case Verdict::kSkipped:
      break;
  }
  return "skipped";
}

std::vector<std::string> Explain(const TestVerdict& test) {
  std::vector<std::string> sentences;
  for (std::size_t i = 0; i < test.steps.size(); ++i) {
    if (test.steps[i].verdict != Verdict::kOk) sentences.push_back(Sentence(test, i));
  }
  if (!test.why.empty()) sentences.push_back(test.why);
  return sentences;
}

std::string Tally(const std::vector<Verdicts>& labs, std::chrono::nanoseconds took) {
  std::size_t ok = 0;
  std::size_t failed = 0;
  std::size_t skipped = 0;
  for (const Verdicts& lab : labs) {
    ok += lab.Count(Verdict::kOk);
    failed += lab.Count(Verdict::kFailed);
    skipped += lab.Count(Verdict::kSkipped);
  }
  const std::size_t all = ok + failed + skipped;
  return fmt::format("{} test{}: {} ok, {} failed, {} skipped ({:.2f} s)", all, all == 1 ? "" : "s", ok, failed,
                     skipped, Seconds(took));
}

Json VerdictsJson(const Verdicts& verdicts) {
  Json tests = Json::array();
  for (const TestVerdict& test : verdicts.tests) {
    Json steps = Json::array();
    for (const StepVerdict& step : test.steps) {
      Json one = {{"what", step.what},         {"verdict", VerdictName(step.verdict)},
                  {"expected", step.expected}, {"found", step.found},
                  {"tries", step.tries},       {"seconds", Seconds(step.took)}};
      if (step.line > 0) one["line"] = step.line;
      steps.push_back(std::move(one));
    }
    Json one = {{"name", test.name},
                {"verdict", VerdictName(test.verdict)},
                {"seconds", Seconds(test.took)},
                {"steps", std::move(steps)}};
    if (!test.why.empty()) one["why"] = test.why;
    if (test.line > 0) one["line"] = test.line;
    tests.push_back(std::move(one));
  }
  return {{"lab", verdicts.lab},
          {"file", verdicts.file},
          {"tests", std::move(tests)},
          {"ok", verdicts.Count(Verdict::kOk)},
          {"failed", verdicts.Count(Verdict::kFailed)},
          {"skipped", verdicts.Count(Verdict::kSkipped)},
          {"seconds", Seconds(verdicts.took)}};
}

Verdicts VerdictsFrom(const Json& json) {
  Verdicts verdicts{.lab = json["lab"].get<std::string>(), .file = json["file"].get<std::string>()};
  verdicts.took = Duration(json["seconds"]);
  for (const Json& one : json["tests"]) {
    TestVerdict test{.name = one["name"].get<std::string>(),
                     .verdict = VerdictFrom(one["verdict"].get<std::string>()),
                     .why = one.value("why", std::string()),
                     .took = Duration(one["seconds"]),
                     .line = one.value("line", 0)};
    for (const Json& part : one["steps"]) {
      test.steps.push_back({.what = part["what"].get<std::string>(),
                            .verdict = VerdictFrom(part["verdict"].get<std::string>()),
                            .expected = part["expected"].get<std::string>(),
                            .found = part["found"].get<std::string>(),
                            .tries = part["tries"].get<int>(),
                            .took = Duration(part["seconds"]),
                            .line = part.value("line", 0)});
    }
    verdicts.tests.push_back(std::move(test));
  }
  return verdicts;
}

std::string JunitXml(const std::vector<Verdicts>& labs) {
  const auto seconds = [](std::chrono::nanoseconds took) { return fmt::format("{:.3f}", Seconds(took)); };
  std::size_t all = 0;
  std::size_t failed = 0;
  std::size_t skipped = 0;
  std::chrono::nanoseconds took{0};
  std::string suites;
  for (const Verdicts& lab : labs) {
    all += lab.tests.size();
    failed += lab.Count(Verdict::kFailed);
    skipped += lab.Count(Verdict::kSkipped);
    took += lab.took;
    suites += fmt::format(R"(  <testsuite name="{}" tests="{}" failures="{}" errors="0" skipped="{}" time="{}">)"
                          "\n",
                          XmlEscape(lab.lab), lab.tests.size(), lab.Count(Verdict::kFailed),
                          lab.Count(Verdict::kSkipped), seconds(lab.took));
    for (const TestVerdict& test : lab.tests) {
      const std::string head = fmt::format(R"(    <testcase name="{}" classname="{}" time="{}")", XmlEscape(test.name),
                                           XmlEscape(lab.lab), seconds(test.took));
      if (test.verdict == Verdict::kOk) {
        suites += head + "/>\n";
        continue;
      }
      const std::vector<std::string> sentences = Explain(test);
      const std::string first = XmlEscape(sentences.empty() ? VerdictName(test.verdict) : sentences.front());
      if (test.verdict == Verdict::kSkipped) {
        suites += fmt::format("{}>\n      <skipped message=\"{}\"/>\n    </testcase>\n", head, first);
        continue;
      }
      const std::string place = test.line > 0 ? fmt::format("\n{}:{}", lab.file, test.line) : "";
      suites += fmt::format("{}>\n      <failure message=\"{}\" type=\"check\">{}</failure>\n    </testcase>\n", head,
                            first, XmlEscape(Join(sentences, "\n") + place));
    }
    suites += "  </testsuite>\n";
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      R"(<testsuites tests="{}" failures="{}" errors="0" skipped="{}" time="{}">)"
      "\n{}</testsuites>\n",
      all, failed, skipped, seconds(took), suites);
}

std::string TapText(const std::vector<Verdicts>& labs) {
  // A `#` would begin a directive, a backslash escapes it.
  const auto escaped = [](const std::string& text) {
    std::string out;
    for (const char c : text) {
      if (c == '#' || c == '\\') out += '\\';
      out += c == '\n' ? ' ' : c;
    }
    return out;
  };
  std::size_t all = 0;
  for (const Verdicts& lab : labs) all += lab.tests.size();
  std::string text = fmt::format("TAP version 14\n1..{}\n", all);
  std::size_t number = 0;
  for (const Verdicts& lab : labs) {
    for (const TestVerdict& test : lab.tests) {
      const std::vector<std::string> sentences = Explain(test);
      text += fmt::format("{} {} - {}: {}", test.verdict == Verdict::kFailed ? "not ok" : "ok", ++number,
                          escaped(lab.lab), escaped(test.name));
      if (test.verdict == Verdict::kSkipped) text += " # SKIP " + escaped(Join(sentences, "; "));
      text += "\n";
      if (test.verdict != Verdict::kFailed) continue;
      text += "  ---\n  message:\n";
      // A string of JSON is one of YAML.
      for (const std::string& sentence : sentences) text += "    - " + JsonText(Json(sentence)) + "\n";
      text += fmt::format("  duration_ms: {:.3f}\n  ...\n", Seconds(test.took) * 1000);
    }
  }
  return text;
}

std::string XmlEscape(std::string_view text) {
  // A detour by JSON's writer would be one, but for this: bytes that are no UTF-8 become U+FFFD.
  const auto whole = ParseJson(JsonText(Json(std::string(text))));
  const std::string sound = whole.ok() ? whole->get<std::string>() : std::string();
  std::string out;
  for (const char c : sound) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\n' || c == '\t' || c == '\r') {
      out += fmt::format("&#{};", byte);
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\xef\xbf\xbd";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace runner::check
