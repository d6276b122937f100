#include "base/columns.h"

#include <gtest/gtest.h>

namespace runner {
namespace {

TEST(FitColumns, CutsByColumnsAndLetsNothingMoveTheCursor) {
  EXPECT_EQ(FitColumns("eth0", 4), "eth0");
  EXPECT_EQ(FitColumns("eth01", 4), "eth…");
  EXPECT_EQ(FitColumns("漢字字", 5), "漢字…");
  EXPECT_EQ(FitColumns("漢字", 3), "漢…");
  EXPECT_EQ(FitColumns("e\u0301a", 2), "e\u0301a");
  EXPECT_EQ(FitColumns("a", 0), "");
  EXPECT_EQ(FitColumns("", 0), "");
  EXPECT_EQ(FitColumns("a\x1b[2J\tb\x7f", 20), "a?[2J?b?");
  // Of the second block of control characters; a beginning without its end, and an end without its beginning.
  EXPECT_EQ(FitColumns("a\u009b2J", 20), "a??2J");
  EXPECT_EQ(FitColumns("a\xe2\x1b[2J", 20), "a??[2J");
  EXPECT_EQ(FitColumns("\x80\xe2", 20), "??");
}

}  // namespace
}  // namespace runner
