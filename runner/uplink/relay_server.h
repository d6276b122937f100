// DNS on ordinary sockets, UDP and TCP, for an uplink without libslirp: bound inside the node, asking outside of it.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "uplink/dns_relay.h"
#include "uplink/loop.h"
#include "uplink/packet.h"

namespace runner {

class RelayServer {
 public:
  RelayServer(Loop& loop, DnsRelay& relay) : loop_(loop), relay_(relay), self_(std::make_shared<RelayServer*>(this)) {}
  RelayServer(const RelayServer&) = delete;
  RelayServer& operator=(const RelayServer&) = delete;
  ~RelayServer();

  /// Port 53 of each address, in the namespace `node_netns`.
  Status Listen(int node_netns, const std::vector<IpAddress>& addresses);
  /// TCP on an unused port of 127.0.0.1 (or of ::1), in this namespace, for clients whose own address and port
  /// `admits`: nobody else on the machine is served. The port; 0 where the machine has no such address.
  using Admits = std::function<bool(const UdpEndpoint& client)>;
  std::uint16_t ListenOnLoopback(Family family, Admits admits);
  /// Whether queries are answered; else they are dropped.
  void SetServing(bool serving) { serving_ = serving; }

 private:
  struct Client {
    Fd socket;
    std::vector<std::uint8_t> in;
    std::vector<std::uint8_t> out;
    Loop::TimerId timer = 0;
    std::uint64_t number = 0;  // descriptors are used again, numbers are not
  };
  bool IsAdmitted(const Fd& client) const;
  void ReceiveUdp(int fd);
  void Accept(int listener);
  void Ready(int fd, short revents);
  void Flush(int fd);
  void Drop(int fd);

  Loop& loop_;
  DnsRelay& relay_;
  // Answers come late: what is gone by then is not touched.
  std::shared_ptr<RelayServer*> self_;
  std::vector<Fd> udp_;
  std::vector<Fd> tcp_;
  Admits admits_;
  std::map<int, Client> clients_;
  std::uint64_t next_number_ = 1;
  bool serving_ = true;
};

}  // namespace runner
