#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernel/uplink/network.h"
#include "uplink/packet.h"

namespace runner::test {
namespace {

std::string Query(const std::string& name, std::uint16_t type = 1) {
  std::string query = {'\x12', '\x34', 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  for (std::size_t at = 0; at < name.size();) {
    const std::size_t end = std::min(name.find('.', at), name.size());
    query += static_cast<char>(end - at) + name.substr(at, end - at);
    at = end + 1;
  }
  return query + '\0' + '\0' + static_cast<char>(type) + '\0' + '\1';
}

std::string AnswerTo(std::string query, const std::string& address) {
  query[2] = static_cast<char>(0x81);
  query[3] = static_cast<char>(0x80);
  query[7] = 1;
  query += std::string("\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4", 12);
  const auto ip = IpAddress::Parse(address).value();
  return query.append(reinterpret_cast<const char*>(ip.bytes()), 4);
}

std::string LastAddress(const std::string& message) {
  if (message.size() < 16) return "none";
  return IpAddress::FromBytes(Family::kIpv4, message.data() + message.size() - 4).text();
}

int CodeOf(const Datagram& answer) { return answer.arrived ? answer.payload[3] & 0x0f : -1; }

void WriteResolvConf(const std::string& text) { ASSERT_TRUE(ReplaceFile("/run/resolv.conf", text)); }

// One query from the node, answered by the resolver with `address`; what the node got.
Datagram Resolve(const Fd& client, const char* dns, const Fd& resolver, const std::string& address) {
  SendTo(client, dns, 53, Query("www.example.org"));
  const Datagram asked = Receive(resolver);
  EXPECT_TRUE(asked.arrived);
  if (asked.arrived) SendTo(resolver, asked.from.address.text(), asked.from.port, AnswerTo(asked.payload, address));
  return Receive(client);
}

TEST(UplinkDns, Case14IsRelayedPastADeadFirstServer) {
  InSandbox([] {
    Network network;
    const Fd silent = UdpSocket(network.world(), Network::kWorld, 53);
    const Fd resolver = UdpSocket(network.world(), Network::kWorld2, 53);
    WriteResolvConf("search x\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n");
    network.Start();
    const Fd client = UdpSocket(network.node(), "0.0.0.0", 0);
    const Datagram answer = Resolve(client, "10.0.2.3", resolver, "198.51.100.7");
    ASSERT_TRUE(answer.arrived);
    EXPECT_EQ(answer.from.address.text(), "10.0.2.3");
    EXPECT_EQ(answer.payload.substr(0, 2), "\x12\x34");
    EXPECT_EQ(LastAddress(answer.payload), "198.51.100.7");
    EXPECT_TRUE(Receive(silent, 0).arrived) << "the first one was asked first";
    // The one that answered is asked first from now on.
    EXPECT_EQ(LastAddress(Resolve(client, "10.0.2.3", resolver, "198.51.100.8").payload), "198.51.100.8");
    EXPECT_FALSE(Receive(silent, 0).arrived);
    const Fd client6 = UdpSocket(network.node(), "::", 0);
    EXPECT_EQ(LastAddress(Resolve(client6, "fd00::3", resolver, "198.51.100.9").payload), "198.51.100.9");
  });
}

TEST(UplinkDns, Case14RefusedServerCostsNoTime) {
  InSandbox([] {
    Network network;
    const Fd resolver = UdpSocket(network.host(), "127.0.0.53", 53);
    WriteResolvConf("nameserver 127.0.0.1\nnameserver 127.0.0.53\n");
    network.Start();
    const Fd client = UdpSocket(network.node(), "0.0.0.0", 0);
    SendTo(client, "10.0.2.3", 53, Query("a.b"));
    EXPECT_TRUE(Receive(resolver, 700).arrived) << "loopback resolvers of the host are reached, and at once";
  });
}

TEST(UplinkDns, Case14FollowsResolvConf) {
  InSandbox([] {
    Network network;
    const Fd first = UdpSocket(network.world(), Network::kWorld, 53);
    const Fd second = UdpSocket(network.world(), Network::kWorld2, 53);
    Shell("ln -s /run/target.conf /run/link.conf");
    network.spec.resolv_conf = "/run/link.conf";
    network.Start();
    const Fd client = UdpSocket(network.node(), "0.0.0.0", 0);
    SendTo(client, "10.0.2.3", 53, Query("a.b"));
    EXPECT_EQ(CodeOf(Receive(client)), 2) << "no file: a clear failure";
    ASSERT_TRUE(ReplaceFile("/run/target.conf", "nameserver 192.0.2.2\n"));
    EXPECT_EQ(LastAddress(Resolve(client, "10.0.2.3", first, "198.51.100.1").payload), "198.51.100.1");
    ASSERT_TRUE(ReplaceFile("/run/target.conf", "nameserver 192.0.2.3\n"));
    EXPECT_EQ(LastAddress(Resolve(client, "10.0.2.3", second, "198.51.100.2").payload), "198.51.100.2");
    ASSERT_TRUE(ReplaceFile("/run/target.conf", ""));
    SendTo(client, "10.0.2.3", 53, Query("a.b"));
    EXPECT_EQ(CodeOf(Receive(client)), 2);
    EXPECT_NE(Shell("cat /run/toporun-lab/uplink-r1.log").find("/run/link.conf names no server"), std::string::npos);
  });
}

TEST(UplinkDns, KnowsTheLabsNames) {
  InSandbox([] {
    Network network;
    network.spec.names = {{"r1", {*IpAddress::Parse("10.1.0.1"), *IpAddress::Parse("fd01::1")}}};
    network.Start();
    const Fd client = UdpSocket(network.node(), "0.0.0.0", 0);
    for (const std::string& name : {std::string("r1"), "R1." + network.spec.lab}) {
      SendTo(client, "10.0.2.3", 53, Query(name));
      EXPECT_EQ(LastAddress(Receive(client).payload), "10.1.0.1") << name;
    }
    network.spec.names["r2"] = {*IpAddress::Parse("10.1.0.2")};
    ASSERT_TRUE(ChangeUplink(network.spec));
    SendTo(client, "10.0.2.3", 53, Query("r2." + network.spec.lab));
    EXPECT_EQ(LastAddress(Receive(client).payload), "10.1.0.2");
  });
}

TEST(UplinkDns, Case15OffSendsNothing) {
  InSandbox([] {
    Network network;
    const Fd resolver = UdpSocket(network.world(), Network::kWorld, 53);
    WriteResolvConf("nameserver 192.0.2.2\n");
    network.spec.dns = false;
    network.Start();
    const Fd client = UdpSocket(network.node(), "0.0.0.0", 0);
    const Fd other = UdpSocket(network.world(), Network::kWorld, 54);
    SendTo(client, "10.0.2.3", 53, Query("a.b"));
    SendTo(client, Network::kWorld, 54, "x");
    EXPECT_TRUE(Receive(other).arrived);
    EXPECT_FALSE(Receive(resolver, 0).arrived);
    EXPECT_FALSE(Receive(client, 0).arrived);
    network.spec.dns = true;
    ASSERT_TRUE(ChangeUplink(network.spec));
    EXPECT_EQ(LastAddress(Resolve(client, "10.0.2.3", resolver, "198.51.100.1").payload), "198.51.100.1");
  });
}

std::string Framed(const std::string& message) {
  return std::string{static_cast<char>(message.size() >> 8), static_cast<char>(message.size())} + message;
}

// What comes back over an open connection, without its length.
std::string AskOverTcp(const Fd& client, const std::string& query) {
  const std::string framed = Framed(query);
  EXPECT_EQ(send(client.get(), framed.data(), framed.size(), 0), static_cast<ssize_t>(framed.size()));
  std::string answer;
  while (answer.size() < 2 || answer.size() < 2U + Get16(reinterpret_cast<const std::uint8_t*>(answer.data()))) {
    if (!WaitReadable(client, 5000)) return "nothing came";
    char buffer[4096];
    const ssize_t size = recv(client.get(), buffer, sizeof buffer, 0);
    if (size <= 0) return "hung up";
    answer.append(buffer, static_cast<std::size_t>(size));
  }
  return answer.substr(2);
}

TEST(UplinkDns, Case14TcpIsRelayedTooAndKnowsTheLabsNames) {
  InSandbox([] {
    Network network;
    network.spec.names = {{"r1", {*IpAddress::Parse("10.1.0.1")}}};
    // The first one refuses at once.
    WriteResolvConf("nameserver 192.0.2.2\nnameserver 192.0.2.3\n");
    const Fd resolver = TcpListener(network.world(), Network::kWorld2, 53);
    network.Start();
    for (const char* dns : {"10.0.2.3", "fd00::3"}) {
      const Fd client = TcpConnect(network.node(), dns, 53);
      ASSERT_TRUE(client.is_open()) << dns;
      EXPECT_EQ(LastAddress(AskOverTcp(client, Query("r1"))), "10.1.0.1");
      const std::string query = Framed(Query("www.example.org"));
      ASSERT_EQ(send(client.get(), query.data(), query.size(), 0), static_cast<ssize_t>(query.size()));
      const Accepted server = Accept(resolver);
      ASSERT_TRUE(server.socket.is_open());
      ASSERT_TRUE(WaitReadable(server.socket, 5000));
      char buffer[512];
      const ssize_t size = recv(server.socket.get(), buffer, sizeof buffer, 0);
      ASSERT_GT(size, 2);
      const std::string answer =
          Framed(AnswerTo(std::string(buffer + 2, static_cast<std::size_t>(size) - 2), "198.51.100.5"));
      EXPECT_EQ(Pump(server.socket, client, answer).substr(2, 2), "\x12\x34");
    }
  });
}

TEST(UplinkDns, OnlyTheLabIsServedOverTcp) {
  InSandbox([] {
    Network network;
    network.spec.names = {{"r1", {*IpAddress::Parse("10.1.0.1")}}};
    network.Start();
    const std::string listening = Shell("ip netns exec host ss -Hltn src 127.0.0.1 | awk '{print $4}'");
    const auto port = static_cast<std::uint16_t>(std::stoi(listening.substr(listening.rfind(':') + 1)));
    const Fd stranger = TcpConnect(network.host(), "127.0.0.1", port);
    EXPECT_EQ(AskOverTcp(stranger, Query("r1")), "hung up");
    // The same question over the same listener, from the lab.
    EXPECT_EQ(LastAddress(AskOverTcp(TcpConnect(network.node(), "10.0.2.3", 53), Query("r1"))), "10.1.0.1");
  });
}

TEST(UplinkDns, RelayAloneServesUdpAndTcpInTheNode) {
  InSandbox([] {
    Network network;
    network.spec.kind = UplinkSpec::Kind::kRelay;
    network.spec.relay_addresses = {*IpAddress::Parse("127.0.0.1"), *IpAddress::Parse("::1")};
    network.spec.names = {{"r1", {*IpAddress::Parse("10.1.0.1")}}};
    WriteResolvConf("nameserver 192.0.2.2\nnameserver 192.0.2.3\n");
    const Fd resolver = UdpSocket(network.world(), Network::kWorld2, 53);
    const Fd tcp_resolver = TcpListener(network.world(), Network::kWorld2, 53);
    const UplinkProcess process = network.Start();
    EXPECT_EQ(ReadUplink(network.spec.state_folder, "r1", process).life, UplinkState::Life::kServing);
    const Fd client = UdpSocket(network.node(), "127.0.0.1", 0);
    SendTo(client, "127.0.0.1", 53, Query("r1"));
    EXPECT_EQ(LastAddress(Receive(client).payload), "10.1.0.1");
    EXPECT_EQ(LastAddress(Resolve(client, "127.0.0.1", resolver, "198.51.100.1").payload), "198.51.100.1");

    const Fd connection = TcpConnect(network.node(), "::1", 53);
    const auto framed = [](const std::string& message) {
      return std::string{static_cast<char>(message.size() >> 8), static_cast<char>(message.size())} + message;
    };
    ASSERT_TRUE(connection.is_open());
    const std::string local = framed(Query("r1"));
    ASSERT_EQ(send(connection.get(), local.data(), local.size(), 0), static_cast<ssize_t>(local.size()));
    ASSERT_TRUE(WaitReadable(connection, 5000));
    std::string buffer(4096, '\0');
    buffer.resize(static_cast<std::size_t>(recv(connection.get(), buffer.data(), buffer.size(), 0)));
    EXPECT_EQ(LastAddress(buffer), "10.1.0.1");

    const std::string foreign = framed(Query("www.example.org"));
    ASSERT_EQ(send(connection.get(), foreign.data(), foreign.size(), 0), static_cast<ssize_t>(foreign.size()));
    const Accepted server = Accept(tcp_resolver);
    ASSERT_TRUE(WaitReadable(server.socket, 5000));
    std::string asked(4096, '\0');
    asked.resize(static_cast<std::size_t>(recv(server.socket.get(), asked.data(), asked.size(), 0)));
    const std::string answer = framed(AnswerTo(asked.substr(2), "198.51.100.2"));
    ASSERT_EQ(send(server.socket.get(), answer.data(), answer.size(), 0), static_cast<ssize_t>(answer.size()));
    ASSERT_TRUE(WaitReadable(connection, 5000));
    buffer.assign(4096, '\0');
    buffer.resize(static_cast<std::size_t>(recv(connection.get(), buffer.data(), buffer.size(), 0)));
    EXPECT_EQ(LastAddress(buffer), "198.51.100.2");
  });
}

}  // namespace
}  // namespace runner::test
