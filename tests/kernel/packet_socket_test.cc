#include "kernel/packet_socket.h"

#include <gmock/gmock.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <chrono>
#include <ctime>

#include "tests/kernel/throwaway.h"

namespace runner {
namespace {

using test::Connect;
using test::ThrowawayNet;

PacketSocket Listen(const ThrowawayNet& net, const std::string& interface, std::uint32_t most = 2048) {
  auto socket =
      net.Inside([&] { return PacketSocket::Open(static_cast<int>(if_nametoindex(interface.c_str())), most); });
  EXPECT_TRUE(socket.ok()) << interface;
  return std::move(*socket);
}

/// The next that fits; fails the test when none comes.
template <class Fits>
PassedPacket Await(PacketSocket& socket, const Fits& fits) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (std::chrono::steady_clock::now() < end) {
    while (auto packet = socket.Take()) {
      if (fits(*packet)) return *packet;
    }
    pollfd waiting{.fd = socket.fd(), .events = POLLIN, .revents = 0};
    poll(&waiting, 1, 100);
  }
  ADD_FAILURE() << "no such packet came";
  return {};
}

std::string Bytes(std::initializer_list<int> bytes) {
  std::string text;
  for (const int byte : bytes) text += static_cast<char>(byte);
  return text;
}

struct Cable {
  ThrowawayNet a;
  ThrowawayNet b;
  Cable() { Connect(a, "eth0", "10.0.0.1/24", b, "eth0", "10.0.0.2/24"); }
};

TEST(PacketSocket, TellsTimeLengthAndDirectionOfAFrame) {
  const Cable cable;
  PacketSocket near = Listen(cable.a, "eth0");
  PacketSocket far = Listen(cable.b, "eth0");
  EXPECT_EQ(near.head(), PacketHead::kEthernet);
  cable.a.Run("ping -c 1 -W 3 -s 100 -p c7 10.0.0.2");
  const auto is_request = [](const PassedPacket& packet) { return packet.bytes.substr(34, 1) == "\x08"; };
  const PassedPacket sent = Await(near, is_request);
  const PassedPacket received = Await(far, is_request);
  EXPECT_TRUE(sent.is_outgoing);
  EXPECT_FALSE(received.is_outgoing);
  EXPECT_EQ(sent.bytes, received.bytes);
  EXPECT_EQ(sent.length, 142U);
  EXPECT_EQ(sent.bytes.size(), 142U);
  EXPECT_EQ(sent.bytes.back(), '\xc7');
  EXPECT_LE(sent.time, received.time);
  EXPECT_NEAR(static_cast<double>(sent.time) / 1e9, static_cast<double>(std::time(nullptr)), 10);
  EXPECT_EQ(near.TakeLost(), 0U);
}

TEST(PacketSocket, CutsALongPacket) {
  const Cable cable;
  PacketSocket socket = Listen(cable.b, "eth0", 64);
  cable.a.Run("ping -c 1 -W 3 -s 1000 10.0.0.2");
  const PassedPacket packet = Await(socket, [](const PassedPacket& one) { return one.length > 1000; });
  EXPECT_EQ(packet.length, 1042U);
  EXPECT_EQ(packet.bytes.size(), 64U);
}

/// The kernel takes a tag off before anybody sees the frame.
TEST(PacketSocket, HasTheTagsOfVlans) {
  const Cable cable;
  PacketSocket socket = Listen(cable.b, "eth0");
  for (const int type : {0x81, 0x88}) {
    const std::string head = std::string(6, '\xff') + Bytes({2, 0, 0, 0, 0, 1});
    const std::string tag = type == 0x81 ? Bytes({0x81, 0x00, 0x60, 0x07}) : Bytes({0x88, 0xa8, 0x0f, 0xfe});
    const std::string frame = head + tag + Bytes({0x88, 0xb5}) + std::string(50, 'x');
    cable.a.Inside([&frame] {
      const Fd sender(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
      sockaddr_ll to = {};
      to.sll_family = AF_PACKET;
      to.sll_ifindex = static_cast<int>(if_nametoindex("eth0"));
      EXPECT_EQ(sendto(sender.get(), frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to),
                static_cast<ssize_t>(frame.size()));
    });
    const auto is_ours = [&head](const PassedPacket& packet) { return packet.bytes.starts_with(head); };
    const PassedPacket packet = Await(socket, is_ours);
    EXPECT_EQ(packet.bytes, frame);
    EXPECT_EQ(packet.length, frame.size());
  }
}

TEST(PacketSocket, SeesEachPacketOfLoopbackOnce) {
  const ThrowawayNet net;
  PacketSocket socket = Listen(net, "lo");
  EXPECT_EQ(socket.head(), PacketHead::kEthernet);
  net.Run("ping -c 1 -W 3 ::1");
  int requests = 0;
  const auto is_reply = [&requests](const PassedPacket& packet) {
    requests += packet.bytes.substr(54, 1) == "\x80" ? 1 : 0;
    return packet.bytes.substr(54, 1) == "\x81";
  };
  Await(socket, is_reply);
  EXPECT_EQ(requests, 1);
}

/// What a tunnel without Ethernet carries, behind the cooked head.
TEST(PacketSocket, CooksWhatHasNoHeadOfItsOwn) {
  const ThrowawayNet net;
  net.Run("ip tuntap add t0 mode tun && ip addr add 10.8.0.1/24 dev t0 && ip link set t0 up");
  PacketSocket socket = Listen(net, "t0");
  EXPECT_EQ(socket.head(), PacketHead::kCooked);
  const Fd tun = net.Inside([] {
    Fd device(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    ifreq request = {};
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    std::strncpy(request.ifr_name, "t0", sizeof request.ifr_name - 1);
    EXPECT_EQ(ioctl(device.get(), TUNSETIFF, &request), 0) << std::strerror(errno);
    return device;
  });
  const auto cooked = [](int type) { return Bytes({0, type, 0xff, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0x45}); };
  net.Run("ping -c 1 -W 1 10.8.0.2 || true");
  const PassedPacket sent =
      Await(socket, [&](const PassedPacket& packet) { return packet.bytes.starts_with(cooked(4)); });
  EXPECT_TRUE(sent.is_outgoing);
  EXPECT_EQ(sent.length, 16U + 84U);
  EXPECT_EQ(sent.bytes.size(), 100U);
}

TEST(PacketSocket, StaysWithItsInterfaceThroughDownAndUp) {
  const Cable cable;
  cable.b.Run("ip link set eth0 down");
  PacketSocket socket = Listen(cable.b, "eth0");
  cable.b.Run("ip link set eth0 up && ip link set eth0 down && ip link set eth0 up");
  cable.a.Run("ping -c 1 -W 3 10.0.0.2");
  EXPECT_EQ(Await(socket, [](const PassedPacket& packet) { return packet.bytes[34] == 8; }).length, 98U);
}

TEST(PacketSocket, CountsWhatCameTooFast) {
  const Cable cable;
  PacketSocket socket = Listen(cable.b, "eth0");
  cable.a.Run("ping -q -f -c 1000 -s 9000 10.0.0.2");
  std::uint32_t taken = 0;
  while (socket.Take()) ++taken;
  const std::uint32_t lost = socket.TakeLost();
  EXPECT_GT(taken, 10U);
  EXPECT_GT(lost, 1000U);
  EXPECT_GE(taken + lost, 14000U);  // Seven pieces each, both ways.
  EXPECT_EQ(socket.TakeLost(), 0U);
}

TEST(PacketSocket, TellsThatThereIsNoSuchInterface) {
  const ThrowawayNet net;
  const auto socket = net.Inside([] { return PacketSocket::Open(4711, 64); });
  ASSERT_FALSE(socket.ok());
  EXPECT_EQ(socket.error().code, ENODEV);
}

}  // namespace
}  // namespace runner
