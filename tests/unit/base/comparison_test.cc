#include "base/comparison.h"

#include <gmock/gmock.h>

namespace runner {
namespace {

bool Holds(std::string_view text, Quantity quantity, double measured) {
  const auto comparison = Comparison::Parse(text, quantity);
  EXPECT_TRUE(comparison) << text;
  return comparison && comparison->Holds(measured);
}

TEST(Comparison, ComparesTimesInTheirUnits) {
  EXPECT_TRUE(Holds("<= 45ms", Quantity::kTime, 45e6));
  EXPECT_FALSE(Holds("<= 45ms", Quantity::kTime, 45e6 + 1));
  EXPECT_TRUE(Holds(">1.5s", Quantity::kTime, 1.6e9));
  EXPECT_TRUE(Holds("< 800us", Quantity::kTime, 799'999));
  EXPECT_FALSE(Holds("< 800 us", Quantity::kTime, 800'000));
}

TEST(Comparison, ComparesSharesAndRates) {
  EXPECT_TRUE(Holds("<= 1%", Quantity::kShare, 1));
  EXPECT_TRUE(Holds("0%", Quantity::kShare, 0));
  EXPECT_FALSE(Holds("0%", Quantity::kShare, 0.1));
  EXPECT_TRUE(Holds(">= 10mbit", Quantity::kRate, 10e6));
  EXPECT_FALSE(Holds(">= 1gbit", Quantity::kRate, 999e6));
}

TEST(Comparison, ComparesNumbersWithEveryOperator) {
  EXPECT_TRUE(Holds("200", Quantity::kNumber, 200));
  EXPECT_TRUE(Holds("== 200", Quantity::kNumber, 200));
  EXPECT_TRUE(Holds("= 200", Quantity::kNumber, 200));
  EXPECT_TRUE(Holds("!= 0", Quantity::kNumber, 1));
  EXPECT_FALSE(Holds("!= 0", Quantity::kNumber, 0));
  EXPECT_TRUE(Holds(">= 400", Quantity::kNumber, 404));
}

TEST(Comparison, RequiresTheUnitOfItsQuantity) {
  for (const char* text : {"45", "<= 45", "45 parsec", "45%", "-1ms", "", "<=", "ms", "1e9999s", "45ms x"}) {
    EXPECT_FALSE(Comparison::Parse(text, Quantity::kTime)) << text;
  }
  EXPECT_FALSE(Comparison::Parse("1%", Quantity::kNumber));
  EXPECT_FALSE(Comparison::Parse("10Mbps", Quantity::kRate));
}

TEST(Comparison, ShowsWhatWasMeasured) {
  EXPECT_EQ(QuantityText(12'345'678, Quantity::kTime), "12.35ms");
  EXPECT_EQ(QuantityText(0, Quantity::kTime), "0ns");
  EXPECT_EQ(QuantityText(9.71e6, Quantity::kRate), "9.71mbit");
  EXPECT_EQ(QuantityText(2.5, Quantity::kShare), "2.5%");
  EXPECT_EQ(QuantityText(65535, Quantity::kNumber), "65535");
}

}  // namespace
}  // namespace runner
