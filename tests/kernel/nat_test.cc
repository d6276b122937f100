#include "kernel/nat.h"
#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernel/throwaway.h"

namespace runner::kernel {
namespace {

using test::Connect;
using test::Listener;
using test::ThrowawayNet;
using test::TryConnect;
using ::testing::HasSubstr;
using ::testing::Not;

IpAddress Ip(const char* text) { return *IpAddress::Parse(text); }
IpPrefix Net(const char* text) { return *IpPrefix::Parse(text); }

/// lan -- router -- wan; the router has 10.0.0.1 and 192.0.2.1, in IPv6 fd00:a::1 and fd00:b::1. `wan` knows no way to
/// the LAN, so that only translated packets get their answer.
class NatTest : public ::testing::Test {
 protected:
  NatTest() {
    Connect(router_, "lan0", "10.0.0.1/24", lan_, "eth0", "10.0.0.2/24");
    Connect(router_, "wan0", "192.0.2.1/24", wan_, "eth0", "192.0.2.2/24");
    router_.Run("ip addr add fd00:a::1/64 dev lan0 nodad; ip addr add fd00:b::1/64 dev wan0 nodad");
    lan_.Run("ip addr add fd00:a::2/64 dev eth0 nodad; ip -6 route add default via fd00:a::1");
    lan_.Run("ip route add default via 10.0.0.1");
    wan_.Run("ip addr add fd00:b::2/64 dev eth0 nodad");
    router_.Run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
  }
  void Replace(const std::vector<NatRule>& rules) {
    const Status done = ReplaceNat(worker_, router_.fd(), NatTableId(), rules);
    ASSERT_TRUE(done.ok()) << done.error().text();
  }
  std::string Rules() const { return router_.Run("nft list ruleset"); }

