#include "base/link_types.h"

#include <gtest/gtest.h>

#include <set>

namespace runner {
namespace {

std::optional<std::string> Canonical(std::string_view type, std::string_view option, std::string_view value) {
  const LinkOption* known = FindLinkOption(type, option);
  return known == nullptr ? std::nullopt : CanonicalLinkOption(*known, value);
}

TEST(LinkTypes, ValuesHaveOneSpelling) {
  EXPECT_EQ(Canonical("bond", "mode", "4"), "802.3ad");
  EXPECT_EQ(Canonical("bond", "mode", "802.3ad"), "802.3ad");
  EXPECT_EQ(Canonical("bond", "use_carrier", "true"), "on");
  EXPECT_EQ(Canonical("bond", "use_carrier", "0"), "off");
  EXPECT_EQ(Canonical("bond", "arp_ip_target", "10.0.0.1,10.0.0.2"), "10.0.0.1,10.0.0.2");
  EXPECT_EQ(Canonical("vxlan", "remote", "FD00::0:1"), "fd00::1");
  EXPECT_EQ(Canonical("vlan", "id", "0010"), "10");
}

TEST(LinkTypes, WhatIsNoValueIsNone) {
  EXPECT_FALSE(Canonical("vlan", "id", "0"));
  EXPECT_FALSE(Canonical("vlan", "id", "4095"));
  EXPECT_FALSE(Canonical("gre", "local", "fd00::1")) << "IPv4 only";
  EXPECT_FALSE(Canonical("ip6gre", "local", "10.0.0.1")) << "IPv6 only";
  EXPECT_FALSE(Canonical("bond", "lacp_rate", "quick"));
  EXPECT_FALSE(Canonical("bond", "arp_ip_target", "10.0.0.1,"));
  EXPECT_FALSE(Canonical("gre", "ttl", "256"));
  EXPECT_FALSE(Canonical("dummy", "id", "1")) << "no such setting";
}

TEST(LinkTypes, ValuesAreToldInWords) {
  EXPECT_EQ(LinkOptionValues(*FindLinkOption("bond", "lacp_rate")), "one of slow, fast");
  EXPECT_EQ(LinkOptionValues(*FindLinkOption("vlan", "id")), "a number from 1 to 4094");
  EXPECT_EQ(LinkOptionValues(*FindLinkOption("gre", "ttl")), "a number from 0 to 255");
  EXPECT_EQ(LinkOptionValues(*FindLinkOption("geneve", "remote")), "an IP address");
}

TEST(LinkTypes, SomeChangesNeedANewInterface) {
  const auto needs = [](std::string_view type, std::string_view option, std::string_view before,
                        std::string_view after) { return NeedsNewLink(*FindLinkOption(type, option), before, after); };
  EXPECT_TRUE(needs("vxlan", "id", "1", "2"));
  EXPECT_FALSE(needs("vxlan", "remote", "10.0.0.1", "10.0.0.2"));
  EXPECT_TRUE(needs("vxlan", "remote", "10.0.0.1", "fd00::1"));
  EXPECT_FALSE(needs("macvlan", "mode", "bridge", "vepa"));
  EXPECT_TRUE(needs("macvlan", "mode", "bridge", "passthru"));
}

TEST(LinkTypes, NoTwoSettingsOfATypeHaveOneName) {
  for (const LinkType& type : LinkTypes()) {
    std::set<std::string_view> names;
    for (const LinkOption& option : type.options) EXPECT_TRUE(names.insert(option.name).second) << option.name;
  }
}

}  // namespace
}  // namespace runner
