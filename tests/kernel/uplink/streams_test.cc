// Streams of bytes between hosts and the lab: over lines that lose, to readers that wait, and how they end.
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

#include "base/fd.h"
#include "tests/kernel/uplink/network.h"

namespace runner::test {
namespace {

constexpr std::size_t kMegabytes3 = 3 << 20;

struct Ends {
  Fd node;
  Fd world;
};

Ends Connect(const Network& network, bool ipv6) {
  const char* address = ipv6 ? Network::kWorld6 : Network::kWorld;
  const Fd listener = TcpListener(network.world(), address, 7000);
  Ends ends;
  ends.node = TcpConnect(network.node(), address, 7000);
  EXPECT_TRUE(ends.node.is_open());
  ends.world = Accept(listener).socket;
  EXPECT_TRUE(ends.world.is_open());
  return ends;
}

// By a client of a published port.
Ends Visit(const Network& network, bool ipv6) {
  const Fd web = TcpListener(network.node(), ipv6 ? Network::kNode6 : Network::kNode, 80);
  Ends ends;
  ends.world = TcpConnect(network.world(), ipv6 ? Network::kHost6 : Network::kHost, 8080);
  EXPECT_TRUE(ends.world.is_open());
  ends.node = Accept(web).socket;
  EXPECT_TRUE(ends.node.is_open());
  return ends;
}

std::vector<ForwardSpec> Published() {
  return {Publish(kTcp, "0.0.0.0", 8080, Network::kNode, 80), Publish(kTcp, "::", 8080, Network::kNode6, 80)};
}

int Waiting(const Fd& socket) {
  int bytes = 0;
  EXPECT_EQ(ioctl(socket.get(), FIONREAD, &bytes), 0);
  return bytes;
}

// What can be given to the socket while the other end reads nothing.
std::size_t Fill(const Fd& socket, const std::string& content) {
  std::size_t given = 0;
  EXPECT_FALSE(Eventually(
      [&] {
        const ssize_t size = send(socket.get(), content.data() + given, content.size() - given, MSG_DONTWAIT);
        if (size > 0) given += static_cast<std::size_t>(size);
        return given == content.size();
      },
      500));
  return given;
}

// Up to the end, or to an error, whose number is appended.
std::string ReadAll(const Fd& socket) {
  std::string all;
  std::string part(1 << 16, '\0');
  while (WaitReadable(socket, 10000)) {
    const ssize_t size = recv(socket.get(), part.data(), part.size(), MSG_DONTWAIT);
    if (size == 0) return all;
    if (size < 0 && errno == EAGAIN) continue;
    if (size < 0) return all + fmt::format("|error {}", errno);
    all.append(part, 0, static_cast<std::size_t>(size));
  }
  return all + "|no end";
}

class UplinkStreams : public testing::TestWithParam<Network::End> {};
INSTANTIATE_TEST_SUITE_P(, UplinkStreams, testing::Values(Network::End::kTap, Network::End::kPacketSocket),
                         [](const auto& end) { return end.param == Network::End::kTap ? "Tap" : "PacketSocket"; });

TEST_P(UplinkStreams, WhatTheLabLosesComesAgain) {
  InSandbox([] {
    Network network(1500, GetParam());
    network.Start(Published());
    const std::string content = RandomContent(kMegabytes3);
    std::vector<Ends> all;
    for (const bool ipv6 : {false, true}) {
      all.push_back(Connect(network, ipv6));
      all.push_back(Visit(network, ipv6));
    }
    // Once they are connected, for that is libslirp's, whose patience is seconds.
    Shell(
        "ip netns exec lab.r1 nft 'add table inet lossy;"
        "add chain inet lossy in { type filter hook input priority 0; };"
        "add chain inet lossy out { type filter hook output priority 0; };"
        "add rule inet lossy in iifname tap0 meta l4proto tcp numgen random mod 100 < 4 counter drop;"
        "add rule inet lossy out oifname tap0 meta l4proto tcp numgen random mod 100 < 4 counter drop'");
    for (const Ends& ends : all) {
      EXPECT_TRUE(Pump(ends.world, ends.node, content) == content) << "to the lab";
      EXPECT_TRUE(Pump(ends.node, ends.world, content) == content) << "from the lab";
    }
    for (const char* chain : {"in", "out"}) {
      EXPECT_THAT(Shell(fmt::format("ip netns exec lab.r1 nft list chain inet lossy {}", chain)),
                  testing::ContainsRegex("packets [1-9]"));
    }
  });
}

TEST_P(UplinkStreams, ReachTheWindowOfTheReader) {
  InSandbox([] {
    Network network(1500, GetParam());
    network.Start(Published());
    Shell("ip netns exec lab.r1 sysctl -qw 'net.ipv4.tcp_rmem=4096 1048576 4194304'");
    const std::string content = RandomContent(64 << 20);
    for (const bool ipv6 : {false, true}) {
      for (const auto open : {Connect, Visit}) {
        Ends ends = open(network, ipv6);
        const std::size_t given = Fill(ends.world, content);
        // libslirp's window would be 65535.
        EXPECT_GT(Waiting(ends.node), 200000) << ipv6;
        // All of it is there, in order, when the reader wakes up.
        shutdown(ends.world.get(), SHUT_WR);
        EXPECT_TRUE(ReadAll(ends.node) == content.substr(0, given)) << ipv6;
      }
    }
  });
}

TEST_P(UplinkStreams, WaitForAHostThatDoesNotRead) {
  InSandbox([] {
    Network network(1500, GetParam());
    network.Start(Published());
    // What the kernels keep does not hide what the uplink keeps.
    for (const char* netns : {"host", "world", "lab.r1"}) {
      Shell(fmt::format(
          "ip netns exec {} sysctl -qw 'net.ipv4.tcp_rmem=4096 65536 65536' 'net.ipv4.tcp_wmem=4096 65536 65536'",
          netns));
    }
    const std::string content = RandomContent(64 << 20);
    for (const bool ipv6 : {false, true}) {
      for (const auto open : {Connect, Visit}) {
        const Ends ends = open(network, ipv6);
        const std::size_t given = Fill(ends.node, content);
        EXPECT_GT(given, 400000U) << ipv6;
        EXPECT_LT(given, 2000000U) << "it is bounded";
        // The end stays behind all of it.
        shutdown(ends.node.get(), SHUT_WR);
        EXPECT_TRUE(ReadAll(ends.world) == content.substr(0, given)) << ipv6;
        EXPECT_TRUE(Pump(ends.world, ends.node, content.substr(0, 100000)) == content.substr(0, 100000));
      }
    }
  });
}

TEST_P(UplinkStreams, EndAfterTheLastByte) {
  InSandbox([] {
    Network network(1500, GetParam());
    network.Start(Published());
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{50000}}) {
      const std::string content = RandomContent(size);
      for (const bool ipv6 : {false, true}) {
        for (const auto open : {Connect, Visit}) {
          Ends ends = open(network, ipv6);
          ASSERT_EQ(send(ends.world.get(), content.data(), content.size(), 0), static_cast<ssize_t>(size));
          ends.world.Reset();
          EXPECT_TRUE(ReadAll(ends.node) == content) << size;
        }
      }
    }
  });
}

