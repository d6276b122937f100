#include "commands/watch_screen.h"

#include <gtest/gtest.h>

namespace runner {
namespace {

WatchModel Small() {
  return {
      .title = "lab: 2 nodes, 1 link",
      .state = "1 object not as recorded",
      .tables = {{.heading = "NOT AS RECORDED",
                  .columns = {},
                  .rows = {{.cells = {"~   link a:eth0--b:eth0  a:eth0 up on → off"}, .style = LineStyle::kChanged}}},
                 {.heading = "UPLINK", .columns = {{"STATE", 7}}, .rows = {}},
                 {.heading = "LINK",
                  .columns = {{"STATE", 10}, {"→ bit/s", -7}, {"← bit/s", -7}},
                  .rows = {{.cells = {"a:eth0 -- b:eth0", "down", "1.2M", "0"}},
                           {.cells = {"a:eth1 -- host:h0", "", "", ""}}}}},
      .events = {}};
}

std::string Text(const std::vector<ScreenLine>& lines) {
  std::string text;
  for (const ScreenLine& line : lines) text += line.text + "\n";
  return text;
}

TEST(WatchScreen, ShowsWhatThereIsInColumns) {
  const WatchModel model = Small();
  const WatchWindow window(model, {.rows = 11, .columns = 60}, 0);
  EXPECT_EQ(Text(window.Draw()),
            "lab: 2 nodes, 1 link                1 object not as recorded\n"
            "NOT AS RECORDED\n"
            "~   link a:eth0--b:eth0  a:eth0 up on → off\n"
            "\n"
            "LINK                            STATE       → bit/s  ← bit/s\n"
            "a:eth0 -- b:eth0                down           1.2M        0\n"
            "a:eth1 -- host:h0\n"
            "\n"
            "\n"
            "\n"
            "q quit\n");
  const auto lines = window.Draw();
  EXPECT_EQ(lines[0].style, LineStyle::kTitle);
  EXPECT_EQ(lines[1].style, LineStyle::kHeading);
  EXPECT_EQ(lines[2].style, LineStyle::kChanged);
  EXPECT_EQ(lines[10].style, LineStyle::kDim);
  EXPECT_EQ(window.rows(), (std::vector<ShownRow>{{0, 0}, {2, 0}, {2, 1}}));
}

TEST(WatchScreen, ShowsTheLatestEventsWhereThereIsRoom) {
  WatchModel model = Small();
  for (int i = 1; i <= 7; ++i) model.events.push_back({"event " + std::to_string(i), LineStyle::kMended});
  EXPECT_EQ(Text(WatchWindow(model, {.rows = 12, .columns = 40}, 0).Draw()),
            "lab: 2 nodes, 1 link  1 object not as r…\n"
            "NOT AS RECORDED\n"
            "~   link a:eth0--b:eth0  a:eth0 up on →…\n"
            "\n"
            "LINK          STATE       → bit/s  ← bi…\n"
            "LATEST\n"
            "event 3\n"
            "event 4\n"
            "event 5\n"
            "event 6\n"
            "event 7\n"
            "q quit                          1-4 of 6\n");
  const WatchWindow low(model, {.rows = 5, .columns = 40}, 0);
  EXPECT_EQ(low.height(), 3);
  EXPECT_EQ(Text(low.Draw()).find("LATEST"), std::string::npos);
}

TEST(WatchScreen, TellsBothEndsOfACableHoweverLongTheirNamesAre) {
  WatchModel model;
  model.tables = {{.heading = "LINK",
                   .columns = {{"STATE", 5}},
                   .rows = {{.cells = {"a-very-long-name-of-a-node:eth0 -- another-very-long-name:eth0", "up"}},
                            {.cells = {"a-very-long-name-of-a-node:eth0 -- b:e", "up"}}}}};
  EXPECT_EQ(Text(WatchWindow(model, {.rows = 5, .columns = 40}, 0).Draw()),
            std::string(40, ' ') +
                "\n"  // a bar without words
                "LINK                               STATE\n"
                "a-very-long-n… -- another-very-l…  up\n"
                "a-very-long-name-of-a-nod… -- b:e  up\n"
                "q quit\n");
}

TEST(WatchScreen, ScrollsAndStaysInsideWhatThereIs) {
  WatchModel model;
  WatchTable nodes{.heading = "NODE", .columns = {}, .rows = {}};
  WatchTable links{.heading = "LINK", .columns = {}, .rows = {}};
  for (int i = 0; i < 1000; ++i) nodes.rows.push_back({.cells = {"n" + std::to_string(i)}});
  for (int i = 0; i < 3; ++i) links.rows.push_back({.cells = {"l" + std::to_string(i)}});
  model.tables = {nodes, links};
  const ScreenSize size{.rows = 6, .columns = 80};
  const WatchWindow middle(model, size, 500);
  EXPECT_EQ(Text(middle.Draw()),
            std::string(80, ' ') +
                "\n"
                "n499\nn500\nn501\nn502\n"
                "q quit  ↑ ↓ PgUp PgDn Home End scroll  Tab next table            501-504 of 1006\n");
  EXPECT_EQ(middle.rows(), (std::vector<ShownRow>{{0, 499}, {0, 500}, {0, 501}, {0, 502}}));
  EXPECT_EQ(middle.NextTable(), 1002);
  const WatchWindow end(model, size, 5000);
  EXPECT_EQ(end.first(), 1002);
  EXPECT_EQ(end.NextTable(), 0);
  EXPECT_EQ(Text(end.Draw()).find("\nn999\n"), std::string::npos);
  EXPECT_EQ(end.rows(), (std::vector<ShownRow>{{1, 0}, {1, 1}, {1, 2}}));
  EXPECT_EQ(WatchWindow(model, size, -3).first(), 0);
  // A terminal that was made lower than its lines, or than anything.
  for (const int rows : {0, 1, 2, 3}) {
    for (const int columns : {0, 1, 3}) {
      const auto lines = WatchWindow(model, {.rows = rows, .columns = columns}, 0).Draw();
      EXPECT_EQ(lines.size(), static_cast<std::size_t>(rows));
    }
  }
}

TEST(WatchScreen, WritesRatesShort) {
  EXPECT_EQ(RateText({}), "-");
  EXPECT_EQ(RateText(0), "0");
  EXPECT_EQ(RateText(999.4), "999");
  EXPECT_EQ(RateText(999.6), "1.0k");
  EXPECT_EQ(RateText(9949), "9.9k");
  EXPECT_EQ(RateText(9951), "10k");
  EXPECT_EQ(RateText(999'600), "1.0M");
  EXPECT_EQ(RateText(23.4e9), "23G");
  EXPECT_EQ(RateText(4e15), "4000T");
}

}  // namespace
}  // namespace runner
