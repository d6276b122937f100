#include "check/judge.h"

#include <gmock/gmock.h>

#include "base/json.h"

namespace runner::check {
namespace {

bool IsSubset(const char* part, const char* whole) {
  return IsJsonSubset(ParseJson(part).value(), ParseJson(whole).value());
}

Check Measuring(const std::string& kind, std::map<std::string, std::string> measured) {
  Check check;
  check.from = "a";
  check.kind = kind;
  check.expect.kind = Expectation::Kind::kMeasured;
  check.expect.measured = std::move(measured);
  return check;
}

TEST(JsonSubset, TakesObjectsMemberByMember) {
  EXPECT_TRUE(IsSubset(R"({"a": 1})", R"({"b": 2, "a": 1})"));
  EXPECT_TRUE(IsSubset(R"({"a": {"b": true}})", R"({"a": {"b": true, "c": null}})"));
  EXPECT_FALSE(IsSubset(R"({"a": {"b": false}})", R"({"a": {"b": true}})"));
  EXPECT_FALSE(IsSubset(R"({"a": null})", R"({})"));
  EXPECT_FALSE(IsSubset(R"({})", R"([])"));
}

TEST(JsonSubset, FindsElementsOfArraysInOrder) {
  EXPECT_TRUE(IsSubset(R"([{"dst": "default"}])", R"([{"dst": "10.0.0.0/24"}, {"dst": "default", "dev": "eth0"}])"));
  EXPECT_TRUE(IsSubset("[1, 3]", "[1, 2, 3]"));
  EXPECT_FALSE(IsSubset("[3, 1]", "[1, 2, 3]"));
  EXPECT_FALSE(IsSubset("[1, 1]", "[1]"));
  EXPECT_TRUE(IsSubset("[]", "[1]"));
  EXPECT_FALSE(IsSubset("[]", "{}"));
}

TEST(JsonSubset, ComparesNumbersByValueAndTypesStrictly) {
  EXPECT_TRUE(IsSubset("1", "1.0"));
  EXPECT_FALSE(IsSubset("\"1\"", "1"));
  EXPECT_FALSE(IsSubset("true", "1"));
}

TEST(Regex, LooksAtEachLine) {
  EXPECT_TRUE(MatchesRegex("one\ntwo\n", "^two$"));
  EXPECT_FALSE(MatchesRegex("one\ntwo\n", "one.two"));
  EXPECT_TRUE(MatchesRegex("one\ntwo\n", "one\n?two"));
  EXPECT_TRUE(MatchesRegex("10.0.9.0/24", "10[.]0[.]9[.]0/24"));
}

TEST(Mismatch, JudgesReachability) {
  Check check;
  check.kind = "ping";
  EXPECT_EQ(FindMismatch(check, {.reached = true, .seen = "yes"}), std::nullopt);
  EXPECT_EQ(FindMismatch(check, {.reached = false, .seen = "no reply"}), "no reply");
  check.expect.kind = Expectation::Kind::kUnreachable;
  EXPECT_EQ(FindMismatch(check, {.reached = true, .seen = "b answers"}), "b answers");
  EXPECT_EQ(FindMismatch(check, {.reached = false, .seen = "no reply"}), std::nullopt);
}

TEST(Mismatch, JudgesEachMeasure) {
  const Check check = Measuring("ping", {{"loss", "<= 1%"}, {"rtt", "<= 45ms"}});
  const Reading good{.reached = true, .values = {{"loss", 1.0}, {"rtt", 44e6}}};
  EXPECT_EQ(FindMismatch(check, good), std::nullopt);
  const Reading bad{.reached = true, .values = {{"loss", 2.0}, {"rtt", 46e6}}};
  EXPECT_EQ(FindMismatch(check, bad), "loss is 2%, rtt is 46ms");
  // Nobody there: the loss is known, a time is not.
  const Reading none{.reached = false, .seen = "no reply", .values = {{"loss", 100.0}}};
  EXPECT_EQ(FindMismatch(check, none), "loss is 100%, no rtt was measured (no reply)");
  EXPECT_EQ(Expected(check), "loss <= 1%, rtt <= 45ms");
}

TEST(Mismatch, JudgesOutputs) {
  const Reading reading{.reached = true, .values = {{"status", 0.0}, {"stdout", std::string("[{\"a\": 1}]\n")}}};
  EXPECT_EQ(FindMismatch(Measuring("run", {{"stdout.equals", "[{\"a\": 1}]"}}), reading), std::nullopt);
  EXPECT_EQ(FindMismatch(Measuring("run", {{"stdout.contains", "\"a\""}, {"status", "0"}}), reading), std::nullopt);
  EXPECT_EQ(FindMismatch(Measuring("run", {{"stdout.json", R"([{"a":1}])"}}), reading), std::nullopt);
  EXPECT_EQ(FindMismatch(Measuring("run", {{"stdout.json", R"([{"a":2}])"}}), reading), R"(stdout is "[{\"a\": 1}]")");
  EXPECT_EQ(FindMismatch(Measuring("run", {{"stdout.matches", "^b"}, {"status", "!= 0"}}), reading),
            R"(status is 0, stdout is "[{\"a\": 1}]")");
  // A command that fails may be what is expected.
  EXPECT_EQ(FindMismatch(Measuring("run", {{"status", "3"}}), {.reached = false, .values = {{"status", 3.0}}}),
            std::nullopt);
}

TEST(Mismatch, TakesNodesCrossedInOrderAndOthersAsASet) {
  const std::vector<std::string> names = {"r1", "r2"};
  const Reading reading{.reached = true, .values = {{"via", names}, {"answer", names}}};
  EXPECT_EQ(FindMismatch(Measuring("path", {{"via", "r1,r2"}}), reading), std::nullopt);
  EXPECT_EQ(FindMismatch(Measuring("path", {{"via", "r2,r1"}}), reading), "via is r1, r2");
  EXPECT_EQ(FindMismatch(Measuring("path", {{"via", "r1"}}), reading), "via is r1, r2");
  EXPECT_EQ(FindMismatch(Measuring("dns", {{"answer", "r2"}}), reading), std::nullopt);
  EXPECT_EQ(FindMismatch(Measuring("dns", {{"answer", "r3"}}), reading), "answer is r1, r2");
}

TEST(Mismatch, AWayThatEndsBeforeItsTargetIsNone) {
  const std::vector<std::string> some = {"r1"};
  const Reading lost{.reached = false, .seen = "did not reach b by r1", .values = {{"via", some}}};
  EXPECT_EQ(FindMismatch(Measuring("path", {{"via", "r1"}}), lost), "did not reach b by r1");
  const Reading nothing{.reached = false, .seen = "did not reach b", .values = {{"via", std::vector<std::string>()}}};
  EXPECT_EQ(FindMismatch(Measuring("path", {{"via", ""}}), nothing), "did not reach b");
  // No node in between is a wish like any other.
  const Reading direct{.reached = true, .values = {{"via", std::vector<std::string>()}}};
  EXPECT_EQ(FindMismatch(Measuring("path", {{"via", ""}}), direct), std::nullopt);
  EXPECT_EQ(FindMismatch(Measuring("path", {{"via", "r1"}}), direct), "via is nothing");
  EXPECT_EQ(Expected(Measuring("path", {{"via", ""}})), "via nothing");
}

}  // namespace
}  // namespace runner::check