  ThrowawayNet lan_;
  ThrowawayNet router_;
  ThrowawayNet wan_;
  NftWorker worker_;
};

TEST_F(NatTest, MasqueradesBothFamilies) {
  const Listener server(wan_, "192.0.2.2", 80);
  EXPECT_EQ(TryConnect(lan_, "192.0.2.2", 80, 300), ETIMEDOUT);
  Replace({Masquerade{.out = "wan0"}});
  EXPECT_EQ(TryConnect(lan_, "192.0.2.2", 80), 0);
  EXPECT_EQ(server.AcceptPeer(), "192.0.2.1");
  const Listener server6(wan_, "fd00:b::2", 80);
  EXPECT_EQ(TryConnect(lan_, "fd00:b::2", 80), 0);
  EXPECT_EQ(server6.AcceptPeer(), "fd00:b::1");
  EXPECT_THAT(Rules(), HasSubstr("comment \"masquerade out wan0\""));
}

TEST_F(NatTest, MasqueradesOnlyTheSource) {
  wan_.Run("ip route add 10.0.0.0/24 via 192.0.2.1");
  const Listener server(wan_, "192.0.2.2", 80);
  Replace({Masquerade{.out = "wan0", .source = Net("10.0.0.128/25")}});
  EXPECT_EQ(TryConnect(lan_, "192.0.2.2", 80), 0);
  EXPECT_EQ(server.AcceptPeer(), "10.0.0.2");
  Replace({Masquerade{.out = "wan0", .source = Net("10.0.0.0/25")}});
  EXPECT_EQ(TryConnect(lan_, "192.0.2.2", 80), 0);
  EXPECT_EQ(server.AcceptPeer(), "192.0.2.1");
}

TEST_F(NatTest, SourceNatTakesTheAddressOfItsFamily) {
  router_.Run("ip addr add 192.0.2.7/24 dev wan0");
  Replace({SourceNat{.out = "wan0", .source = Net("10.0.0.0/24"), .to = Ip("192.0.2.7")},
           SourceNat{.out = "wan0", .to = Ip("fd00:b::1")}});
  const Listener server(wan_, "192.0.2.2", 80);
  EXPECT_EQ(TryConnect(lan_, "192.0.2.2", 80), 0);
  EXPECT_EQ(server.AcceptPeer(), "192.0.2.7");
  const Listener server6(wan_, "fd00:b::2", 80);
  EXPECT_EQ(TryConnect(lan_, "fd00:b::2", 80), 0);
  EXPECT_EQ(server6.AcceptPeer(), "fd00:b::1");
}

TEST_F(NatTest, ForwardLeadsAPortInAndKeepsTheClient) {
  lan_.Run("ip route show default");
  const Listener server(lan_, "10.0.0.2", 80);
  Replace({PortForward{.first = 8080, .last = 8080, .to = Ip("10.0.0.2"), .to_first = 80}});
  EXPECT_EQ(TryConnect(wan_, "192.0.2.1", 8080), 0);
  EXPECT_EQ(server.AcceptPeer(), "192.0.2.2");
  EXPECT_EQ(TryConnect(wan_, "192.0.2.1", 8081), ECONNREFUSED);
}

TEST_F(NatTest, ForwardMeetsOnlyWhatIsAddressedToTheNode) {
  const Listener server(lan_, "10.0.0.2", 80);
  const Listener other(wan_, "192.0.2.2", 8080);
  wan_.Run("ip route add 10.0.0.0/24 via 192.0.2.1");
  Replace({PortForward{.first = 8080, .last = 8080, .to = Ip("10.0.0.2"), .to_first = 80}});
  // Through the node, not to it.
  EXPECT_EQ(TryConnect(lan_, "192.0.2.2", 8080), 0);
  EXPECT_EQ(other.AcceptPeer(), "10.0.0.2");
}

TEST_F(NatTest, ForwardMeetsTheNodesOwnPackets) {
  const Listener server(lan_, "10.0.0.2", 80);
  Replace({PortForward{.first = 8080, .last = 8080, .to = Ip("10.0.0.2"), .to_first = 80}});
  EXPECT_EQ(TryConnect(router_, "192.0.2.1", 8080), 0);
  EXPECT_EQ(server.AcceptPeer(), "192.0.2.1");
  EXPECT_EQ(TryConnect(router_, "127.0.0.1", 8080), ECONNREFUSED);
}

TEST_F(NatTest, ForwardToTheNodesOwnLoopbackMeetsLoopbackToo) {
  const Listener server(router_, "127.0.0.1", 80);
  Replace({PortForward{.first = 8080, .last = 8080, .to = Ip("127.0.0.1"), .to_first = 80}});
  EXPECT_EQ(TryConnect(router_, "127.0.0.1", 8080), 0);
}

TEST_F(NatTest, ForwardWithInMeetsThatInterfaceAlone) {
  const Listener server(lan_, "10.0.0.2", 80);
  Replace({PortForward{.in = "wan0", .first = 8080, .last = 8080, .to = Ip("10.0.0.2"), .to_first = 80}});
  EXPECT_EQ(TryConnect(wan_, "192.0.2.1", 8080), 0);
  EXPECT_EQ(server.AcceptPeer(), "192.0.2.2");
  EXPECT_EQ(TryConnect(lan_, "192.0.2.1", 8080), ECONNREFUSED);
  EXPECT_EQ(TryConnect(router_, "192.0.2.1", 8080), ECONNREFUSED);
}

TEST_F(NatTest, ForwardsEachPortOfARangeToItsOwn) {
  const Listener first(lan_, "10.0.0.2", 9000);
  const Listener third(lan_, "10.0.0.2", 9002);
  const Listener same(lan_, "10.0.0.2", 7001);
  const Listener six(lan_, "fd00:a::2", 9001);
  Replace({PortForward{.first = 8000, .last = 8010, .to = Ip("10.0.0.2"), .to_first = 9000},
           PortForward{.first = 7000, .last = 7001, .to = Ip("10.0.0.2"), .to_first = 7000},
           PortForward{.first = 8000, .last = 8010, .to = Ip("fd00:a::2"), .to_first = 9000}});
  EXPECT_EQ(TryConnect(wan_, "192.0.2.1", 8002), 0);
  EXPECT_EQ(third.AcceptPeer(), "192.0.2.2");
  EXPECT_EQ(TryConnect(wan_, "192.0.2.1", 8000), 0);
  EXPECT_EQ(first.AcceptPeer(), "192.0.2.2");
  EXPECT_EQ(TryConnect(wan_, "192.0.2.1", 8001), ECONNREFUSED);
  EXPECT_EQ(TryConnect(wan_, "192.0.2.1", 7001), 0);
  EXPECT_EQ(same.AcceptPeer(), "192.0.2.2");
  EXPECT_EQ(TryConnect(wan_, "fd00:b::1", 8001), 0);
  EXPECT_EQ(six.AcceptPeer(), "fd00:b::2");
}

TEST_F(NatTest, ForwardKeepsTransportsAndAddressesApart) {
  router_.Run("ip addr add 192.0.2.7/24 dev wan0");
  const Listener server(lan_, "10.0.0.2", 80);
  Replace({PortForward{.protocol = Transport::kUdp, .first = 8080, .last = 8080, .to = Ip("10.0.0.2"), .to_first = 80},
           PortForward{.first = 90, .last = 90, .to = Ip("10.0.0.2"), .to_first = 80, .address = Ip("192.0.2.7")}});
  EXPECT_EQ(TryConnect(wan_, "192.0.2.1", 8080), ECONNREFUSED);
  EXPECT_EQ(TryConnect(wan_, "192.0.2.1", 90), ECONNREFUSED);
  EXPECT_EQ(TryConnect(wan_, "192.0.2.7", 90), 0);
}

TEST_F(NatTest, HairpinLetsTheTargetsNeighboursIn) {
  const PortForward plain{.first = 8080, .last = 8080, .to = Ip("10.0.0.2"), .to_first = 80};
  const ThrowawayNet neighbour;
  // Where br_netfilter is there, it would translate bridged answers, and hide what the test is about.
  router_.Run(
      "for i in ip ip6; do f=/proc/sys/net/bridge/bridge-nf-call-${i}tables; test ! -e $f || echo 0 > $f; done");
  router_.Run(
      "ip link add br0 type bridge && ip link set br0 up && ip addr flush dev lan0 && "
      "ip addr add 10.0.0.1/24 dev br0 && ip link set lan0 master br0");
  Connect(router_, "lan1", "10.9.9.9/32", neighbour, "eth0", "10.0.0.3/24");
  router_.Run("ip addr flush dev lan1 && ip link set lan1 master br0");
  neighbour.Run("ip route add default via 10.0.0.1");
  const Listener server(lan_, "10.0.0.2", 80);
  Replace({plain});
  EXPECT_EQ(TryConnect(neighbour, "192.0.2.1", 8080, 300), ETIMEDOUT);
  PortForward hairpin = plain;
  hairpin.hairpin = Net("10.0.0.0/24");
  Replace({hairpin});
  EXPECT_EQ(TryConnect(neighbour, "192.0.2.1", 8080), 0);
  EXPECT_EQ(TryConnect(lan_, "192.0.2.1", 8080), 0);
  EXPECT_EQ(TryConnect(wan_, "192.0.2.1", 8080), 0);
}

TEST_F(NatTest, ReplacesItsTableAsAWholeAndNothingElse) {
  router_.Run("nft 'table inet others { chain c { accept; }; }'");
  Replace({Masquerade{.out = "wan0"}, Masquerade{.out = "lan0"}});
  Replace({Masquerade{.out = "wan0", .source = Net("10.0.0.0/24")}});
  EXPECT_THAT(Rules(), Not(HasSubstr("lan0")));
  EXPECT_THAT(Rules(), HasSubstr("table inet others"));
  const std::string before = Rules();
  EXPECT_FALSE(ReplaceNat(worker_, router_.fd(), NatTableId(), {Masquerade{.out = std::string(40, 'x')}}).ok());
  EXPECT_EQ(Rules(), before);
  Replace({});
  EXPECT_EQ(router_.Run("nft list tables"), "table inet others\n");
}

TEST_F(NatTest, ListsTheSameAfterReplacingByTheSame) {
  const std::vector<NatRule> rules = {
      Masquerade{.out = "wan0"},
      PortForward{.first = 8000, .last = 8010, .to = Ip("10.0.0.2"), .to_first = 9000, .hairpin = Net("10.0.0.0/24")}};
  Replace(rules);
  const auto first = worker_.ListTable(router_.fd(), NatTableId());
  Replace(rules);
  const auto second = worker_.ListTable(router_.fd(), NatTableId());
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(NormalListing(*first), NormalListing(*second));
}

TEST_F(NatTest, TakesNamesThatMeanSomethingToNft) {
  const std::string odd = "a\"b*";
  router_.Run("ip link add 'a\"b*' type bridge; ip link add 'a\"bc' type bridge");
  Replace({Masquerade{.out = odd}, Masquerade{.out = "meta"}});
  const auto listing = worker_.ListTable(router_.fd(), NatTableId());
  ASSERT_TRUE(listing.ok());
  // Not the wildcard that matches any a"b...
  EXPECT_THAT(JsonText(*listing), HasSubstr(R"(a\"b\\*)"));
}

TEST_F(NatTest, HostTableMasqueradesAndPublishes) {
  const Listener outside(wan_, "192.0.2.2", 80);
  const Listener inside(lan_, "10.0.0.2", 80);
  const TableId id = HostTableId("lab", "gate");
  EXPECT_EQ(id, (TableId{"inet", "toporun-lab-gate"}));
  HostNat nat{.interface = "lan0",
              .sources = {Net("10.0.0.0/24")},
              .ports = {PortForward{.first = 8080, .last = 8080, .to = Ip("10.0.0.2"), .to_first = 80}},
              .loopback = LoopbackPorts::kOpen};
  router_.Run("sysctl -qw net.ipv4.conf.lan0.route_localnet=1");
  const Status done = ReplaceHostNat(worker_, router_.fd(), id, nat);
  ASSERT_TRUE(done.ok()) << done.error().text();
  EXPECT_EQ(TryConnect(lan_, "192.0.2.2", 80), 0);
  EXPECT_EQ(outside.AcceptPeer(), "192.0.2.1");
  EXPECT_EQ(TryConnect(wan_, "192.0.2.1", 8080), 0);
  EXPECT_EQ(inside.AcceptPeer(), "192.0.2.2");
  EXPECT_EQ(TryConnect(router_, "127.0.0.1", 8080), 0);
  EXPECT_EQ(inside.AcceptPeer(), "10.0.0.1");
  ASSERT_TRUE(DeleteTables(worker_, router_.fd(), {id}).ok());
  EXPECT_EQ(Rules(), "");
}

TEST(NatRuleText, NamesEachKind) {
  EXPECT_EQ(NatRuleText(Masquerade{.out = "eth0", .source = Net("10.0.0.0/8")}), "masquerade out eth0 from 10.0.0.0/8");
  EXPECT_EQ(NatRuleText(SourceNat{.out = "eth0", .to = Ip("1.2.3.4")}), "snat out eth0 to 1.2.3.4");
  EXPECT_EQ(NatRuleText(PortForward{.in = "eth0", .first = 80, .last = 82, .to = Ip("fd00::1"), .to_first = 90}),
            "forward in eth0 tcp 80-82 to [fd00::1]:90-92");
}

}  // namespace
}  // namespace runner::kernel
