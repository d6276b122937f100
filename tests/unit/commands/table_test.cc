#include "commands/table.h"

#include <gtest/gtest.h>

namespace runner {
namespace {

TEST(Table, MakesColumnsAsWideAsTheirWidestCell) {
  EXPECT_EQ("NAME    NODES\na       12\nhäuser  1\n", Table({{"NAME", "NODES"}, {"a", "12"}, {"häuser", "1"}}));
}

TEST(Table, LeavesNoBlanksAtTheEnd) { EXPECT_EQ("A  B\nx\n", Table({{"A", "B"}, {"x", ""}})); }

}  // namespace
}  // namespace runner
