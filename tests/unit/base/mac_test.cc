#include "base/mac.h"

#include <gtest/gtest.h>

namespace runner {
namespace {

TEST(MacAddress, ParsesSixPairs) {
  EXPECT_EQ(MacAddress::Parse("02:AB:00:cd:ef:09")->text(), "02:ab:00:cd:ef:09");
  for (const std::string_view text : {"", "02:ab:00:cd:ef", "02:ab:00:cd:ef:09:01", "02-ab-00-cd-ef-09",
                                      "2:ab:00:cd:ef:09x", "02:ab:00:cd:ef:0g", "02ab:00:cd:ef:009"}) {
    EXPECT_FALSE(MacAddress::Parse(text).has_value()) << text;
  }
}

TEST(MacAddress, KnowsItsKind) {
  EXPECT_TRUE(MacAddress::Parse("01:00:5e:00:00:01")->is_multicast());
  EXPECT_FALSE(MacAddress::Parse("02:00:5e:00:00:01")->is_multicast());
  EXPECT_TRUE(MacAddress().is_zero());
}

TEST(MacAddress, FromSeedIsStableLocalAndUnicast) {
  // The addresses of labs that are up must not change with a new version.
  EXPECT_EQ(MacAddress::FromSeed("home/laptop/eth0").text(), "7e:6b:5d:3c:3b:5a");
  EXPECT_NE(MacAddress::FromSeed("home/laptop/eth0"), MacAddress::FromSeed("home/laptop/eth1"));
  for (int i = 0; i < 256; ++i) {
    const MacAddress mac = MacAddress::FromSeed(std::to_string(i));
    EXPECT_EQ(mac.bytes()[0] & 0x03, 0x02) << mac.text();
  }
}

}  // namespace
}  // namespace runner
