#include "commands/kept_packets.h"

#include <gtest/gtest.h>

namespace runner {
namespace {

TEST(KeptPackets, ForgetsTheOldestBeyondItsBound) {
  KeptPackets kept;
  for (int i = 0; i < 100; ++i) kept.Add({.time = i, .length = 1000, .bytes = std::string(1000, 'x')});
  kept.Trim(200'000);
  EXPECT_EQ(kept.packets().size(), 100U);
  kept.Trim(50'000);
  EXPECT_EQ(kept.passed(), 100U);
  EXPECT_EQ(kept.packets().back().time, 99);
  EXPECT_GT(kept.packets().size(), 30U);
  EXPECT_LE(kept.packets().size(), 50U);
  kept.Trim(0);
  EXPECT_TRUE(kept.packets().empty());
  kept.Add({.time = 100, .length = 1, .bytes = "x"});
  kept.Trim(50'000);
  EXPECT_EQ(kept.packets().size(), 1U);
}

}  // namespace
}  // namespace runner
