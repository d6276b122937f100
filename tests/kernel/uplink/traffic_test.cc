#include <gmock/gmock.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>

#include <array>

#include <fmt/format.h>

#include "base/fd.h"
#include "kernel/netns.h"
#include "tests/kernel/uplink/network.h"
#include "uplink/tap.h"

namespace runner::test {
namespace {

constexpr std::size_t kMegabytes10 = 10 << 20;

// A node behind the uplink's, on a veth of this MTU.
void AddInner(int mtu) {
  Shell(
      "ip netns add inner; ip -n inner link set lo up;"
      "ip -n lab.r1 link add in0 type veth peer name eth0 netns inner;"
      "ip -n lab.r1 addr add 10.7.0.1/24 dev in0; ip -n lab.r1 addr add fd07::1/64 dev in0 nodad;"
      "ip -n lab.r1 link set in0 up; ip -n inner addr add 10.7.0.2/24 dev eth0;"
      "ip -n inner addr add fd07::2/64 dev eth0 nodad; ip -n inner link set eth0 up;"
      "ip -n inner route add default via 10.7.0.1; ip -n inner -6 route add default via fd07::1;"
      "ip netns exec lab.r1 sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
  Shell(fmt::format("ip -n lab.r1 link set in0 mtu {0}; ip -n inner link set eth0 mtu {0}", mtu));
}

// Fragments that a namespace has made, of either family.
std::string FragmentsOf(const std::string& netns) {
  return Shell(fmt::format(
      "ip netns exec {} nstat -asz IpFragCreates Ip6FragCreates | awk '/Frag/ {{printf \"%d \", $2}}'", netns));
}

class UplinkTraffic : public testing::TestWithParam<Network::End> {};
INSTANTIATE_TEST_SUITE_P(, UplinkTraffic, testing::Values(Network::End::kTap, Network::End::kPacketSocket),
                         [](const auto& end) { return end.param == Network::End::kTap ? "Tap" : "PacketSocket"; });

void ExchangeTcp(Network& network, const char* server_address) {
  const Fd listener = TcpListener(network.world(), server_address, 7000);
  const Fd client = TcpConnect(network.node(), server_address, 7000);
  ASSERT_TRUE(client.is_open());
  const Accepted server = Accept(listener);
  ASSERT_TRUE(server.socket.is_open());
  const std::string content = RandomContent(kMegabytes10);
  EXPECT_TRUE(Pump(client, server.socket, content) == content) << "to the world";
  EXPECT_TRUE(Pump(server.socket, client, content) == content) << "to the node";
}

TEST_P(UplinkTraffic, Case04TcpOfBothFamiliesBothWays) {
  InSandbox([] {
    Network network(1500, GetParam());
    network.Start();
    ExchangeTcp(network, Network::kWorld);
    ExchangeTcp(network, Network::kWorld6);
  });
}

TEST_P(UplinkTraffic, Case19EveryMtu) {
  for (const std::uint32_t mtu : {1280U, 1500U, 9000U, 65520U}) {
    InSandbox([mtu] {
      Network network(mtu, GetParam());
      network.Start();
      EXPECT_EQ(Ip("-n lab.r1 link show tap0")[0]["mtu"], mtu);
      ExchangeTcp(network, Network::kWorld);
      ExchangeTcp(network, Network::kWorld6);
    });
  }
}

TEST_P(UplinkTraffic, Case04UdpOfBothFamilies) {
  InSandbox([] {
    Network network(1500, GetParam());
    network.Start();
    for (const char* address : {Network::kWorld, Network::kWorld6}) {
      const bool ipv6 = address == Network::kWorld6;
      const Fd server = UdpSocket(network.world(), address, 7001);
      const Fd client = UdpSocket(network.node(), ipv6 ? "::" : "0.0.0.0", 0);
      for (const std::size_t size :
           {std::size_t{0}, std::size_t{1}, std::size_t{1400}, std::size_t{8000}, std::size_t{60000}}) {
        const std::string content = RandomContent(size);
        SendTo(client, address, 7001, content);
        const Datagram asked = Receive(server);
        ASSERT_TRUE(asked.arrived) << address << " " << size;
        EXPECT_EQ(asked.payload, content);
        EXPECT_EQ(asked.from.address.text(), ipv6 ? Network::kHost6 : Network::kHost);
        SendTo(server, asked.from.address.text(), asked.from.port, content + "!");
        const Datagram answered = Receive(client);
        ASSERT_TRUE(answered.arrived) << address << " " << size;
        EXPECT_EQ(answered.payload, content + "!");
        EXPECT_EQ(answered.from.address.text(), address);
      }
      // Larger than the tap's MTU: in one frame, or in fragments.
      SendTo(client, address, 7001, "more");
      const Datagram asked = Receive(server);
      const std::string large = RandomContent(8000);
      SendTo(server, asked.from.address.text(), asked.from.port, large);
      EXPECT_TRUE(Receive(client).payload == large) << address;
    }
  });
}

TEST_P(UplinkTraffic, DatagramsThatTheKernelWouldCutLaterArriveCut) {
  InSandbox([] {
    Network network(1500, GetParam());
    network.Start();
    const Fd server = UdpSocket(network.world(), Network::kWorld, 7001);
    const Fd client = UdpSocket(network.node(), "0.0.0.0", 0);
    const int segment = 1000;
    ASSERT_EQ(setsockopt(client.get(), SOL_UDP, UDP_SEGMENT, &segment, sizeof segment), 0);
    SendTo(client, Network::kWorld, 7001, RandomContent(10000));
    for (int i = 0; i < 10; ++i) EXPECT_EQ(Receive(server).payload.size(), 1000U) << i;
  });
}

// A frame as an interface of a VLAN over the node's would send it.
std::vector<std::uint8_t> Tagged(const Network& network, std::string_view payload) {
  std::vector<std::uint8_t> frame;
  const std::vector<std::uint8_t> bytes(payload.begin(), payload.end());
  BuildUdp(frame, network.spec.mac, MacAddress({0x52, 0x55, 10, 0, 2, 2}),
           {.address = *IpAddress::Parse(Network::kNode), .port = 7002},
           {.address = *IpAddress::Parse(Network::kWorld), .port = 7001}, bytes);
  const std::array<std::uint8_t, 4> tag = {0x81, 0, 0, 7};
  frame.insert(frame.begin() + 12, tag.begin(), tag.end());
  return frame;
}

TEST_P(UplinkTraffic, FramesOfAVlanAreNotTakenForTheLabsOwn) {
  InSandbox([] {
    Network network(1500, GetParam());
    network.Start();
    const Fd server = UdpSocket(network.world(), Network::kWorld, 7001);
    const auto inside = InNamespace::Enter(network.node());
    ASSERT_TRUE(inside);
    const Fd raw(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    sockaddr_ll address = {};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = static_cast<int>(if_nametoindex("tap0"));
    const auto frame = Tagged(network, "tagged");
    ASSERT_EQ(
        sendto(raw.get(), frame.data(), frame.size(), 0, reinterpret_cast<const sockaddr*>(&address), sizeof address),
        static_cast<ssize_t>(frame.size()));
    SendTo(UdpSocket(network.node(), "0.0.0.0", 0), Network::kWorld, 7001, "plain");
    EXPECT_EQ(Receive(server).payload, "plain");
  });
}

// Without privilege, in the namespace that the uplink leaves by; a new one allows them to no group.
void AllowPings(const Network& network) {
  const auto inside = InNamespace::Enter(network.host());
  ASSERT_TRUE(inside);
  // A group that this user namespace does not have is refused.
  const bool all = WriteExisting("/proc/sys/net/ipv4/ping_group_range", "0 2147483647").ok();
  if (all) return;
  ASSERT_TRUE(WriteExisting("/proc/sys/net/ipv4/ping_group_range", "0 0"));
}

TEST_P(UplinkTraffic, Case21GatewayAndWorldAnswerPing) {
  InSandbox([] {
    Network network(1500, GetParam());
    AllowPings(network);
    network.Start();
    Shell("ip netns exec lab.r1 ping -c 1 -W 5 10.0.2.2");
    Shell("ip netns exec lab.r1 ping -c 1 -W 5 fd00::2");
    Shell("ip netns exec lab.r1 ping -c 1 -W 5 192.0.2.2");
  });
}

TEST_P(UplinkTraffic, Case21PingOutwardsNeedsTheGroupOnTheHost) {
  InSandbox([] {
    Network network(1500, GetParam());
    const UplinkProcess process = network.Start();
    Shell("ip netns exec lab.r1 ping -c 1 -W 5 10.0.2.2");
    Shell("! ip netns exec lab.r1 ping -c 1 -W 1 192.0.2.2");
    AllowPings(network);
    Shell("ip netns exec lab.r1 ping -c 1 -W 5 192.0.2.2");
    EXPECT_EQ(ReadUplink(network.spec.state_folder, "r1", process).life, UplinkState::Life::kServing);
  });
}

TEST_P(UplinkTraffic, Case17Case18RoutedNodeNeedsNeitherNatNorProxyArp) {
  InSandbox([] {
    Network network(1500, GetParam());
    AddInner(1500);
    const std::vector<ForwardSpec> published = {Publish(ForwardSpec::Protocol::kTcp, "0.0.0.0", 8080, "10.7.0.2", 80),
                                                Publish(ForwardSpec::Protocol::kTcp, "::", 8080, "fd07::2", 80),
                                                Publish(ForwardSpec::Protocol::kUdp, "0.0.0.0", 8080, "10.7.0.2", 80)};
    network.Start(published);
    auto inner = OpenFile("/run/netns/inner", 0);
    ASSERT_TRUE(inner);
    for (const char* address : {Network::kWorld, Network::kWorld6}) {
      const Fd listener = TcpListener(network.world(), address, 7000);
      const Fd client = TcpConnect(inner->get(), address, 7000);
      ASSERT_TRUE(client.is_open()) << address;
      const Accepted server = Accept(listener);
      const std::string content = RandomContent(1 << 20);
      EXPECT_TRUE(Pump(server.socket, client, content) == content);
      EXPECT_TRUE(Pump(client, server.socket, content) == content);
    }
    EXPECT_EQ(FragmentsOf("lab.r1"), "0 0 ");
    for (const bool ipv6 : {false, true}) {
      const Fd web = TcpListener(inner->get(), ipv6 ? "fd07::2" : "10.7.0.2", 80);
      const Fd client = TcpConnect(network.world(), ipv6 ? Network::kHost6 : Network::kHost, 8080,
                                   ipv6 ? Network::kWorld62 : Network::kWorld2);
      ASSERT_TRUE(client.is_open());
      EXPECT_EQ(Accept(web).peer, ipv6 ? Network::kWorld62 : Network::kWorld2);
    }
  });
}

// Connections from behind a link that takes less than the tap, and to there.
TEST_P(UplinkTraffic, Case17SegmentsFitTheNarrowestLinkOfTheLab) {
  InSandbox([] {
    Network network(65520, GetParam());
    AddInner(1400);
    network.Start({Publish(ForwardSpec::Protocol::kTcp, "0.0.0.0", 8080, "10.7.0.2", 80),
                   Publish(ForwardSpec::Protocol::kTcp, "::", 8080, "fd07::2", 80)});
    auto inner = OpenFile("/run/netns/inner", 0);
    ASSERT_TRUE(inner);
    const std::string content = RandomContent(kMegabytes10);
    for (const bool ipv6 : {false, true}) {
      const Fd listener = TcpListener(network.world(), ipv6 ? Network::kWorld6 : Network::kWorld, 7000);
      const Fd client = TcpConnect(inner->get(), ipv6 ? Network::kWorld6 : Network::kWorld, 7000);
      ASSERT_TRUE(client.is_open());
      const Accepted server = Accept(listener);
      EXPECT_TRUE(Pump(server.socket, client, content) == content);
      EXPECT_TRUE(Pump(client, server.socket, content) == content);
      const Fd web = TcpListener(inner->get(), ipv6 ? "fd07::2" : "10.7.0.2", 80);
      const Fd visitor = TcpConnect(network.world(), ipv6 ? Network::kHost6 : Network::kHost, 8080);
      ASSERT_TRUE(visitor.is_open());
      const Accepted page = Accept(web);
      EXPECT_TRUE(Pump(visitor, page.socket, content) == content);
      EXPECT_TRUE(Pump(page.socket, visitor, content) == content);
    }
    EXPECT_EQ(FragmentsOf("lab.r1"), "0 0 ");
    EXPECT_THAT(Shell("ip netns exec lab.r1 nstat -asz IpFragFails Ip6OutTooBigErrors Icmp6OutPktTooBigs"),
                testing::Not(testing::ContainsRegex("(Fails|Errors|TooBigs) +[1-9]")));
  });
}

// Every ICMP packet that comes to the namespace.
Fd RawIcmp(int netns) {
  const auto inside = InNamespace::Enter(netns);
  EXPECT_TRUE(inside);
  Fd socket(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
  EXPECT_TRUE(socket.is_open());
  return socket;
}

TEST_P(UplinkTraffic, Case16OutboundAddressIsUsed) {
  for (const char* outbound : {"192.0.2.9", "w1"}) {
    InSandbox([outbound] {
      Network network(1500, GetParam());
      Shell(
          "ip -n host link add w1 type veth peer name h1 netns world; ip -n host addr add 192.0.2.9/32 dev w1;"
          "ip -n host addr del 192.0.2.9/24 dev w0; ip -n host link set w1 up; ip -n world link set h1 up");
      network.spec.outbound = {outbound};
      network.Start();
      const Fd listener = TcpListener(network.world(), Network::kWorld, 7000);
      const Fd client = TcpConnect(network.node(), Network::kWorld, 7000);
      EXPECT_EQ(Accept(listener).peer, "192.0.2.9");
      const Fd server = UdpSocket(network.world(), Network::kWorld, 7001);
      SendTo(UdpSocket(network.node(), "0.0.0.0", 0), Network::kWorld, 7001, "x");
      EXPECT_EQ(Receive(server).from.address.text(), "192.0.2.9");
      AllowPings(network);
      const Fd pings = RawIcmp(network.world());
      Shell("ip netns exec lab.r1 ping -c 1 -W 5 192.0.2.2");
      EXPECT_EQ(Receive(pings).from.address.text(), "192.0.2.9");
    });
  }
}

}  // namespace
}  // namespace runner::test
