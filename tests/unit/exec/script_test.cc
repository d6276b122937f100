// What of `plan --script` a kernel may lack the interfaces for; that a script does what `up` does is held by
// e2e/test_plan.py.
#include "exec/script.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "topology/load.h"

namespace runner {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string ScriptFor(const std::string& interfaces) {
  const std::string text = "name: lab\nnodes: {a: {interfaces: {" + interfaces +
                           "}}, b: }\n"
                           "links: [{endpoints: ['a:e0', 'b:e0']}, {endpoints: ['a:e1', 'b:e1']}]\n";
  const auto loaded = LoadTopology(text, {.file = "lab.yaml"});
  EXPECT_TRUE(loaded.ok()) << (loaded.errors.empty() ? "" : loaded.errors.front().text());
  if (!loaded.ok()) return "";
  const auto graph = BuildGraph(*loaded.topology);
  EXPECT_TRUE(graph.ok());
  if (!graph.ok()) return "";
  const auto script = ScriptOf(MakePlan(*graph, {}, {}, Purpose::kUp), *graph);
  EXPECT_TRUE(script.ok());
  return script.ok() ? *script : "";
}

TEST(Script, NamesAMemberOfABondOnceItHasJoined) {
  const std::string script = ScriptFor("x: {type: bond, members: [e0, e1], mode: active-backup, primary: e1}");
  const std::size_t joined = script.find("ip -n lab.a link set dev e1 master x\n");
  const std::size_t named = script.find("ip -n lab.a link set dev x type bond primary e1\n");
  ASSERT_NE(joined, std::string::npos) << script;
  ASSERT_NE(named, std::string::npos) << script;
  EXPECT_LT(joined, named);
  EXPECT_EQ(script.find("primary"), named + std::string_view("ip -n lab.a link set dev x type bond ").size());
}

TEST(Script, CarriesWhatTheKernelsDefaultDoes) {
  EXPECT_THAT(ScriptFor("x: {type: ipip, remote: 192.0.2.2}"), HasSubstr(" type ipip mode ipip remote 192.0.2.2\n"));
  EXPECT_THAT(ScriptFor("x: {type: ip6tnl, remote: 'fd00::2'}"), HasSubstr(" type ip6tnl mode any remote fd00::2\n"));
  EXPECT_THAT(ScriptFor("x: {type: sit, remote: 192.0.2.2}"), Not(HasSubstr(" mode ")));
}

}  // namespace
}  // namespace runner
