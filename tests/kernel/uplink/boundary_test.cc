// What the lab reaches through the uplink and what not; every "not" beside a "does" for the same destination.
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "kernel/netns.h"
#include "tests/kernel/uplink/network.h"
#include "tests/unit/uplink/frame.h"
#include "uplink/tap.h"

namespace runner::test {
namespace {

// Puts frames on the tap as the node would, past the node's own routing.
class Injector {
 public:
  explicit Injector(const Network& network) : mac_(network.spec.mac) {
    const auto inside = InNamespace::Enter(network.node());
    socket_.Reset(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    EXPECT_TRUE(socket_.is_open());
    to_.sll_family = AF_PACKET;
    to_.sll_protocol = htons(kEtherIpv6);
    to_.sll_ifindex = static_cast<int>(if_nametoindex("tap0"));
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&to_), sizeof to_), 0);
  }
  void Send(std::vector<std::uint8_t> frame) const {
    const std::uint8_t gateway[6] = {0x52, 0x55, 10, 0, 2, 2};
    std::memcpy(frame.data(), gateway, 6);
    std::memcpy(frame.data() + 6, mac_.bytes(), 6);
    EXPECT_EQ(sendto(socket_.get(), frame.data(), frame.size(), 0, reinterpret_cast<const sockaddr*>(&to_), sizeof to_),
              static_cast<ssize_t>(frame.size()));
  }

  /// Receives the IPv6 frames that come to the node.
  const Fd& socket() const { return socket_; }

 private:
  MacAddress mac_;
  Fd socket_;
  sockaddr_ll to_ = {};
};

std::vector<std::uint8_t> DatagramTo(const std::string& address, std::uint16_t port) {
  return Udp(address.find(':') == std::string::npos ? Network::kNode : Network::kNode6, 4000, address, port, "in");
}

// What reaches the services that listen on the host's loopback only, before a frame sent afterwards reaches the world.
std::vector<std::string> Arrivals(bool host_loopback) {
  std::vector<std::string> arrived;
  Network network;
  network.spec.host_loopback = host_loopback;
  network.Start();
  const Injector injector(network);
  const Fd service = UdpSocket(network.host(), "127.0.0.1", 9000);
  const Fd service6 = UdpSocket(network.host(), "::1", 9000);
  const Fd world = UdpSocket(network.world(), Network::kWorld, 9000);
  for (const char* address : {"127.0.0.1", "0.0.0.0", "255.255.255.255", "10.0.2.2", "::1", "::", "::ffff:127.0.0.1",
                              "fd00::2", "fd00::1", "fd00::3", "fd00::ffff"}) {
    injector.Send(DatagramTo(address, 9000));
    // The uplink handles frames in order: when this one is through, the other was looked at.
    injector.Send(DatagramTo(Network::kWorld, 9000));
    EXPECT_TRUE(Receive(world).arrived) << address;
    const bool ipv6 = std::string(address).find(':') != std::string::npos;
    if (Receive(ipv6 ? service6 : service, 0).arrived || Receive(ipv6 ? service : service6, 0).arrived) {
      arrived.push_back(address);
    }
  }
  return arrived;
}

TEST(UplinkBoundary, Case12HostLoopbackIsUnreachableByWhateverAddress) {
  InSandbox([] { EXPECT_EQ(Arrivals(false), std::vector<std::string>()); });
}

TEST(UplinkBoundary, Case12TheSameFramesArriveWhereTheyMay) {
  InSandbox([] {
    const auto arrived = Arrivals(true);
    for (const char* address : {"127.0.0.1", "10.0.2.2", "::1", "fd00::2"}) {
      EXPECT_NE(std::find(arrived.begin(), arrived.end(), address), arrived.end()) << address;
    }
  });
}

TEST(UplinkBoundary, Case13TcpToTheGatewayFollowsHostLoopback) {
  for (const bool host_loopback : {false, true}) {
    InSandbox([host_loopback] {
      Network network;
      network.spec.host_loopback = host_loopback;
      network.Start();
      const Fd service = TcpListener(network.host(), "127.0.0.1", 9000);
      const Fd client = TcpConnect(network.node(), "10.0.2.2", 9000, "", host_loopback ? 5000 : 300);
      EXPECT_EQ(client.is_open(), host_loopback);
    });
  }
}

