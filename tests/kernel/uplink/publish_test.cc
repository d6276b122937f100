#include <gmock/gmock.h>

#include <vector>

#include "tests/kernel/uplink/network.h"
#include "uplink/process_id.h"

namespace runner::test {
namespace {

TEST(UplinkPublish, Case06TcpServerSeesTheClientsAddress) {
  InSandbox([] {
    Network network;
    network.Start({Publish(kTcp, "0.0.0.0", 8080, Network::kNode, 80, 3),
                   Publish(kTcp, "::", 8080, Network::kNode6, 80, 3),
                   Publish(kTcp, "127.0.0.1", 8090, Network::kNode, 82)});
    struct Case {
      int from;
      const char* to;
      const char* source;
      const char* seen;
    };
    for (const Case& client : {Case{network.world(), Network::kHost, Network::kWorld2, Network::kWorld2},
                               Case{network.world(), Network::kHost2, Network::kWorld, Network::kWorld},
                               Case{network.host(), "127.0.0.1", "", "10.0.2.2"},
                               Case{network.world(), Network::kHost6, Network::kWorld62, Network::kWorld62},
                               Case{network.host(), "::1", "", "fd00::2"}}) {
      const bool ipv6 = std::string(client.to).find(':') != std::string::npos;
      for (std::uint16_t i = 0; i < 3; ++i) {
        const Fd server =
            TcpListener(network.node(), ipv6 ? Network::kNode6 : Network::kNode, static_cast<std::uint16_t>(80 + i));
        const Fd connection = TcpConnect(client.from, client.to, static_cast<std::uint16_t>(8080 + i), client.source);
        ASSERT_TRUE(connection.is_open()) << client.to << " " << i;
        const Accepted accepted = Accept(server);
        EXPECT_EQ(accepted.peer, client.seen);
        const std::string content = RandomContent(100000);
        EXPECT_TRUE(Pump(connection, accepted.socket, content) == content);
        EXPECT_TRUE(Pump(accepted.socket, connection, content) == content);
      }
    }
    EXPECT_FALSE(TcpConnect(network.world(), Network::kHost, 8090, "", 200).is_open()) << "bound to loopback";
    const Fd server = TcpListener(network.node(), Network::kNode, 82);
    EXPECT_TRUE(TcpConnect(network.host(), "127.0.0.1", 8090).is_open());
  });
}

TEST(UplinkPublish, Case07Case08Case09UdpKeepsClientAndAnswersFromTheAddressItWroteTo) {
  InSandbox([] {
    Network network;
    network.Start(
        {Publish(kUdp, "0.0.0.0", 5000, Network::kNode, 500, 2), Publish(kUdp, "::", 5000, Network::kNode6, 500, 2)});
    struct Case {
      int from;
      const char* source;
      const char* to;
      const char* seen;
    };
    // Remote, loopback, remote again, the host's second address: none takes the other's answers away.
    for (const Case& client : {Case{network.world(), Network::kWorld, Network::kHost, Network::kWorld},
                               Case{network.host(), "127.0.0.1", "127.0.0.1", "10.0.2.2"},
                               Case{network.world(), Network::kWorld2, Network::kHost2, Network::kWorld2},
                               Case{network.world(), Network::kWorld, Network::kHost, Network::kWorld},
                               Case{network.world(), Network::kWorld62, Network::kHost6, Network::kWorld62},
                               Case{network.world(), Network::kWorld6, "2001:db8::9", Network::kWorld6},
                               Case{network.host(), "::1", "::1", "fd00::2"}}) {
      const bool ipv6 = std::string(client.to).find(':') != std::string::npos;
      const Fd server = UdpSocket(network.node(), ipv6 ? "::" : "0.0.0.0", 501);
      const Fd socket = UdpSocket(client.from, client.source, 0);
      for (const std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{1200}, std::size_t{6000}}) {
        const std::string content = RandomContent(size);
        SendTo(socket, client.to, 5001, content);
        const Datagram asked = Receive(server);
        ASSERT_TRUE(asked.arrived) << client.to << " " << size;
        EXPECT_TRUE(asked.payload == content);
        EXPECT_EQ(asked.from.address.text(), client.seen);
        SendTo(server, asked.from.address.text(), asked.from.port, content + "answer");
        const Datagram answered = Receive(socket);
        ASSERT_TRUE(answered.arrived) << client.to << " " << size;
        EXPECT_TRUE(answered.payload == content + "answer");
        EXPECT_EQ(answered.from.address.text(), client.to);
        EXPECT_EQ(answered.from.port, 5001);
      }
    }
  });
}

TEST(UplinkPublish, Case10BurstOf200ClientsIsServedAtOnce) {
  for (const bool ipv6 : {false, true}) {
    InSandbox([ipv6] {
      Network network;
      network.Start(
          {Publish(kTcp, "0.0.0.0", 8080, Network::kNode, 80), Publish(kTcp, "::", 8080, Network::kNode6, 80)});
      const Fd server = TcpListener(network.node(), ipv6 ? Network::kNode6 : Network::kNode, 80);
      std::vector<Fd> clients;
      // All begin before the first is looked at.
      for (int i = 0; i < 200; ++i) {
        clients.push_back(TcpBegin(network.world(), ipv6 ? Network::kHost6 : Network::kHost, 8080));
      }
      // A lost SYN, of a short queue, would come again after a second.
      std::vector<Accepted> accepted;
      while (accepted.size() < 200) {
        accepted.push_back(Accept(server, 900));
        ASSERT_TRUE(accepted.back().socket.is_open()) << accepted.size();
      }
      for (const Accepted& one : accepted) EXPECT_EQ(send(one.socket.get(), "x", 1, MSG_NOSIGNAL), 1);
      for (const Fd& client : clients) EXPECT_TRUE(WaitReadable(client, 5000));
    });
  }
}

TEST(UplinkPublish, PortsComeAndGoWhileItRuns) {
  InSandbox([] {
    Network network;
    const UplinkProcess process = network.Start();
    const Fd server = TcpListener(network.node(), Network::kNode, 80);
    const Fd datagrams = UdpSocket(network.node(), "0.0.0.0", 80);
    const Fd client = UdpSocket(network.world(), Network::kWorld, 0);
    const std::string& folder = network.spec.state_folder;
    for (int round = 0; round < 3; ++round) {
      EXPECT_FALSE(TcpConnect(network.world(), Network::kHost, 8080, "", 200).is_open());
      for (const auto protocol : {kTcp, kUdp}) {
        const Status added =
            AddForward(folder, "r1", Publish(protocol, "0.0.0.0", 8080, Network::kNode, 80), network.host());
        ASSERT_TRUE(added) << added.error().text();
      }
      EXPECT_EQ(ReadUplink(folder, "r1", process).forwards.size(), 2U);
      const Fd connection = TcpConnect(network.world(), Network::kHost, 8080);
      const Accepted accepted = Accept(server);
      EXPECT_TRUE(accepted.socket.is_open());
      SendTo(client, Network::kHost, 8080, "x");
      EXPECT_TRUE(Receive(datagrams).arrived);
      for (const auto protocol : {kTcp, kUdp}) {
        const Status removed = RemoveForward(folder, "r1", Publish(protocol, "0.0.0.0", 8080, Network::kNode, 80));
        ASSERT_TRUE(removed) << removed.error().text();
      }
      // Established connections stay.
      EXPECT_EQ(Pump(connection, accepted.socket, "still here"), "still here");
    }
    EXPECT_TRUE(ReadUplink(folder, "r1", process).forwards.empty());
    const auto absent = RemoveForward(folder, "r1", Publish(kTcp, "0.0.0.0", 8080, Network::kNode, 80));
    EXPECT_EQ(absent.error().text(), "uplink r1: 0.0.0.0:8080:80/tcp is not published");
  });
}

TEST(UplinkPublish, PrivilegedPortsAreBoundForIt) {
  InSandbox([] {
    Network network;
    const UplinkProcess process = network.Start();
    const Fd server = TcpListener(network.node(), Network::kNode, 80);
    const Fd server6 = TcpListener(network.node(), Network::kNode6, 81);
    const Fd datagrams = UdpSocket(network.node(), "0.0.0.0", 80);
    const std::string& folder = network.spec.state_folder;
    const auto tcp = Publish(kTcp, "0.0.0.0", 80, Network::kNode, 80);
    const auto tcp6 = Publish(kTcp, "::", 80, Network::kNode6, 80, 2);
    const auto udp = Publish(kUdp, "0.0.0.0", 80, Network::kNode, 80);
    for (int round = 0; round < 2; ++round) {
      for (const ForwardSpec& forward : {tcp, tcp6, udp}) {
        const Status added = AddForward(folder, "r1", forward, network.host());
        ASSERT_TRUE(added) << added.error().text();
      }
      const Fd client = TcpConnect(network.world(), Network::kHost, 80, Network::kWorld2);
      EXPECT_EQ(Accept(server).peer, Network::kWorld2);
      const Fd client6 = TcpConnect(network.world(), Network::kHost6, 81, Network::kWorld62);
      EXPECT_EQ(Accept(server6).peer, Network::kWorld62);
      const Fd asking = UdpSocket(network.world(), Network::kWorld, 0);
      SendTo(asking, Network::kHost2, 80, "x");
      const Datagram asked = Receive(datagrams);
      EXPECT_EQ(asked.from.address.text(), Network::kWorld);
      SendTo(datagrams, Network::kWorld, asked.from.port, "y");
      EXPECT_EQ(Receive(asking).from.address.text(), Network::kHost2);
      for (const ForwardSpec& forward : {tcp, tcp6, udp}) {
        const Status removed = RemoveForward(folder, "r1", forward);
        ASSERT_TRUE(removed) << removed.error().text();
      }
      EXPECT_EQ(Shell("ip netns exec host ss -Hltun 'sport <= 81'"), "");
    }
    EXPECT_EQ(StartTimeOf(process.pid), process.start_time);
  });
}

TEST(UplinkPublish, PolicyDoesNotCutClientsOff) {
  InSandbox([] {
    Network network;
    network.spec.deny = {*IpPrefix::Parse("0.0.0.0/0")};
    network.Start(
        {Publish(kTcp, "0.0.0.0", 8080, Network::kNode, 80), Publish(kUdp, "0.0.0.0", 8080, Network::kNode, 80)});
    const Fd server = TcpListener(network.node(), Network::kNode, 80);
    const Fd connection = TcpConnect(network.world(), Network::kHost, 8080);
    const Accepted accepted = Accept(server);
    EXPECT_EQ(Pump(accepted.socket, connection, "hello"), "hello");
    const Fd datagrams = UdpSocket(network.node(), "0.0.0.0", 80);
    const Fd client = UdpSocket(network.world(), Network::kWorld, 4321);
    SendTo(client, Network::kHost, 8080, "x");
    ASSERT_TRUE(Receive(datagrams).arrived);
    SendTo(datagrams, Network::kWorld, 4321, "y");
    EXPECT_EQ(Receive(client).payload, "y");
  });
}

TEST(UplinkPublish, Case05TakenPortIsNamedWithItsOwner) {
  InSandbox([] {
    Network network;
    const Fd holder = TcpListener(network.host(), "0.0.0.0", 8081);
    const Fd udp_holder = UdpSocket(network.host(), "0.0.0.0", 5001);
    const auto text = [&network](const ForwardSpec& forward) {
      const Status free = CheckPortsFree({forward}, network.host());
      return free ? std::string("free") : free.error().text();
    };
    EXPECT_EQ(text(Publish(kTcp, "0.0.0.0", 8090, Network::kNode, 80, 3)), "free");
    EXPECT_EQ(text(Publish(kTcp, "::", 8081, Network::kNode6, 80)), "free");
    EXPECT_THAT(
        text(Publish(kTcp, "0.0.0.0", 8080, Network::kNode, 80, 3)),
        testing::HasSubstr("publish 0.0.0.0 port 8081/tcp: the port is in use by \"uplink_kernel_t\" (process "));
    EXPECT_THAT(text(Publish(kUdp, "0.0.0.0", 5001, Network::kNode, 80)),
                testing::HasSubstr("port 5001/udp: the port is in use by "));
    EXPECT_EQ(text(Publish(kTcp, "198.51.100.1", 80, Network::kNode, 80)),
              "publish 198.51.100.1 port 80/tcp: no interface there has the address 198.51.100.1");
    // The helper itself says it, too, and leaves nothing.
    const auto started = StartUplink(network.spec, {Publish(kTcp, "0.0.0.0", 8081, Network::kNode, 80)}, network.side(),
                                     network.host(), "/proc/self/exe");
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().text(),
              "uplink r1: publish 0.0.0.0:8081:80/tcp: listen on 0.0.0.0 port 8081/tcp: address already in use");
    EXPECT_TRUE(FindUplinks(network.spec.lab, network.spec.state_folder).empty());
    network.Start();
  });
}

}  // namespace
}  // namespace runner::test
