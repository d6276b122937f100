// The network that the other files of this folder test in, and the program's second role as the helper.
#include "tests/kernel/uplink/network.h"
#include "kernel/netns.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fmt/format.h>

#include "uplink/helper.h"
#include "uplink/loop.h"
#include "uplink/sockets.h"
#include "uplink/tap.h"

namespace runner::test {
namespace {

const std::string kStateFolder = "/run/toporun-lab";

// GTest's main would not know this command line.
__attribute__((constructor)) void BecomeHelper(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == kUplinkHelperCommand) _exit(UplinkHelperMain(argc, argv));
}

// A sandbox's end does not end its helpers: they hold its namespaces.
class StopsHelpers : public testing::EmptyTestEventListener {
  void OnTestEnd(const testing::TestInfo&) override {
    for (const UplinkProcess& process : FindUplinks(LabOf(getpid()), kStateFolder)) {
      const Status stopped = StopUplink(process);
      EXPECT_TRUE(stopped) << stopped.error().text();
    }
  }

 public:
  static std::string LabOf(pid_t program) { return "lab" + std::to_string(program); }
};
const bool kListens = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new StopsHelpers);
  return true;
}();

Fd OpenNamespace(const std::string& name) {
  auto fd = OpenFile("/run/netns/" + name, O_RDONLY);
  EXPECT_TRUE(fd) << fd.error().text();
  return fd ? std::move(*fd) : Fd();
}