TEST_P(UplinkStreams, GoOnWhenOnlyTheLabHasEnded) {
  InSandbox([] {
    Network network(1500, GetParam());
    network.Start(Published());
    const std::string content = RandomContent(kMegabytes3);
    for (const bool ipv6 : {false, true}) {
      for (const auto open : {Connect, Visit}) {
        Ends ends = open(network, ipv6);
        shutdown(ends.node.get(), SHUT_WR);
        EXPECT_EQ(ReadAll(ends.world), "");
        EXPECT_TRUE(Pump(ends.world, ends.node, content) == content);
        shutdown(ends.world.get(), SHUT_WR);
        EXPECT_EQ(ReadAll(ends.node), "");
      }
    }
  });
}

TEST_P(UplinkStreams, AResetOfTheHostIsOne) {
  InSandbox([] {
    Network network(1500, GetParam());
    network.Start(Published());
    const linger at_once = {.l_onoff = 1, .l_linger = 0};
    for (const bool ipv6 : {false, true}) {
      for (const auto open : {Connect, Visit}) {
        Ends ends = open(network, ipv6);
        ASSERT_EQ(send(ends.world.get(), "x", 1, 0), 1);
        ASSERT_TRUE(WaitReadable(ends.node, 5000));
        setsockopt(ends.world.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        ends.world.Reset();
        EXPECT_EQ(ReadAll(ends.node), fmt::format("x|error {}", ECONNRESET)) << ipv6;
      }
    }
  });
}

TEST_P(UplinkStreams, AResetOfTheLabEndsTheHost) {
  InSandbox([] {
    Network network(1500, GetParam());
    network.Start(Published());
    const std::string content = RandomContent(64 << 20);
    const linger at_once = {.l_onoff = 1, .l_linger = 0};
    for (const bool ipv6 : {false, true}) {
      for (const auto open : {Connect, Visit}) {
        Ends ends = open(network, ipv6);
        Fill(ends.world, content);
        setsockopt(ends.node.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        ends.node.Reset();
        EXPECT_THAT(ReadAll(ends.world), testing::Not(testing::HasSubstr("no end"))) << ipv6;
      }
    }
  });
}

}  // namespace
}  // namespace runner::test
