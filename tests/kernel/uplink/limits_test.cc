// What the helper does where something runs out or is left behind.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <vector>

#include <fmt/format.h>

#include "tests/kernel/uplink/network.h"
#include "uplink/half_closed.h"

namespace runner::test {
namespace {

std::size_t DescriptorsOf(pid_t pid) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid)))
    ++count;
  return count;
}

// The helper is another user, in a user namespace of its own: who may limit it has power there.
void LimitDescriptors(pid_t pid, rlim_t most) {
  const pid_t child = fork();
  if (child == 0) {
    const Fd place(open(fmt::format("/proc/{}/ns/user", pid).c_str(), O_RDONLY | O_CLOEXEC));
    const rlimit limit = {.rlim_cur = most, .rlim_max = most};
    // EINVAL: it is ours.
    if (setns(place.get(), CLONE_NEWUSER) != 0 && errno != EINVAL) _exit(1);
    _exit(prlimit(pid, RLIMIT_NOFILE, &limit, nullptr) == 0 ? 0 : 2);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
}

// A connection that carries something both ways. Clients that gave up while they waited may come before it.
bool Exchanges(const Fd& listener, int netns, const std::string& address, std::uint16_t port) {
  const Fd client = TcpConnect(netns, address, port);
  if (!client.is_open() || send(client.get(), "x", 1, MSG_NOSIGNAL) != 1) return false;
  // libslirp keeps the descriptor of a connection for ten seconds after its end.
  constexpr int kLimit = 25000;
  for (Accepted server = Accept(listener, kLimit); server.socket.is_open(); server = Accept(listener, kLimit)) {
    char byte = 0;
    if (WaitReadable(server.socket, 5000) && recv(server.socket.get(), &byte, 1, 0) == 1) {
      return byte == 'x' && Pump(server.socket, client, "and back") == "and back";
    }
  }
  return false;
}

TEST(UplinkLimits, Case28DescriptorsRunOutForClientsOfAPublishedPort) {
  InSandbox([] {
    Network network;
    const UplinkProcess process = network.Start({Publish(kTcp, "0.0.0.0", 8080, Network::kNode, 80)});
    const Fd listener = TcpListener(network.node(), Network::kNode, 80);
    LimitDescriptors(process.pid, 64);
    std::vector<Fd> clients;
    std::vector<Accepted> served;
    // The kernel takes them all in; the helper as many as it has descriptors for.
    for (int i = 0; i < 200; ++i) clients.push_back(TcpConnect(network.world(), Network::kHost, 8080));
    EXPECT_TRUE(Eventually([&] { return DescriptorsOf(process.pid) >= 63; }));
    while (served.size() < 200) {
      served.push_back(Accept(listener, 300));
      if (!served.back().socket.is_open()) break;
    }
    served.pop_back();
    EXPECT_GT(served.size(), 20U);
    EXPECT_LT(served.size(), 64U);
    // It does not spin on those that wait: a hundred milliseconds pass between two attempts.
    const auto ticks = [&process] {
      const auto text = ReadFile(fmt::format("/proc/{}/schedstat", process.pid));
      return text ? std::stoull(*text) : 0;
    };
    const auto before = ticks();
    EXPECT_FALSE(Accept(listener, 1000).socket.is_open());
    EXPECT_LT(ticks() - before, 500000000U) << "nanoseconds of a second";
    // Who waits is served when others go.
    served.clear();
    for (std::size_t i = 0; i < 100; ++i) clients[i].Reset();
    EXPECT_TRUE(Accept(listener, 20000).socket.is_open());
    clients.clear();
    EXPECT_TRUE(Eventually(
        [&] {
          while (Accept(listener, 0).socket.is_open()) {
          }
          return DescriptorsOf(process.pid) < 40;
        },
        60000));
    EXPECT_TRUE(Exchanges(listener, network.world(), Network::kHost, 8080));
  });
}

TEST(UplinkLimits, Case28DescriptorsRunOutForTheLab) {
  InSandbox([] {
    Network network;
    const UplinkProcess process = network.Start();
    const Fd listener = TcpListener(network.world(), Network::kWorld, 7000);
    LimitDescriptors(process.pid, 64);
    {
      std::vector<Fd> clients;
      std::size_t connected = 0;
      for (int i = 0; i < 200; ++i) {
        clients.push_back(TcpConnect(network.node(), Network::kWorld, 7000, "", 100));
        if (clients.back().is_open()) ++connected;
      }
      EXPECT_GT(connected, 20U);
      EXPECT_LT(connected, 64U);
      while (Accept(listener, 0).socket.is_open()) {
      }
    }
    EXPECT_TRUE(Eventually([&] { return DescriptorsOf(process.pid) < 40; }, 60000));
    while (Accept(listener, 0).socket.is_open()) {
    }
    EXPECT_TRUE(Exchanges(listener, network.node(), Network::kWorld, 7000));
  });
}

// The other side ends, then the lab's does, or is gone without a word.
void EndManyConnections(Network& network, const char* address, int vanish) {
  const Fd listener = TcpListener(network.world(), address, 7000);
  for (int i = 0; i < 1000; ++i) {
    const Fd client = TcpConnect(network.node(), address, 7000);
    ASSERT_TRUE(client.is_open()) << i;
    Accepted server = Accept(listener);
    ASSERT_TRUE(server.socket.is_open()) << i;
    server.socket.Reset();
    ASSERT_TRUE(WaitReadable(client, 5000)) << i;
    // A socket under repair says nothing when it is closed.
    if (vanish != 0) {
      ASSERT_EQ(setsockopt(client.get(), IPPROTO_TCP, TCP_REPAIR, &vanish, sizeof vanish), 0);
    }
  }
}

TEST(UplinkLimits, Case29ConnectionsThatEndLeaveNoDescriptor) {
  InSandbox([] {
    Network network;
    const UplinkProcess process = network.Start();
    const std::size_t before = DescriptorsOf(process.pid);
    EndManyConnections(network, Network::kWorld, 0);
    EXPECT_TRUE(Eventually([&] { return DescriptorsOf(process.pid) <= before; }, 60000));
  });
}

TEST(UplinkLimits, Case29ClientsThatVanishAfterAFinAreBounded) {
  for (const char* address : {Network::kWorld, Network::kWorld6}) {
    InSandbox([address] {
      Network network;
      const UplinkProcess process = network.Start();
      const std::size_t before = DescriptorsOf(process.pid);
      EndManyConnections(network, address, 1);
      EXPECT_TRUE(Eventually([&] { return DescriptorsOf(process.pid) <= before + HalfClosed::kMost; }, 30000));
      // Some of them are half closed still, or the test shows nothing. How many depends on how busy the machine is.
      EXPECT_GE(DescriptorsOf(process.pid), before + HalfClosed::kMost / 8);
      const Fd listener = TcpListener(network.world(), address, 7001);
      EXPECT_TRUE(Exchanges(listener, network.node(), address, 7001));
    });
  }
}

}  // namespace
}  // namespace runner::test
