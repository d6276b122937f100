// Answers a query of the lab: a node's name from the table, everything else from the servers of resolv.conf, the next
// one when one is silent. Knows nothing of where the query came from.
#pragma once
#include <cstdint>
#include <functional>
#include <list>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "uplink/dns_message.h"
#include "uplink/log.h"
#include "uplink/loop.h"
#include "uplink/resolv_conf.h"
#include "uplink/spec.h"

namespace runner {

class DnsRelay {
 public:
  using Answer = std::function<void(std::span<const std::uint8_t> message)>;
  enum class Transport { kUdp, kTcp };

  /// The host's name servers, asked before each query.
  using Servers = std::function<std::vector<NameServer>()>;

  DnsRelay(Loop& loop, Log& log, const UplinkSpec& spec, Servers servers);
  DnsRelay(const DnsRelay&) = delete;
  DnsRelay& operator=(const DnsRelay&) = delete;
  ~DnsRelay();

  /// Calls `answer` at most once, perhaps before it returns; never for what is no query. The servers are asked over
  /// `transport`.
  void Ask(std::span<const std::uint8_t> query, Transport transport, Answer answer);
  /// Other names.
  void Change(const UplinkSpec& spec);

  std::size_t pending() const { return pending_.size(); }

 private:
  struct Pending {
    std::vector<std::uint8_t> query;
    DnsQuestion question;
    Transport transport = Transport::kUdp;
    Answer answer;
    std::vector<NameServer> servers;
    std::size_t next = 0;  // in `servers`
    std::size_t attempts = 0;
    std::size_t current = 0;  // index of the server that is asked now
    std::uint16_t id = 0;     // towards the server
    Fd socket = {};
    Loop::TimerId timer = 0;
    std::vector<std::uint8_t> out = {};  // kTcp: not yet sent
    std::vector<std::uint8_t> in = {};   // kTcp
  };
  using Place = std::list<Pending>::iterator;

  void TryNext(Place pending);
  bool Send(Place pending, const NameServer& server);
  void Ready(Place pending, short revents);
  void ReadyTcp(Place pending, short revents);
  void Finish(Place pending, std::span<const std::uint8_t> reply);
  void FailWith(Place pending, DnsCode code);
  void Close(Place pending);
  std::vector<NameServer> ServersByTrust();

  Loop& loop_;
  Log& log_;
  LabNames names_;
  Servers servers_;
  std::string source_;  // what `servers_` reads, for the log
  std::uint16_t port_;
  std::list<Pending> pending_;
  NameServer last_good_;
};

}  // namespace runner
