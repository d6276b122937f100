#include "base/ip.h"

#include <gtest/gtest.h>

namespace runner {
namespace {

IpAddress Address(std::string_view text) {
  const auto address = IpAddress::Parse(text);
  EXPECT_TRUE(address.has_value()) << text;
  return address.value_or(IpAddress());
}

IpPrefix Prefix(std::string_view text) {
  const auto prefix = IpPrefix::Parse(text);
  EXPECT_TRUE(prefix.has_value()) << text;
  return prefix.value_or(IpPrefix());
}

TEST(IpAddress, PrintsTheCanonicalForm) {
  for (const auto& [text, canonical] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"0.0.0.0", "0.0.0.0"},
           {"192.168.1.10", "192.168.1.10"},
           {"2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
           {"fd00:0000::0001", "fd00::1"},
           {"::", "::"},
           {"::ffff:10.0.0.1", "::ffff:10.0.0.1"},
       }) {
    EXPECT_EQ(Address(text).text(), canonical);
    EXPECT_EQ(Address(canonical), Address(text));
  }
}

TEST(IpAddress, RefusesWhatIsNoAddress) {
  using namespace std::string_view_literals;
  for (const std::string_view text : {""sv, "10.0.0"sv, "10.0.0.01"sv, "010.0.0.1"sv, "256.0.0.1"sv, "1.2.3.4 "sv,
                                      " 1.2.3.4"sv, "1.2.3.4\0x"sv, "10.0.0.1/24"sv, "0x7f.1"sv, ":::"sv,
                                      "fd00::1::2"sv, "fe80::1%eth0"sv, "[::1]"sv, "12345::"sv, "localhost"sv}) {
    EXPECT_FALSE(IpAddress::Parse(text).has_value()) << text;
  }
}

TEST(IpAddress, KnowsItsKind) {
  EXPECT_TRUE(Address("0.0.0.0").is_unspecified());
  EXPECT_TRUE(Address("::").is_unspecified());
  EXPECT_FALSE(Address("::1").is_unspecified());
  EXPECT_TRUE(Address("127.255.0.1").is_loopback());
  EXPECT_TRUE(Address("::1").is_loopback());
  EXPECT_FALSE(Address("::2").is_loopback());
  EXPECT_TRUE(Address("169.254.3.4").is_link_local());
  EXPECT_TRUE(Address("febf::1").is_link_local());
  EXPECT_FALSE(Address("fec0::1").is_link_local());
  EXPECT_TRUE(Address("239.1.2.3").is_multicast());
  EXPECT_TRUE(Address("ff02::1").is_multicast());
  EXPECT_FALSE(Address("240.0.0.1").is_multicast());
}

TEST(IpAddress, CountsOn) {
  EXPECT_EQ(Address("10.0.0.255").Plus(1), Address("10.0.1.0"));
  EXPECT_EQ(Address("10.0.0.0").Plus(65536), Address("10.1.0.0"));
  EXPECT_EQ(Address("fd00::ffff:ffff:ffff:ffff").Plus(1), Address("fd00:0:0:1::"));
  EXPECT_EQ(Address("255.255.255.255").Plus(0), Address("255.255.255.255"));
  EXPECT_FALSE(Address("255.255.255.255").Plus(1).has_value());
  EXPECT_FALSE(Address("0.0.0.0").Plus(1ULL << 32).has_value());
}

TEST(IpAddress, RoundTripsBytes) {
  EXPECT_EQ(IpAddress::FromIpv4(0x0a000102).text(), "10.0.1.2");
  EXPECT_EQ(Address("10.0.1.2").ipv4(), 0x0a000102U);
  const IpAddress v6 = Address("fd00::1:2");
  EXPECT_EQ(IpAddress::FromBytes(Family::kIpv6, v6.bytes()), v6);
  EXPECT_NE(Address("::"), Address("0.0.0.0"));
}

TEST(IpPrefix, NeedsAValidLength) {
  EXPECT_EQ(Prefix("10.0.0.1/24").text(), "10.0.0.1/24");
  EXPECT_EQ(Prefix("::/0").text(), "::/0");
  for (const std::string_view text :
       {"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/024", "10.0.0.0/+8", "fd00::/129", "/24",
        "10.0.0.0/8 ", "10.0.0.0/8/9", "10.0.0.0/0000000001"}) {
    EXPECT_FALSE(IpPrefix::Parse(text).has_value()) << text;
  }
}

TEST(IpPrefix, MasksAtAnyBit) {
  EXPECT_EQ(Prefix("192.168.77.200/21").Masked().text(), "192.168.72.0/21");
  EXPECT_EQ(Prefix("192.168.77.200/0").Masked().text(), "0.0.0.0/0");
  EXPECT_EQ(Prefix("fd00:1:3::9/47").Masked().text(), "fd00:1:2::/47");
  EXPECT_TRUE(Prefix("10.0.0.1/24").has_host_bits());
  EXPECT_FALSE(Prefix("10.0.0.0/24").has_host_bits());
  EXPECT_FALSE(Prefix("10.0.0.1/32").has_host_bits());
}

TEST(IpPrefix, KnowsItsLastAddress) {
  EXPECT_EQ(Prefix("10.0.4.9/22").Last().text(), "10.0.7.255");
  EXPECT_EQ(Prefix("fd00::/127").Last().text(), "fd00::1");
}

TEST(IpPrefix, ContainsWithinOneFamily) {
  EXPECT_TRUE(Prefix("10.0.0.0/8").Contains(Address("10.255.0.1")));
  EXPECT_FALSE(Prefix("10.0.0.0/8").Contains(Address("11.0.0.0")));
  EXPECT_FALSE(Prefix("0.0.0.0/0").Contains(Address("::1")));
  EXPECT_TRUE(Prefix("10.0.0.0/8").Contains(Prefix("10.1.0.0/16")));
  EXPECT_FALSE(Prefix("10.1.0.0/16").Contains(Prefix("10.0.0.0/8")));
  EXPECT_TRUE(Prefix("10.1.0.0/16").Overlaps(Prefix("10.0.0.0/8")));
  EXPECT_FALSE(Prefix("10.1.0.0/16").Overlaps(Prefix("10.2.0.0/16")));
  EXPECT_TRUE(Prefix("::/0").is_default());
}

}  // namespace
}  // namespace runner
