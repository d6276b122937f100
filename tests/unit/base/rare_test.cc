#include "base/rare.h"

#include <gtest/gtest.h>

#include <string>

namespace runner {
namespace {

TEST(Rare, IsCopiedWithItsValue) {
  Rare<std::string> a = std::string("text");
  Rare<std::string> b = a;
  *b += "s";
  EXPECT_EQ(*a, "text");
  EXPECT_EQ(*b, "texts");
  EXPECT_NE(a, b);
  a = b;
  EXPECT_EQ(a, b);
  Rare<std::string> c = std::move(b);
  EXPECT_EQ(c->size(), 5U);
  c.reset();
  EXPECT_FALSE(c);
  EXPECT_EQ(c, Rare<std::string>(std::nullopt));
}

TEST(Rare, GoesWithOptional) {
  const std::optional<int> none;
  EXPECT_FALSE(Rare<int>(none).has_value());
  const Rare<int> seven = std::optional(7);
  const std::optional<int> back = seven;
  EXPECT_EQ(back, 7);
  EXPECT_EQ(sizeof(Rare<std::string>), sizeof(void*));
}

}  // namespace
}  // namespace runner
