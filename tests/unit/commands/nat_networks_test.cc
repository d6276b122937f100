#include "commands/nat_networks.h"

#include <gtest/gtest.h>

namespace runner {
namespace {

IpPrefix Prefix(const char* text) { return *IpPrefix::Parse(text); }

Topology WithNatUplinks(const std::vector<std::string>& names) {
  Topology topology;
  topology.name = "home";
  for (const std::string& name : names) {
    Node node;
    node.name = name;
    node.uplink.emplace().type = Uplink::Type::kNat;
    topology.nodes.push_back(node);
  }
  return topology;
}

TEST(NatNetworks, AreTheFirstFreeOnesOfThePool) {
  const auto chosen = ChooseNatNetworks(WithNatUplinks({"a", "b"}), {}, {});
  EXPECT_EQ((NatNetworks{{"a", Prefix("10.213.0.0/30")}, {"b", Prefix("10.213.0.4/30")}}), *chosen);
}

TEST(NatNetworks, StepOverWhatIsTaken) {
  const auto chosen = ChooseNatNetworks(WithNatUplinks({"a"}), {}, {Prefix("10.213.0.0/29"), Prefix("10.213.0.9/32")});
  EXPECT_EQ(Prefix("10.213.0.12/30"), chosen->at("a"));
}

TEST(NatNetworks, KeepTheRecordedChoiceEvenIfItIsTaken) {
  // By this very lab, whose addresses stand on the host.
  const auto chosen =
      ChooseNatNetworks(WithNatUplinks({"a", "b"}), {{"b", Prefix("10.213.0.0/30")}}, {Prefix("10.213.0.0/30")});
  EXPECT_EQ((NatNetworks{{"a", Prefix("10.213.0.4/30")}, {"b", Prefix("10.213.0.0/30")}}), *chosen);
}

TEST(NatNetworks, DefaultRoutesAndIpv6TakeNothing) {
  const auto chosen = ChooseNatNetworks(WithNatUplinks({"a"}), {}, {Prefix("0.0.0.0/0"), Prefix("::/0")});
  EXPECT_EQ(Prefix("10.213.0.0/30"), chosen->at("a"));
}

TEST(NatNetworks, AreNotChosenForOthers) {
  Topology topology = WithNatUplinks({"a", "b"});
  topology.nodes[0].uplink->cidr = Prefix("192.0.2.0/24");
  topology.nodes[1].uplink->type = Uplink::Type::kSlirp;
  EXPECT_EQ(NatNetworks(), *ChooseNatNetworks(topology, {}, {}));
}

TEST(NatNetworks, AFullPoolIsAConflict) {
  const auto chosen = ChooseNatNetworks(WithNatUplinks({"a"}), {}, {Prefix("10.0.0.0/8")});
  ASSERT_FALSE(chosen.ok());
  EXPECT_EQ(Failure::kConflict, chosen.error().failure);
  EXPECT_EQ(
      "node \"a\": choose a network for its uplink: every /30 of 10.213.0.0/16 overlaps an address or route of the "
      "host; write a `cidr`",
      chosen.error().text());
}

}  // namespace
}  // namespace runner
