// Echo requests (ICMP, ICMPv6) and what comes of them: replies, and the errors of routers on the way.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "base/ip.h"
#include "check/vantage.h"

namespace runner::check {

struct EchoAnswer {
  enum class Kind {
    kReply,
    kTimeExceeded,  // the packet crossed as many routers as it might
    kTooBig,        // with the MTU that is in the way
    kUnreachable
  };
  Kind kind = Kind::kReply;
  IpAddress from = {};
  std::uint16_t sequence = 0;
  std::uint32_t mtu = 0;
  std::string why = {};  // of kUnreachable
  Clock::time_point at = {};
};

class EchoSocket {
 public:
  /// A raw socket, else the kernel's own ping socket, which a user may have where net.ipv4.ping_group_range says so.
  static Result<EchoSocket> Open(Vantage& from, Family family);

  struct Request {
    IpAddress to = {};
    std::uint16_t sequence = 0;
    std::size_t payload = 56;  // bytes behind the ICMP header
    int hops = 64;
    bool whole = false;  // not to be cut in fragments, whatever is known of the path's MTU
  };
  /// EMSGSIZE when the own interface cannot take it whole; other errors say that there is no way.
  Status Send(const Request& request);
  /// The next answer to a request of this socket, without waiting.
  std::optional<EchoAnswer> Receive();

  int fd() const { return socket_.get(); }

 private:
  EchoSocket(Fd socket, Family family, bool is_raw);
  std::optional<EchoAnswer> ReceiveReply();
  std::optional<EchoAnswer> ReceiveError();

  Fd socket_;
  Family family_;
  bool is_raw_;
  std::uint16_t id_ = 0;  // a ping socket has one of its own
};

/// Bytes that IP and ICMP headers take of a packet.
std::size_t EchoOverhead(Family family);

}  // namespace runner::check