TEST(UplinkBoundary, PolicyIsChangedWhileItRuns) {
  InSandbox([] {
    Network network;
    network.spec.deny = {*IpPrefix::Parse("192.0.2.2/32")};
    const UplinkProcess process = network.Start();
    const Fd denied = UdpSocket(network.world(), Network::kWorld, 9000);
    const Fd allowed = UdpSocket(network.world(), Network::kWorld2, 9000);
    const Fd client = UdpSocket(network.node(), "0.0.0.0", 0);
    SendTo(client, Network::kWorld, 9000, "x");
    SendTo(client, Network::kWorld2, 9000, "x");
    EXPECT_TRUE(Receive(allowed).arrived);
    EXPECT_FALSE(Receive(denied, 0).arrived);

    network.spec.deny.clear();
    const Status changed = ChangeUplink(network.spec);
    ASSERT_TRUE(changed) << changed.error().text();
    EXPECT_EQ(ReadUplink(network.spec.state_folder, "r1", process).spec, network.spec);
    SendTo(client, Network::kWorld, 9000, "x");
    EXPECT_TRUE(Receive(denied).arrived);
  });
}

TEST(UplinkBoundary, NoRouterAdvertisementComes) {
  InSandbox([] {
    Network network;
    network.Start();
    const Injector injector(network);
    injector.Send(Transport("fe80::1234", "ff02::2", kProtoIcmp6, {133, 0, 0, 0, 0, 0, 0, 0}, 2));
    // Frames are handled in order: what answers the solicitation comes before what answers this.
    injector.Send(Transport(Network::kNode6, "fd00::2", kProtoIcmp6, {128, 0, 0, 0, 0, 1, 0, 1}, 2));
    constexpr std::size_t kType = kEthernetHeader + 40;
    std::vector<int> types;
    while (types.empty() || types.back() != 129) {
      const Datagram frame = Receive(injector.socket());
      ASSERT_TRUE(frame.arrived);
      if (frame.payload.size() > kType && frame.payload[kEthernetHeader + 6] == kProtoIcmp6) {
        types.push_back(static_cast<std::uint8_t>(frame.payload[kType]));
      }
    }
    EXPECT_EQ(std::count(types.begin(), types.end(), 134), 0);
  });
}

TEST(UplinkBoundary, Case27HostileFramesLeaveItAlive) {
  InSandbox([] {
    Network network;
    const UplinkProcess process = network.Start();
    const Injector injector(network);
    std::uint32_t random = 7;
    const auto next = [&random] { return random = random * 1664525 + 1013904223; };
    const std::vector<std::vector<std::uint8_t>> seeds = {
        Tcp(Network::kNode, 4000, Network::kWorld, 80, 0x22, 500, "urgent"),
        DatagramTo(Network::kWorld, 80),
        DatagramTo(Network::kWorld6, 80),
        Udp(Network::kNode, 4000, Network::kWorld, 80, ""),
        ArpRequest(Network::kNode, "10.0.2.2"),
    };
    for (int i = 0; i < 20000; ++i) {
      auto frame = seeds[next() % seeds.size()];
      for (std::uint32_t change = next() % 4; change > 0; --change) {
        frame[12 + next() % (frame.size() - 12)] = static_cast<std::uint8_t>(next() >> 16);
      }
      frame.resize(std::max<std::size_t>(14, frame.size() - next() % 24));
      injector.Send(std::move(frame));
    }
    EXPECT_EQ(ReadUplink(network.spec.state_folder, "r1", process).life, UplinkState::Life::kServing);
    const Fd listener = TcpListener(network.world(), Network::kWorld, 7000);
    EXPECT_TRUE(TcpConnect(network.node(), Network::kWorld, 7000).is_open());
  });
}

}  // namespace
}  // namespace runner::test
