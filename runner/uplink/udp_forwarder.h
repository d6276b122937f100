// Published UDP ports, forwarded frame by frame: the server in the lab sees the client's own address (the gateway's for
// clients of the host itself on loopback), and the answer leaves from the address that the client wrote to.
#pragma once
#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "uplink/loop.h"
#include "uplink/packet.h"
#include "uplink/spec.h"

namespace runner {

class UdpForwarder {
 public:
  /// Hands a datagram to the lab.
  using Deliver = std::function<void(const UdpEndpoint& source, const UdpEndpoint& destination,
                                     std::span<const std::uint8_t> payload)>;

  UdpForwarder(Loop& loop, const UplinkSpec& spec, Deliver deliver);
  UdpForwarder(const UdpForwarder&) = delete;
  UdpForwarder& operator=(const UdpForwarder&) = delete;
  ~UdpForwarder();

  /// `sockets`: bound already, one a port; else empty.
  Status Listen(const ForwardSpec& forward, std::vector<Fd> sockets = {});
  /// The clients of these ports are forgotten.
  void Unlisten(const ForwardSpec& forward);
  /// Takes a datagram of the lab for the client it answers; false if it answers none. It is sent by Flush at the
  /// latest.
  bool TakeReply(const Packet& packet);
  void Flush();

  std::size_t flows() const { return flows_.size(); }

 private:
  struct Port {
    Fd socket;
    UdpEndpoint host;
    UdpEndpoint target;
  };
  struct FlowKey {
    UdpEndpoint target;
    UdpEndpoint shown;  // the client, as the lab sees it
    friend auto operator<=>(const FlowKey&, const FlowKey&) = default;
  };
  struct Flow {
    const Port* port = nullptr;
    sockaddr_storage client = {};
    socklen_t client_size = 0;
    IpAddress local = {};  // the host's address that the client wrote to
    std::uint32_t interface = 0;
    std::int64_t last_used = 0;
    std::list<FlowKey>::iterator place = {};  // in by_use_
  };

  // Datagrams to or from one socket in one system call.
  struct Batch;

  void Receive(const Port& port);
  void Take(const Port& port, std::size_t i);
  void Remember(const FlowKey& key, Flow flow);
  void Touch(Flow& flow);
  void Expire();

  Loop& loop_;
  Deliver deliver_;
  IpAddress gateway_;
  IpAddress gateway6_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::map<FlowKey, Flow> flows_;
  std::list<FlowKey> by_use_;  // the longest unused first
  std::unique_ptr<Batch> in_;
  std::unique_ptr<Batch> out_;
  const Port* out_port_ = nullptr;  // where the replies in out_ leave
  Loop::TimerId timer_ = 0;
};

}  // namespace runner