Fd Opened(int netns, int type, bool ipv6) {
  const auto inside = InNamespace::Enter(netns);
  EXPECT_TRUE(inside);
  return Fd(::socket(ipv6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

Fd Bound(int netns, int type, const std::string& address, std::uint16_t port, bool ipv6) {
  Fd socket = Opened(netns, type, ipv6);
  const int on = 1;
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const SocketAddress at(IpAddress::Parse(address).value(), port);
  EXPECT_EQ(bind(socket.get(), at.get(), at.size()), 0) << address << " " << port << ": " << std::strerror(errno);
  return socket;
}

bool IsIpv6(const std::string& address) { return address.find(':') != std::string::npos; }

bool WaitFor(const Fd& socket, short events, int limit_ms) {
  pollfd polled = {.fd = socket.get(), .events = events, .revents = 0};
  return poll(&polled, 1, limit_ms) == 1;
}

}  // namespace

Network::Network(std::uint32_t mtu, End end) {
  Shell("ip netns add host && ip netns add world && ip netns add lab.r1");
  Shell(
      "ip -n host link set lo up; ip -n world link set lo up; ip -n lab.r1 link set lo up;"
      "ip -n host link add w0 type veth peer name h0 netns world;"
      "ip -n host addr add 192.0.2.1/24 dev w0; ip -n host addr add 192.0.2.9/24 dev w0;"
      "ip -n host addr add 2001:db8::1/64 dev w0 nodad; ip -n host addr add 2001:db8::9/64 dev w0 nodad preferred_lft "
      "0;"
      "ip -n host link set w0 up;"
      "ip -n world addr add 192.0.2.2/24 dev h0; ip -n world addr add 192.0.2.3/24 dev h0;"
      "ip -n world addr add 2001:db8::2/64 dev h0 nodad; ip -n world addr add 2001:db8::3/64 dev h0 nodad;"
      "ip -n world link set h0 up");
  node_ = OpenNamespace("lab.r1");
  host_ = OpenNamespace("host");
  world_ = OpenNamespace("world");
  spec.lab = StopsHelpers::LabOf(getppid());
  spec.node = "r1";
  spec.mtu = mtu;
  spec.mac = MacAddress::FromSeed("lab.r1.tap0");
  spec.ipv6 = IpPrefix::Parse("fd00::/64");
  spec.state_folder = kStateFolder;
  spec.node_path = "/run/netns/lab.r1";
  spec.resolv_conf = "/run/resolv.conf";
  Shell("mkdir -p /run/toporun-lab; : > /run/resolv.conf");
  if (end == End::kTap) {
    const Status made = CreateTap(node_.get(), spec.interface, spec.mac, mtu);
    EXPECT_TRUE(made) << made.error().text();
  } else {
    Shell(fmt::format(
        "ip netns add far && ip -n lab.r1 link add tap0 address {} mtu {} type veth peer name tap0 netns far mtu {} &&"
        "ip -n far link set tap0 up",
        spec.mac.text(), mtu, mtu));
    far_ = OpenNamespace("far");
  }
  Shell(
      "ip -n lab.r1 addr add 10.0.2.100/24 dev tap0; ip -n lab.r1 addr add fd00::100/64 dev tap0 nodad;"
      "ip -n lab.r1 link set tap0 up; ip -n lab.r1 route add default via 10.0.2.2;"
      "ip -n lab.r1 -6 route add default via fd00::2");
}

UplinkProcess Network::Start(const std::vector<ForwardSpec>& forwards) {
  auto process = StartUplink(spec, forwards, side(), host(), "/proc/self/exe");
  if (process) return *process;
  // No test goes on without: a signal to process 0 would meet the tests themselves.
  std::fprintf(stderr, "%s\n", process.error().text().c_str());
  _exit(1);
}

ForwardSpec Publish(ForwardSpec::Protocol protocol, const std::string& host, std::uint16_t host_port,
                    const std::string& target, std::uint16_t port, std::uint16_t count) {
  return {.protocol = protocol,
          .host_address = IpAddress::Parse(host).value(),
          .first_host_port = host_port,
          .last_host_port = static_cast<std::uint16_t>(host_port + count - 1),
          .target = IpAddress::Parse(target).value(),
          .first_port = port,
          .last_port = static_cast<std::uint16_t>(port + count - 1)};
}

Fd UdpSocket(int netns, const std::string& address, std::uint16_t port) {
  return Bound(netns, SOCK_DGRAM, address, port, IsIpv6(address));
}

Fd TcpListener(int netns, const std::string& address, std::uint16_t port) {
  Fd socket = Bound(netns, SOCK_STREAM, address, port, IsIpv6(address));
  EXPECT_EQ(listen(socket.get(), 1024), 0);
  return socket;
}

Fd TcpBegin(int netns, const std::string& address, std::uint16_t port, const std::string& source) {
  // Unless it must be, it is not bound: connect takes a port that was not used just now.
  Fd socket = source.empty() ? Opened(netns, SOCK_STREAM, IsIpv6(address))
                             : Bound(netns, SOCK_STREAM, source, 0, IsIpv6(address));
  const SocketAddress to(IpAddress::Parse(address).value(), port);
  if (connect(socket.get(), to.get(), to.size()) != 0 && errno != EINPROGRESS) return Fd();
  return socket;
}

Fd TcpConnect(int netns, const std::string& address, std::uint16_t port, const std::string& source, int limit_ms) {
  Fd socket = TcpBegin(netns, address, port, source);
  if (!socket.is_open()) return socket;
  if (!WaitFor(socket, POLLOUT, limit_ms)) return Fd();
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? std::move(socket) : Fd();
}

Accepted Accept(const Fd& listener, int limit_ms) {
  Accepted accepted;
  if (!WaitFor(listener, POLLIN, limit_ms)) return accepted;
  sockaddr_storage peer = {};
  socklen_t size = sizeof peer;
  accepted.socket.Reset(
      accept4(listener.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (const auto from = FromSockaddr(reinterpret_cast<const sockaddr&>(peer))) accepted.peer = from->address.text();
  return accepted;
}

void SendTo(const Fd& socket, const std::string& address, std::uint16_t port, std::string_view payload) {
  const SocketAddress to(IpAddress::Parse(address).value(), port);
  EXPECT_EQ(sendto(socket.get(), payload.data(), payload.size(), 0, to.get(), to.size()),
            static_cast<ssize_t>(payload.size()))
      << address << ": " << std::strerror(errno);
}

Datagram Receive(const Fd& socket, int limit_ms) {
  Datagram datagram;
  if (!WaitFor(socket, POLLIN, limit_ms)) return datagram;
  std::string buffer(65536, '\0');
  sockaddr_storage from = {};
  socklen_t size = sizeof from;
  const ssize_t got =
      recvfrom(socket.get(), buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
  if (got < 0) return datagram;
  datagram.arrived = true;
  datagram.payload = buffer.substr(0, static_cast<std::size_t>(got));
  // A packet socket's sender has no IP address.
  datagram.from = FromSockaddr(reinterpret_cast<const sockaddr&>(from)).value_or(UdpEndpoint());
  return datagram;
}

bool WaitReadable(const Fd& socket, int limit_ms) { return WaitFor(socket, POLLIN, limit_ms); }

std::string Pump(const Fd& from, const Fd& to, const std::string& content) {
  std::string got;
  std::size_t sent = 0;
  const std::int64_t deadline = Loop::Now() + 30000;
  std::vector<char> buffer(1 << 18);
  while (got.size() < content.size() && Loop::Now() < deadline) {
    std::array<pollfd, 2> polled = {
        pollfd{.fd = to.get(), .events = POLLIN, .revents = 0},
        pollfd{.fd = sent < content.size() ? from.get() : -1, .events = POLLOUT, .revents = 0}};
    poll(polled.data(), polled.size(), 1000);
    if (polled[1].revents != 0) {
      const ssize_t size = send(from.get(), content.data() + sent, content.size() - sent, MSG_NOSIGNAL);
      if (size > 0) sent += static_cast<std::size_t>(size);
      if (size < 0 && errno != EAGAIN) break;
    }
    if (polled[0].revents != 0) {
      const ssize_t size = recv(to.get(), buffer.data(), buffer.size(), 0);
      if (size > 0) got.append(buffer.data(), static_cast<std::size_t>(size));
      if (size == 0 || (size < 0 && errno != EAGAIN)) break;
    }
  }
  return got;
}

std::string RandomContent(std::size_t size) {
  std::string content(size, '\0');
  std::uint64_t state = 88172645463325252ULL;
  for (char& byte : content) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    byte = static_cast<char>(state);
  }
  return content;
}

bool EventuallyTrue(bool (*condition)(void*), void* of, int limit_ms) {
  const std::int64_t deadline = Loop::Now() + limit_ms;
  while (!condition(of)) {
    if (Loop::Now() > deadline) return false;
    poll(nullptr, 0, 5);
  }
  return true;
}

}  // namespace runner::test
