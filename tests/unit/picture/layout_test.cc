#include "picture/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include <fmt/format.h>

#include "base/json.h"
#include "picture/tree.h"

namespace runner {
namespace {

using testing::HasSubstr;
using testing::Not;

Drawing Pair() {
  return {.lab = "pair",
          .made = "from pair.yaml",
          .boxes = {{.name = "a", .lines = {"eth0 192.0.2.1/24"}},
                    {.name = "b", .sections = {{.title = "t", .lines = {"</script>"}}}}},
          .cables = {{.a = "b", .b = "a", .a_label = "down0", .b_label = "up0", .lines = {"delay 20ms"}}}};
}

/// As Graphviz would answer: b below a.
constexpr const char* kPairAnswer = R"({"bb": "0,0,200,180",
  "objects": [{"name": "n1", "pos": "100,20"}, {"name": "n0", "pos": "100,150"}],
  "edges": [{"id": "c0", "pos": "100,130 100,110 100,60 100,40", "lp": "130,85"}]})";

TEST(Layout, ReadsPlacesFromTheTopDown) {
  const auto layout = ReadLayout(Pair(), kPairAnswer);
  ASSERT_TRUE(layout.ok()) << layout.error().text();
  EXPECT_EQ(layout->boxes[0].centre, (DrawnPoint{.x = 100, .y = 30}));
  EXPECT_EQ(layout->boxes[1].centre, (DrawnPoint{.x = 100, .y = 160}));
  EXPECT_EQ(layout->cables[0].curve.front(), (DrawnPoint{.x = 100, .y = 50}));
  EXPECT_EQ(layout->cables[0].label.centre, (DrawnPoint{.x = 130, .y = 95}));
}

TEST(Layout, NamesTheUpperEndFirst) {
  const auto layout = ReadLayout(Pair(), kPairAnswer);
  ASSERT_TRUE(layout.ok());
  EXPECT_THAT(layout->cables[0].lines, testing::ElementsAre("up0", "down0", "delay 20ms"));
}

TEST(Layout, TellsAnAnswerThatIsNone) {
  for (const char* answer :
       {"", "[]", "{}", R"({"bb": "0,0,x,1"})", R"({"bb": "0,0,1,1", "objects": [{"name": "n0", "pos": "1,1"}]})",
        R"({"bb": "0,0,1,1", "objects": [{"name": "n0", "pos": "1"}, {"name": "n1", "pos": "1,1"}]})"}) {
    const auto layout = ReadLayout(Pair(), answer);
    ASSERT_FALSE(layout.ok()) << answer;
    EXPECT_THAT(layout.error().text(), HasSubstr("Graphviz"));
  }
}

TEST(Layout, AsksForRoomForBoxesAndLabels) {
  const std::string request = LayoutRequest(Pair());
  EXPECT_THAT(request, HasSubstr("n0 [width="));
  // Three lines of ten letters at most, with a border.
  EXPECT_THAT(request, HasSubstr(R"(WIDTH="75" HEIGHT="46")"));
}

TEST(Layout, PutsManyLeavesInRows) {
  Drawing star{.lab = "star", .boxes = {{.name = "sw", .kind = DrawnBox::Kind::kSwitch}}, .cables = {}};
  for (int i = 0; i < 100; ++i) {
    star.boxes.push_back({.name = fmt::format("h{}", i), .lines = {"eth0 10.0.0.1/24"}});
    star.cables.push_back({.a = star.boxes.back().name, .b = "sw", .a_label = "eth0"});
  }
  const std::string request = LayoutRequest(star);
  EXPECT_THAT(request, AllOf(HasSubstr("n0 -- b0 [id=t0]"), Not(HasSubstr("n5 "))));

  const auto layout = ReadLayout(star, R"({"bb": "0,0,2400,1400",
    "objects": [{"name": "n0", "pos": "1200,1380"}, {"name": "b0", "pos": "1200,680"}],
    "edges": [{"id": "t0", "pos": "1200,1370 1200,1365 1200,1362 1200,1360"}]})");
  ASSERT_TRUE(layout.ok()) << layout.error().text();
  std::vector<DrawnArea> areas = layout->boxes;
  for (const PlacedCable& cable : layout->cables) {
    EXPECT_EQ(cable.curve.size() % 3, 1U);
    areas.push_back(cable.label);
  }
  for (std::size_t i = 0; i < areas.size(); ++i) {
    for (std::size_t j = i + 1; j < areas.size(); ++j) EXPECT_FALSE(areas[i].Overlaps(areas[j])) << i << " and " << j;
  }
  // Each cable ends at its own box.
  EXPECT_EQ(layout->cables[7].curve.back().x, layout->boxes[8].centre.x);
}

