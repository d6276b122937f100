#include "uplink/spec.h"
#include "base/json.h"

#include <gtest/gtest.h>

namespace runner {
namespace {

UplinkSpec Full() {
  UplinkSpec spec;
  spec.kind = UplinkSpec::Kind::kRelay;
  spec.lab = "home";
  spec.node = "r1";
  spec.interface = "up0";
  spec.mtu = 9000;
  spec.mac = MacAddress::FromSeed("x");
  spec.cidr = *IpPrefix::Parse("10.9.0.0/24");
  spec.ipv6 = IpPrefix::Parse("fd09::/64");
  spec.host_loopback = true;
  spec.allow = {*IpPrefix::Parse("192.0.2.0/24")};
  spec.deny = {*IpPrefix::Parse("::/0")};
  spec.dns = false;
  spec.relay_addresses = {*IpAddress::Parse("10.9.0.1")};
  spec.outbound = {"eth0", "192.0.2.9"};
  spec.names = {{"r1", {*IpAddress::Parse("10.9.0.1"), *IpAddress::Parse("fd09::1")}}};
  spec.state_folder = "/run/toporun/home";
  spec.node_path = "/run/netns/home.r1";
  spec.resolv_conf = "/tmp/resolv.conf";
  spec.dns_port = 5353;
  return spec;
}

TEST(UplinkSpec, ComesBackFromJson) {
  const auto back = UplinkSpec::FromJson(Full().ToJson());
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(*back, Full());
}

TEST(UplinkSpec, HasItsAddressesInTheNetwork) {
  UplinkSpec spec;
  EXPECT_EQ(spec.node_address().text(), "10.0.2.100");
  EXPECT_EQ(spec.gateway().text(), "10.0.2.2");
  EXPECT_EQ(spec.dns_address().text(), "10.0.2.3");
  EXPECT_FALSE(spec.gateway6());
  spec.ipv6 = IpPrefix::Parse("fd00::/64");
  EXPECT_EQ(spec.node_address6()->text(), "fd00::100");
  EXPECT_EQ(spec.gateway6()->text(), "fd00::2");
  EXPECT_EQ(spec.dns_address6()->text(), "fd00::3");
}

TEST(UplinkSpec, NamesTheMemberThatIsWrong) {
  const auto error = [](const char* key, Json value) {
    Json json = Full().ToJson();
    json[key] = std::move(value);
    const auto spec = UplinkSpec::FromJson(json);
    return spec ? "taken" : spec.error().text();
  };
  EXPECT_EQ(error("mtu", "big"), "the uplink \"mtu\" is not a number up to 65521");
  EXPECT_EQ(error("mtu", -1), "the uplink \"mtu\" is not a number up to 65521");
  EXPECT_EQ(error("lab", 3), "the uplink \"lab\" is not a string");
  EXPECT_EQ(error("lab", nullptr), "the uplink has no \"lab\"");
  EXPECT_EQ(error("allow", {"x"}), "the uplink \"allow\" is not a list of addresses");
  EXPECT_EQ(error("names", {{"r1", 3}}), "the table of names \"r1\" is not a list");
  EXPECT_EQ(error("kind", "magic"), "the uplink \"kind\" is not slirp or relay");
  EXPECT_EQ(UplinkSpec::FromJson(Json::array()).error().text(), "the uplink is not an object");
}

TEST(UplinkSpec, RefusesNetworksWithoutPlace) {
  UplinkSpec spec = Full();
  spec.kind = UplinkSpec::Kind::kSlirp;
  spec.cidr = *IpPrefix::Parse("10.0.2.0/26");
  EXPECT_EQ(UplinkSpec::FromJson(spec.ToJson()).error().text(),
            "network 10.0.2.0/26 has no place for the node's address 10.0.2.100");
}

TEST(UplinkSpec, OnlySomeMembersChangeInPlace) {
  UplinkSpec wanted = Full();
  wanted.names.clear();
  wanted.deny.clear();
  wanted.dns = true;
  wanted.mtu = 1500;
  wanted.host_loopback = false;
  EXPECT_TRUE(CanChangeInPlace(Full(), wanted));
  wanted.cidr = *IpPrefix::Parse("10.8.0.0/24");
  EXPECT_FALSE(CanChangeInPlace(Full(), wanted));
}

TEST(ForwardSpec, ComesBackFromJson) {
  const ForwardSpec forward{.protocol = ForwardSpec::Protocol::kUdp,
                            .host_address = *IpAddress::Parse("::"),
                            .first_host_port = 8080,
                            .last_host_port = 8082,
                            .target = *IpAddress::Parse("fd00::100"),
                            .first_port = 80,
                            .last_port = 82};
  EXPECT_EQ(forward.text(), "[::]:8080-8082:80-82/udp");
  const auto back = ForwardSpec::FromJson(forward.ToJson());
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(*back, forward);
}

TEST(ForwardSpec, RefusesWhatCannotBeServed) {
  ForwardSpec forward{.protocol = ForwardSpec::Protocol::kTcp,
                      .host_address = *IpAddress::Parse("::"),
                      .first_host_port = 80,
                      .last_host_port = 80,
                      .target = *IpAddress::Parse("10.0.2.100"),
                      .first_port = 80,
                      .last_port = 80};
  EXPECT_EQ(ForwardSpec::FromJson(forward.ToJson()).error().text(),
            "the forward [::]:80:80/tcp leads from :: to 10.0.2.100: one family only, or it would accept and answer "
            "nobody");
  forward.host_address = IpAddress();
  forward.last_port = 81;
  EXPECT_EQ(ForwardSpec::FromJson(forward.ToJson()).error().text(),
            "the forward 0.0.0.0:80:80-81/tcp has ranges of unequal length");
  forward.first_host_port = 0;
  EXPECT_EQ(ForwardSpec::FromJson(forward.ToJson()).error().text(),
            "the forward \"host_ports\" is not a pair of ports");
}

}  // namespace
}  // namespace runner
