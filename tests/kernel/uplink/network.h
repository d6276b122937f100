// A lab's node with an uplink, a "host" that the uplink leaves from, and a "world" behind that: three namespaces inside
// the sandbox, so that nothing leaves the machine. Sockets are made inside them and used from this one thread.
#pragma once
#include <sys/socket.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "tests/support/sandbox.h"
#include "uplink/packet.h"
#include "uplink/supervisor.h"

namespace runner::test {

class Network {
 public:
  /// What the node's `tap0` is: a tap, or an end of a veth whose other end is in a namespace of its own.
  enum class End { kTap, kPacketSocket };

  /// Makes namespaces, links, addresses and the node's end.
  explicit Network(std::uint32_t mtu = 1500, End end = End::kTap);
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  int node() const { return node_.get(); }
  NodeSide side() const { return {.netns = node_.get(), .far_netns = far_.is_open() ? far_.get() : -1}; }
  int host() const { return host_.get(); }
  int world() const { return world_.get(); }

  UplinkSpec spec;

  /// Starts the helper; a failure fails the test and ends it.
  UplinkProcess Start(const std::vector<ForwardSpec>& forwards = {});

  static constexpr char kHost[] = "192.0.2.1";
  static constexpr char kHost2[] = "192.0.2.9";  // the host's second address
  static constexpr char kWorld[] = "192.0.2.2";
  static constexpr char kWorld2[] = "192.0.2.3";
  static constexpr char kHost6[] = "2001:db8::1";
  static constexpr char kWorld6[] = "2001:db8::2";
  static constexpr char kWorld62[] = "2001:db8::3";
  static constexpr char kNode[] = "10.0.2.100";
  static constexpr char kNode6[] = "fd00::100";

 private:
  Fd node_;
  Fd far_;
  Fd host_;
  Fd world_;
};

inline constexpr auto kTcp = ForwardSpec::Protocol::kTcp;
inline constexpr auto kUdp = ForwardSpec::Protocol::kUdp;

ForwardSpec Publish(ForwardSpec::Protocol protocol, const std::string& host, std::uint16_t host_port,
                    const std::string& target, std::uint16_t port, std::uint16_t count = 1);

/// Sockets inside a namespace; an empty address is any. Failures fail the test.
Fd UdpSocket(int netns, const std::string& address, std::uint16_t port);
Fd TcpListener(int netns, const std::string& address, std::uint16_t port);
/// Connected, or closed where it could not be within the limit.
Fd TcpConnect(int netns, const std::string& address, std::uint16_t port, const std::string& source = "",
              int limit_ms = 5000);
/// Connecting.
Fd TcpBegin(int netns, const std::string& address, std::uint16_t port, const std::string& source = "");
struct Accepted {
  Fd socket;
  std::string peer;
};
/// The next client within the limit; closed when there is none.
Accepted Accept(const Fd& listener, int limit_ms = 5000);

void SendTo(const Fd& socket, const std::string& address, std::uint16_t port, std::string_view payload);
struct Datagram {
  bool arrived = false;
  std::string payload;
  UdpEndpoint from;
};
Datagram Receive(const Fd& socket, int limit_ms = 5000);

bool WaitReadable(const Fd& socket, int limit_ms);
/// Sends all of `content` into `from` and reads as much out of `to`; what arrived within 30 seconds.
std::string Pump(const Fd& from, const Fd& to, const std::string& content);
std::string RandomContent(std::size_t size);

/// Waits until `condition` holds, looking again every few milliseconds.
template <class Condition>
bool Eventually(Condition condition, int limit_ms = 5000);

bool EventuallyTrue(bool (*condition)(void*), void* of, int limit_ms);
template <class Condition>
bool Eventually(Condition condition, int limit_ms) {
  return EventuallyTrue([](void* of) -> bool { return (*static_cast<Condition*>(of))(); }, &condition, limit_ms);
}

}  // namespace runner::test
