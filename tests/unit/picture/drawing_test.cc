#include "picture/drawing.h"

#include <gtest/gtest.h>

#include "plan/graph.h"
#include "topology/load.h"

namespace runner {
namespace {

Topology Load(const std::string& text) {
  LoadResult result = LoadTopology(text, {.file = "lab.yaml"});
  EXPECT_TRUE(result.ok()) << (result.errors.empty() ? "" : result.errors.front().text());
  return result.ok() ? std::move(*result.topology) : Topology();
}

constexpr const char* kLab = R"(name: home
nodes:
  pc: {interfaces: {eth0: {addresses: [192.0.2.10/24]}}}
  router:
    interfaces: {lan0: {addresses: [192.0.2.1/24]}}
    uplink: {type: slirp}
bridges: {lan: }
links:
  - endpoints: ["pc:eth0", "lan:p1"]
  - endpoints: ["router:lan0", "lan:p2"]
)";

TEST(Drawing, IsGraphvizText) {
  EXPECT_EQ(R"(graph "home" {
  node [shape=box];
  edge [labeldistance=1.5];
  "pc" [label="pc\neth0 192.0.2.10/24", shape=box];
  "router" [label="router\nlan0 192.0.2.1/24", shape=box];
  "lan" [label="lan", shape=ellipse];
  "uplink of router" [label="uplink of router\nslirp 10.0.2.0/24", shape=egg];
  "pc" -- "lan" [taillabel="eth0", headlabel="p1"];
  "router" -- "lan" [taillabel="lan0", headlabel="p2"];
  "router" -- "uplink of router" [taillabel="tap0"];
}
)",
            DotText(DrawTopology(Load(kLab))));
}

TEST(Drawing, OfTheRecordHasTheSameBoxesAndCables) {
  const Topology topology = Load(kLab);
  const Drawing from_file = DrawTopology(topology);
  const auto names = [](const Drawing& drawing) {
    std::vector<std::string> all;
    for (const DrawnBox& box : drawing.boxes) all.push_back(box.name);
    return all;
  };
  // What an uplink consists of makes no difference.
  for (const std::set<std::string>& without_tap : {std::set<std::string>(), std::set<std::string>{"router"}}) {
    const auto graph = BuildGraph(topology, {.nat_networks = {}, .without_tap = without_tap});
    ASSERT_TRUE(graph.ok());
    Record record;
    for (const Resource& resource : graph->resources()) record.push_back({.resource = resource, .former = {}});
    const Drawing from_record = DrawRecord("home", record);
    EXPECT_EQ(names(from_file), names(from_record));
    EXPECT_EQ(from_file.cables, from_record.cables);
  }
}

TEST(Drawing, QuotesWhatTheLanguageWouldTakeForItsOwn) {
  const Drawing drawing{.lab = "a\"b", .boxes = {{.name = "x\\y", .lines = {"q\"r"}}}, .cables = {}};
  const std::string text = DotText(drawing);
  EXPECT_NE(std::string::npos, text.find(R"(graph "a\"b")")) << text;
  EXPECT_NE(std::string::npos, text.find(R"("x\\y" [label="x\\y\nq\"r")")) << text;
}

TEST(Drawing, ShowsTheHostOnlyWhereItTakesPart) {
  const Drawing without = DrawTopology(Load("nodes: {a: , b: }\nlinks: [{endpoints: [\"a:e\", \"b:e\"]}]\n"));
  EXPECT_EQ(2U, without.boxes.size());
  const Drawing with = DrawTopology(Load("nodes: {a: }\nlinks: [{endpoints: [\"a:e\", \"host:h0\"]}]\n"));
  ASSERT_EQ(2U, with.boxes.size());
  EXPECT_EQ("host", with.boxes[1].name);
}

}  // namespace
}  // namespace runner