TEST(Layout, ABoxWithManyAddressesShowsTheirCount) {
  DrawnBox box{.name = "r"};
  for (int i = 0; i < 30; ++i) box.lines.push_back(fmt::format("lo 10.0.0.{}/32", i));
  const auto lines = BoxLines(box);
  ASSERT_EQ(lines.size(), 12U);
  EXPECT_EQ(lines.back(), "and 19 more");
}

TEST(Picture, EscapesWhatIsMarkup) {
  Drawing drawing = Pair();
  drawing.lab = "a<b>&\"c";
  const auto layout = ReadLayout(drawing, kPairAnswer);
  ASSERT_TRUE(layout.ok());
  EXPECT_THAT(SvgText(drawing, *layout), HasSubstr("aria-label=\"the lab a&lt;b&gt;&amp;&quot;c\""));
  const std::string page = PageText(drawing, *layout);
  EXPECT_THAT(page, HasSubstr("<h1>a&lt;b&gt;&amp;&quot;c</h1>"));
  EXPECT_THAT(page, HasSubstr(R"("lines":["\u003c/script>"])"));
  EXPECT_THAT(page, Not(HasSubstr("{{")));
}

TEST(Tree, TellsCirclesOnceAndLooseParts) {
  const Drawing drawing{
      .lab = "ring",
      .boxes = {{.name = "a"}, {.name = "b"}, {.name = "c", .lines = {"lo ::1/128"}}, {.name = "alone"}},
      .cables = {{.a = "a", .b = "b", .a_label = "e1", .b_label = "e2"},
                 {.a = "b", .b = "c", .a_label = "e3", .b_label = "e4", .lines = {"mtu 1400"}},
                 {.a = "c", .b = "a", .a_label = "e5", .b_label = "e6"}}};
  EXPECT_EQ(TreeText(drawing), R"(a
|-- e1 -- e2 b
`-- e6 -- e5 c
    |  lo ::1/128
    `-- e4 -- e3 (mtu 1400) b (above)
alone
)");
}

TEST(Tree, AChainIsAsDeepAsItIsLong) {
  Drawing chain{.lab = "chain", .boxes = {{.name = "r0"}}, .cables = {}};
  for (int i = 1; i < 2000; ++i) {
    chain.boxes.push_back({.name = fmt::format("r{}", i)});
    chain.cables.push_back({.a = fmt::format("r{}", i - 1), .b = fmt::format("r{}", i)});
  }
  const std::string text = TreeText(chain);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2000);
}

TEST(Mermaid, ShowsBoxesAndCables) {
  Drawing drawing = Pair();
  drawing.boxes.push_back({.name = "lan", .kind = DrawnBox::Kind::kSwitch});
  drawing.cables.push_back({.a = "a", .b = "lan", .a_label = "e\"0", .b_label = "tr0123"});
  EXPECT_EQ(MermaidText(drawing), R"(flowchart TB
  n0["a<br/>eth0 192.0.2.1/24"]
  n1["b"]
  n2(["lan"])
  n1 ---|"down0 - up0<br/>delay 20ms"| n0
  n0 ---|"e#quot;0"| n2
)");
}

}  // namespace
}  // namespace runner
