#include "topology/ranges.h"

#include "tests/unit/topology/load_support.h"
#include "topology/expression.h"

namespace runner {
namespace {

std::string Names(const std::string& text) {
  auto range = ParseRange(text);
  if (!range.ok()) return range.error().text();
  if (!range->has_value()) return "no range";
  std::string out;
  for (const RangeText::Item& item : (*range)->items) out += (out.empty() ? "" : " ") + item.text;
  return out;
}

TEST(Ranges, ExpandAsPdshDoes) {
  EXPECT_EQ(Names("h"), "no range");
  EXPECT_EQ(Names("h[1-3]"), "h1 h2 h3");
  EXPECT_EQ(Names("h[01,08-10]x"), "h01x h08x h09x h10x");
  EXPECT_EQ(Names("r[2-3,1]:eth0"), "r2:eth0 r3:eth0 r1:eth0");
}

TEST(Ranges, TellWhatIsWrong) {
  EXPECT_EQ(Names("h[1-"), "range \"h[1-\": `[` without its `]`");
  EXPECT_EQ(Names("h[]"), "range \"h[]\": \"\" is no number and no FIRST-LAST");
  EXPECT_EQ(Names("h[a-c]"), "range \"h[a-c]\": \"a-c\" is no number and no FIRST-LAST");
  EXPECT_EQ(Names("h[3-1]"), "range \"h[3-1]\": \"3-1\" runs backwards");
  EXPECT_EQ(Names("h[1-2][3]"), "range \"h[1-2][3]\": a name may hold one range");
  EXPECT_EQ(Names("h[1-999999999]"), "range \"h[1-999999999]\": more than 100000 names");
  EXPECT_EQ(Names("h[0-99998,1-2]"), "range \"h[0-99998,1-2]\": more than 100000 names");
}

std::string Value(const std::string& text, std::int64_t n) {
  auto value = EvaluateTemplate(text, n);
  return value.ok() ? *value : value.error().text();
}

TEST(Ranges, ComputeWithTheCurrentValue) {
  EXPECT_EQ(Value("10.0.{(n-1)/250}.{(n-1)%250+1}/16", 251), "10.0.1.1/16");
  EXPECT_EQ(Value("{n+1} {n*2} {n%12} {-n}", 13), "14 26 1 -13");
  EXPECT_EQ(Value("{print n} {} {1} ${x}", 5), "{print n} {} {1} ${x}");
  EXPECT_EQ(Value("{n/0}", 5), "\"{n/0}\": division by zero");
  EXPECT_EQ(Value("{n%(n-5)}", 5), "\"{n%(n-5)}\": division by zero");
  EXPECT_EQ(Value("{n*9223372036854775807}", 5), "\"{n*9223372036854775807}\": the value does not fit into 64 bits");
  EXPECT_EQ(Value("{(-9223372036854775807-n)/(0-1)}", 1),
            "\"{(-9223372036854775807-n)/(0-1)}\": the value does not fit into 64 bits");
  EXPECT_EQ(Value("{n+}", 5), "\"{n+}\": this is no arithmetic over n");
  EXPECT_EQ(Value("{n n}", 5), "\"{n n}\": this is no arithmetic over n");
  EXPECT_EQ(Value("{" + std::string(100, '(') + "n" + std::string(100, ')') + "}", 1).find("nested too deep") !=
                std::string::npos,
            true);
}

std::string Ids(const Topology& topology) {
  std::string out;
  for (const Link& link : topology.links) out += link.id() + "\n";
  return out;
}

TEST(Ranges, OfAnEntryReachItsScalarsOnly) {
  const Topology topology = Loaded(
      "nodes:\n"
      "  h[1-2]: {interfaces: {\"d{n}\": {type: vrf, table: \"{n+100}\", addresses: [\"10.0.{n}.1/24\"]}}}\n"
      "  x: {exec: [[echo, \"{n}\"]]}\n");
  EXPECT_EQ(topology.nodes[1].name, "h2");
  EXPECT_EQ(topology.nodes[1].interfaces[0].name, "d2");
  EXPECT_EQ(std::get<Vrf>(topology.nodes[1].interfaces[0].type).table, 102U);
  EXPECT_EQ(AddressesOf(topology, "h1", "d1"), "10.0.1.1/24");
  EXPECT_EQ(topology.nodes[2].exec[0].command[1], "{n}");
}

TEST(Ranges, JoinPairwiseInTheOrderWritten) {
  EXPECT_EQ(Ids(Loaded("nodes: {\"r[1-3]\": }\nlinks: [{endpoints: [\"r[1-3]:right\", \"r[2-3,1]:left\"]}]\n")),
            "r1:right--r2:left\nr2:right--r3:left\nr3:right--r1:left\n");
  EXPECT_EQ(Ids(Loaded("nodes: {\"r[1-2]\": , s: }\nlinks: [{endpoints: [\"r[1-2]:e\", \"s:e{n}\"]}]\n")),
            "r1:e--s:e1\nr2:e--s:e2\n");
  EXPECT_EQ(Ids(Loaded("nodes: {\"r[1-2]\": }\nbridges: {sw: }\nlinks: [{endpoints: [{node: \"r[1-2]\", interface: e}, "
                       "{bridge: sw, port: \"p{n}\"}]}]\n")),
            "r1:e--sw:p1\nr2:e--sw:p2\n");
}

TEST(Ranges, RefuseWhatDoesNotFit) {
  EXPECT_EQ(Told("nodes: {\"r[1-3]\": }\nlinks: [{endpoints: [\"r[1-3]:a\", \"r[1-2]:b\"]}]\n"),
            "2:34: a range of 2 beside a range of 3: ranges are joined pairwise\n  2:22: the other range\n");
  EXPECT_EQ(Told("nodes: {\"r[1-3]\": , s: }\nlinks: [{endpoints: [\"r[1-3]:a\", \"s:b\"]}]\n"),
            "2:22: a range of 3 against one interface: only a bridge takes many cables\n  2:34: the one interface\n");
  EXPECT_EQ(Told("nodes: {\"h[1-3]\": , h2: }\n"),
            "1:21: node \"h2\": a range and another entry both make this name\n  1:9: first here\n");
  EXPECT_EQ(Told("bridges: {\"b[1-3]\": , \"b[3-4]\": }\n"),
            "1:23: bridge \"b3\": a range and another entry both make this name\n  1:11: first here\n");
  EXPECT_EQ(Told("nodes: {\"h[1-2]\": {interfaces: {d: {type: dummy, mtu: \"{1500/(n-1)}\"}}}}\n"),
            "1:55: \"{1500/(n-1)}\": division by zero\n");
}

}  // namespace
}  // namespace runner
