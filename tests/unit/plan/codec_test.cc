#include "plan/codec.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "plan/difference.h"

namespace runner {
namespace {

VethAttributes Cable() {
  VethAttributes veth;
  veth.a.ns = "lab.r1";
  veth.a.name = "eth0";
  veth.a.mtu = 1500;
  veth.a.up = true;
  veth.b.ns = "lab.r2";
  veth.b.name = "eth0";
  veth.b.mtu = 1500;
  veth.b.mac = MacAddress::FromSeed("x");
  return veth;
}

RouteAttributes DefaultRoute() {
  RouteAttributes route;
  route.ns = "lab.r1";
  route.to = *IpPrefix::Parse("0.0.0.0/0");
  route.hops = {{.via = IpAddress::Parse("10.0.0.1"), .dev = "eth0", .weight = 2}};
  route.mtu = 1400;
  return route;
}

TEST(Codec, AttributesOfEachShapeComeBackFromJson) {
  UplinkAttributes uplink;
  uplink.node = "gw";
  uplink.cidr = IpPrefix::Parse("10.0.2.0/24");
  uplink.allow = {*IpPrefix::Parse("10.0.0.0/8"), *IpPrefix::Parse("fd00::/8")};
  ForwardAttributes forward;
  forward.host_port = {.first = 8000, .last = 8010};
  forward.target = *IpAddress::Parse("fd00::100");
  ViewAttributes view{
      .node = "a", .binds = {{.host_path = "/a", .path = "/b", .read_only = true}}, .tmpfs = {"/run/x"}};
  ProcessAttributes process{.node = "a", .name = "p", .command = {"sh", "-c", "x y"}};
  process.healthcheck = HealthcheckAttributes{.kind = "test", .test = {"true"}, .interval_ms = 5, .retries = 2};
  for (const Attributes& attributes : {Attributes(Cable()), Attributes(DefaultRoute()), Attributes(uplink),
                                       Attributes(forward), Attributes(view), Attributes(process)}) {
    const auto back = DecodeAttributes(static_cast<Kind>(attributes.index()), EncodeAttributes(attributes));
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(JsonText(EncodeAttributes(*back)), JsonText(EncodeAttributes(attributes)));
    EXPECT_TRUE(Differences(attributes, *back, nullptr).empty());
  }
}

TEST(Codec, ResourcesKeepPlaceAndDependencies) {
  const Resource resource{
      .id = {.kind = Kind::kRoute, .name = "r1/default"},
      .attributes = DefaultRoute(),
      .dependencies = {{.id = {.kind = Kind::kVeth, .name = "r1:eth0--r2:eth0"}},
                       {.id = {.kind = Kind::kActivation, .name = "lan:lan"}, .strength = DependsOn::Strength::kAfter}},
      .at = {.line = 3, .column = 9, .width = 4}};
  const auto back = DecodeResource(EncodeResource(resource));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->id.text(), "route r1/default");
  EXPECT_EQ(back->dependencies, resource.dependencies);
  EXPECT_EQ(back->at, resource.at);
}

TEST(Codec, ResourcesKeepWhatTheyOverride) {
  Resource resource{.id = {.kind = Kind::kImpairment, .name = "r1:eth0"},
                    .attributes = ImpairmentAttributes{.ns = "lab.r1", .dev = "eth0", .delay = {20'000'000}},
                    .dependencies = {},
                    .at = {}};
  EXPECT_FALSE(DecodeResource(EncodeResource(resource))->overridden);
  resource.overridden.emplace();
  auto back = DecodeResource(EncodeResource(resource));
  ASSERT_TRUE(back.ok() && back->overridden);
  EXPECT_FALSE(back->overridden->declared);
  resource.overridden->declared = ImpairmentAttributes{.ns = "lab.r1", .dev = "eth0", .loss = {7}};
  back = DecodeResource(EncodeResource(resource));
  ASSERT_TRUE(back.ok() && back->overridden && back->overridden->declared);
  EXPECT_EQ(std::get<ImpairmentAttributes>(*back->overridden->declared).loss.count, 7U);
}

TEST(Codec, AWrongTypeIsAnErrorNotADefault) {
  EXPECT_FALSE(DecodeAttributes(Kind::kAddress, {{"prefix", 5}}).ok());
  EXPECT_FALSE(DecodeAttributes(Kind::kAddress, {{"prefix", "10.0.0.1"}}).ok());
  EXPECT_FALSE(DecodeAttributes(Kind::kNat, {{"rules", {1}}}).ok());
  EXPECT_FALSE(DecodeResource({{"id", "nonsense x"}, {"attributes", Json::object()}}).ok());
}

TEST(Codec, NatRulesComeBack) {
  const NatRule forward{.rule = PortForward{.in = "wan0",
                                            .protocol = Protocol::kUdp,
                                            .port = {.first = 53, .last = 53},
                                            .to = *IpAddress::Parse("10.0.0.2"),
                                            .to_port = {}},
                        .at = {}};
  const NatRule masquerade{.rule = Masquerade{.out = "wan0", .source = IpPrefix::Parse("10.0.0.0/8")}, .at = {}};
  for (const NatRule& rule : {forward, masquerade}) {
    const auto back = DecodeNatRule(EncodeNatRule({.rule = rule}));
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(back->rule, rule);
    EXPECT_FALSE(back->hairpin);
  }
  const auto segment = IpPrefix::Parse("10.0.0.0/24");
  EXPECT_EQ(DecodeNatRule(EncodeNatRule({.rule = forward, .hairpin = segment}))->hairpin, segment);
  EXPECT_FALSE(DecodeNatRule(R"({"kind": "snat"})").ok());
}

TEST(Differences, NameTheEndAndBothValues) {
  VethAttributes wish = Cable();
  wish.b.mtu = 1400;
  const auto differences = Differences(wish, Cable(), nullptr);
  ASSERT_EQ(differences.size(), 1U);
  EXPECT_EQ(differences[0].text(), "r2:eth0 mtu 1500 → 1400");
  EXPECT_EQ(differences[0].role, Role::kInPlace);
}

TEST(Differences, WhatTheWishLeavesOpenDoesNotCount) {
  VethAttributes wish = Cable();
  wish.a.mtu.reset();
  VethAttributes now = Cable();
  now.a.mtu = 9000;
  EXPECT_TRUE(Differences(wish, now, nullptr).empty());
}

TEST(Differences, ASettingThatTheFileNoLongerMakesNeedsANewObject) {
  VethAttributes wish = Cable();
  wish.a.mtu.reset();
  const Attributes recorded = Cable();
  const auto differences = Differences(wish, Cable(), &recorded);
  ASSERT_EQ(differences.size(), 1U);
  EXPECT_EQ(differences[0].role, Role::kReplace);
}

TEST(Differences, RecordedFieldsAreComparedWithTheRecordAlone) {
  NatAttributes wish;
  wish.rules = {"b"};
  NatAttributes seen = wish;
  const Attributes recorded = [] {
    NatAttributes nat;
    nat.rules = {"a"};
    return nat;
  }();
  ASSERT_EQ(Differences(wish, seen, &recorded).size(), 1U);
  EXPECT_EQ(Differences(wish, seen, &recorded)[0].text(), "rules a → b");
  EXPECT_TRUE(Differences(wish, seen, nullptr).empty());
}

TEST(Differences, AnotherListingThanTheRecordedOneIsDrift) {
  NatAttributes wish;
  NatAttributes seen;
  seen.listing = "now";
  NatAttributes recorded;
  recorded.listing = "then";
  const Attributes record = recorded;
  ASSERT_EQ(Differences(wish, seen, &record).size(), 1U);
  EXPECT_EQ(Differences(wish, seen, &record)[0].text(), "listing changed");
}

}  // namespace
}  // namespace runner
