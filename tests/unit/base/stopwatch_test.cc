#include "base/stopwatch.h"

#include <gmock/gmock.h>

namespace runner {
namespace {

TEST(Stopwatch, MeasuresOnlyWhenAsked) {
  { const Stopwatch early("early"); }
  EXPECT_TRUE(TimedParts().empty());
  StartTiming();
  for (int i = 0; i < 3; ++i) const Stopwatch part("part");
  { const Stopwatch inner("inner", Stopwatch::Counts::kWithinOthers); }
  ASSERT_EQ(TimedParts().size(), 2U);
  EXPECT_EQ(TimedParts()[0].name, "part");
  EXPECT_EQ(TimedParts()[0].times, 3);
  EXPECT_FALSE(TimedParts()[0].within);
  EXPECT_TRUE(TimedParts()[1].within);
  AddTimedParts({{.name = "part", .seconds = 2, .times = 1}, {.name = "other", .seconds = 1, .times = 1}});
  EXPECT_EQ(TimedParts()[0].times, 4);
  EXPECT_GE(TimedParts()[0].seconds, 2);
  EXPECT_EQ(TimedParts()[2].name, "other");
}

TEST(Stopwatch, TellsWhatNoPartAccountsFor) {
  const auto lines = TimingTable({{.name = "read the file", .seconds = 0.5, .times = 1},
                                  {.name = "the kernel's answers", .seconds = 1.2, .times = 1234, .within = true},
                                  {.name = "make namespace", .seconds = 1.25, .times = 40}},
                                 2.0);
  EXPECT_THAT(lines, testing::ElementsAre("    0.500 s  25 %        1  read the file",    //
                                          "    1.250 s  62 %       40  make namespace",   //
                                          "    0.250 s  12 %           everything else",  //
                                          "    2.000 s 100 %           together",         //
                                          "    1.200 s  60 %     1234  the kernel's answers, within the above"));
}

}  // namespace
}  // namespace runner
