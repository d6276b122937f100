#include "kernel/keepsake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernel/l3.h"

namespace runner {
namespace {

using test::InSandbox;
using test::Shell;

/// Addresses of v0 and all routes over it, as `ip` tells them: without what only times and counts.
std::string Told() {
  return Shell(
      "ip address show dev v0 | grep -v valid_lft | grep inet | sort; ip route show table all dev v0 | sort;"
      "ip -6 route show table all dev v0 | sort");
}

/// What a move to another namespace and back does.
void LoseAll() { Shell("ip link set v0 down; ip address flush dev v0; ip link set v0 up"); }

TEST(Keepsake, AddressesAndRoutesComeBackAsTheyWere) {
  InSandbox([] {
    test::TwoLinks();
    Shell(
        "ip address add 10.0.0.7/24 brd + label v0:x dev v0; ip address add 192.0.2.1 peer 192.0.2.2/32 dev v0;"
        "ip address add 10.5.0.1/24 dev v0 valid_lft 5000 preferred_lft 4000 noprefixroute;"
        "ip address add fd05::1/64 dev v0 nodad noprefixroute;"
        "ip route add 10.6.0.0/16 via 10.0.0.9 metric 7 proto static src 10.0.0.7; ip route add 10.7.0.0/16 dev v0 "
        "table 90;"
        "ip route add default via 10.0.0.9 mtu 1400; ip -6 route add fd06::/64 via fd00::9 metric 5");
    NetlinkSocket socket = test::Socket();
    const int index = test::Index(socket, "v0");
    const std::string before = Told();
    const auto kept = Keep(socket, index);
    ASSERT_TRUE(kept.ok()) << kept.error().text();
    LoseAll();
    EXPECT_NE(Told(), before);
    const Errors errors = GiveBack(socket, index, *kept);
    for (const Error& error : errors) ADD_FAILURE() << error.text();
    EXPECT_EQ(Told(), before);
    EXPECT_THAT(GiveBack(socket, index, *kept), testing::IsEmpty()) << "there already";
    EXPECT_EQ(Told(), before);
  });
}

TEST(Keepsake, UnderAnotherNumberToo) {
  InSandbox([] {
    test::TwoLinks();
    Shell("ip route add 10.6.0.0/16 via 10.0.0.9");
    NetlinkSocket socket = test::Socket();
    const auto kept = Keep(socket, test::Index(socket, "v0"));
    ASSERT_TRUE(kept.ok());
    Shell(
        "ip link del v0; ip link add name v0 index 4711 type veth peer name v1; ip link set v1 up; ip link set v0 up");
    EXPECT_THAT(GiveBack(socket, 4711, *kept), testing::IsEmpty());
    EXPECT_THAT(Told(), testing::HasSubstr("10.0.0.1/24"));
    EXPECT_THAT(Told(), testing::HasSubstr("10.6.0.0/16 via 10.0.0.9"));
  });
}

TEST(Keepsake, WhatIsRefusedKeepsNothingElseAway) {
  InSandbox([] {
    test::TwoLinks();
    Shell("ip route add 10.6.0.0/16 via 10.0.0.9");
    NetlinkSocket socket = test::Socket();
    const int index = test::Index(socket, "v0");
    auto kept = Keep(socket, index);
    ASSERT_TRUE(kept.ok());
    LoseAll();
    kept->insert(kept->begin(), "nonsense");
    kept->insert(kept->begin(), std::string(64, '0'));
    EXPECT_EQ(GiveBack(socket, index, *kept).size(), 2U);
    EXPECT_THAT(Told(), testing::HasSubstr("10.6.0.0/16 via 10.0.0.9"));
  });
}

}  // namespace
}  // namespace runner
