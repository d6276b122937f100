// Connections whose host side has ended while the lab's has not. libslirp before 4.9 keeps one that the lab forgot (a
// node that went away says no more) for ever, with its descriptor: here each gets a time, and all together a bound.
#pragma once
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "uplink/packet.h"

namespace runner {

class HalfClosed {
 public:
  static constexpr std::size_t kMost = 256;
  static constexpr std::int64_t kPatience = 120000;  // ms of silence

  /// Takes a reset in the name of the lab.
  using Reset = std::function<void(std::span<std::uint8_t> frame)>;
  explicit HalfClosed(Reset reset) : reset_(std::move(reset)) {}

  /// A TCP frame to the lab, of at least a whole header.
  void Sent(std::span<const std::uint8_t> frame, std::int64_t now);
  /// A TCP packet of the lab, before the stack gets it.
  void Received(const Packet& packet, std::int64_t now);
  /// Ends those above the bound and those that were silent too long; the stack sends meanwhile.
  void Expire(std::int64_t now);

  std::size_t size() const { return connections_.size(); }

 private:
  struct Connection {
    std::uint32_t next = 0;  // the number that the stack waits for from the lab
    std::int64_t last_used = 0;
    std::list<TcpConnection>::iterator place = {};
  };
  using Entry = std::map<TcpConnection, Connection>::iterator;

  void Touch(Entry entry, std::int64_t now);
  void Forget(const TcpConnection& key);
  void Forget(Entry entry);

  Reset reset_;
  std::map<TcpConnection, Connection> connections_;
  std::list<TcpConnection> by_use_;       // the longest silent first
  std::set<TcpConnection> ended_by_lab_;  // first: with the host's end such a one is closed
};

}  // namespace runner
