#include "base/units.h"

#include <gtest/gtest.h>

#include <random>

namespace runner {
namespace {

TEST(Units, TimesAreWrittenInTheLargestWholeUnit) {
  EXPECT_EQ(Nanoseconds{20'000'000}.text(), "20ms");
  EXPECT_EQ(Nanoseconds{1'500'000}.text(), "1500us");
  EXPECT_EQ(Nanoseconds{3'000'000'000}.text(), "3s");
  EXPECT_EQ(Nanoseconds{7}.text(), "7ns");
  EXPECT_EQ(Nanoseconds{}.text(), "0s");
}

TEST(Units, RatesAreWrittenInTheLargestWholeUnit) {
  EXPECT_EQ(BitRate{10'000'000}.text(), "10mbit");
  EXPECT_EQ(BitRate{1'000'000'000}.text(), "1gbit");
  EXPECT_EQ(BitRate{1'200}.text(), "1200bit");
}

TEST(Units, SharesAreWrittenAsShortAsTheyCanBe) {
  EXPECT_EQ(Share::OfPercent(1.5).text(), "1.5%");
  EXPECT_EQ(Share::OfPercent(0.1).text(), "0.1%");
  EXPECT_EQ(Share::OfPercent(100).count, 0xffffffffU);
  EXPECT_EQ(Share::OfPercent(100).text(), "100%");
  EXPECT_EQ(Share{}.text(), "0%");
}

TEST(Units, EveryTextIsReadBack) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    const Share share{static_cast<std::uint32_t>(random())};
    EXPECT_EQ(Share::Parse(share.text()), share) << share.count;
    const Nanoseconds time{static_cast<std::int64_t>(random() >> 2)};
    EXPECT_EQ(Nanoseconds::Parse(time.text()), time) << time.count;
    const BitRate rate{random() >> 2};
    EXPECT_EQ(BitRate::Parse(rate.text()), rate) << rate.bits;
  }
  for (const std::uint32_t count : {0U, 1U, 2U, 0xfffffffeU, 0xffffffffU}) {
    EXPECT_EQ(Share::Parse(Share{count}.text()), Share{count}) << count;
  }
}

TEST(Units, OtherTextIsRefused) {
  for (const char* text : {"", "20", "ms", "-1ms", "1.5ms", "20 ms", "99999999999999999999s", "9223372037s"}) {
    EXPECT_FALSE(Nanoseconds::Parse(text)) << text;
  }
  for (const char* text : {"", "10", "10mb", "-1bit", "mbit"}) EXPECT_FALSE(BitRate::Parse(text)) << text;
  for (const char* text : {"", "1", "%", "-1%", "101%", "1%%", "nan%", "x%"}) EXPECT_FALSE(Share::Parse(text)) << text;
}

}  // namespace
}  // namespace runner
