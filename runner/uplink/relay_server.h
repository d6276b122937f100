// DNS on ordinary sockets, UDP and TCP, for an uplink without libslirp: bound inside the node, asking outside of it.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "uplink/dns_relay.h"
#include "uplink/loop.h"

namespace runner {

class RelayServer {
 public:
  RelayServer(Loop& loop, DnsRelay& relay) : loop_(loop), relay_(relay), self_(std::make_shared<RelayServer*>(this)) {}
  RelayServer(const RelayServer&) = delete;
  RelayServer& operator=(const RelayServer&) = delete;
  ~RelayServer();

  /// Port 53 of each address, in the namespace `node_netns`.
  Status Listen(int node_netns, const std::vector<IpAddress>& addresses);
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
  std::map<int, Client> clients_;
  std::uint64_t next_number_ = 1;
  bool serving_ = true;
};

}  // namespace runner
