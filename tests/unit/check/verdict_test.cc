#include "check/verdict.h"

#include <gmock/gmock.h>

#include "base/json.h"

namespace runner::check {
namespace {

using std::chrono::milliseconds;

Verdicts Sample() {
  Verdicts lab{.lab = "home", .file = "/labs/home.yaml", .took = milliseconds(1500)};
  lab.tests.push_back({.name = "fine", .took = milliseconds(20)});
  lab.tests.back().steps.push_back({.what = "ping b from a", .expected = "a reply", .found = "b answers", .tries = 1});
  lab.tests.push_back(
      {.name = "a < b & \"c\" # 1", .verdict = Verdict::kFailed, .took = milliseconds(1000), .line = 7});
  lab.tests.back().steps = {{.what = "link a:eth0 down"},
                            {.what = "ping b from a",
                             .verdict = Verdict::kFailed,
                             .expected = "a reply",
                             .found = "no reply from 10.0.0.2",
                             .tries = 3,
                             .took = milliseconds(1000),
                             .line = 9}};
  lab.tests.push_back({.name = "no rights", .verdict = Verdict::kSkipped, .why = "not permitted"});
  return lab;
}

TEST(Verdicts, AreTheSameAfterJson) {
  const Json json = VerdictsJson(Sample());
  EXPECT_EQ(JsonText(VerdictsJson(VerdictsFrom(json))), JsonText(json));
  EXPECT_EQ(json["failed"], 1);
  EXPECT_EQ(json["tests"][1]["steps"][1]["found"], "no reply from 10.0.0.2");
}

TEST(Verdicts, ExplainWhatFailed) {
  const Verdicts lab = Sample();
  EXPECT_THAT(Explain(lab.tests[0]), testing::IsEmpty());
  EXPECT_THAT(Explain(lab.tests[1]),
              testing::ElementsAre("step 2: ping b from a: expected a reply, but no reply from 10.0.0.2 "
                                   "(tried 3 times for 1.00 s)"));
  EXPECT_THAT(Explain(lab.tests[2]), testing::ElementsAre("not permitted"));
  EXPECT_EQ(Tally({lab}, lab.took), "3 tests: 1 ok, 1 failed, 1 skipped (1.50 s)");
}

TEST(Junit, IsWhatReadersOfItTake) {
  EXPECT_EQ(JunitXml({Sample()}),
            R"xml(<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="3" failures="1" errors="0" skipped="1" time="1.500">
  <testsuite name="home" tests="3" failures="1" errors="0" skipped="1" time="1.500">
    <testcase name="fine" classname="home" time="0.020"/>
    <testcase name="a &lt; b &amp; &quot;c&quot; # 1" classname="home" time="1.000">
      <failure message="step 2: ping b from a: expected a reply, but no reply from 10.0.0.2 (tried 3 times for 1.00 s)" type="check">step 2: ping b from a: expected a reply, but no reply from 10.0.0.2 (tried 3 times for 1.00 s)&#10;/labs/home.yaml:7</failure>
    </testcase>
    <testcase name="no rights" classname="home" time="0.000">
      <skipped message="not permitted"/>
    </testcase>
  </testsuite>
</testsuites>
)xml");
}

TEST(Junit, EscapesWhatXmlCannotSay) {
  EXPECT_EQ(XmlEscape("a\x01"
                      "b\x1b[0m"),
            "a\xef\xbf\xbd"
            "b\xef\xbf\xbd[0m");
  EXPECT_EQ(XmlEscape("not \xff utf-8"), "not \xef\xbf\xbd utf-8");
  EXPECT_EQ(XmlEscape("ümlaut → ok"), "ümlaut → ok");
  EXPECT_EQ(XmlEscape("line\nnext\ttab"), "line&#10;next&#9;tab");
}

TEST(Tap, EscapesAndSkips) {
  EXPECT_EQ(TapText({Sample()}),
            "TAP version 14\n"
            "1..3\n"
            "ok 1 - home: fine\n"
            "not ok 2 - home: a < b & \"c\" \\# 1\n"
            "  ---\n"
            "  message:\n"
            "    - \"step 2: ping b from a: expected a reply, but no reply from 10.0.0.2 (tried 3 times for 1.00 s)\"\n"
            "  duration_ms: 1000.000\n"
            "  ...\n"
            "ok 3 - home: no rights # SKIP not permitted\n");
}

}  // namespace
}  // namespace runner::check
