#include "check/all_pairs.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "check/echo_socket.h"

namespace runner::check {
namespace {

// Two sockets a node, and its namespace.
constexpr std::size_t kNodesAtOnce = 64;
// A neighbour that is being looked for keeps about a hundred packets.
constexpr std::size_t kUnansweredAtOnce = 64;
constexpr Milliseconds kForReply{1000};

bool Owns(const NodeAddresses& node, const IpAddress& address) {
  return std::ranges::any_of(node.interfaces, [&address](const InterfaceAddresses& interface) {
    return std::ranges::find(interface.addresses, address, &IpPrefix::address) != interface.addresses.end();
  });
}

bool HasFamily(const NodeAddresses& node, Family family) {
  return std::ranges::any_of(node.interfaces, [family](const InterfaceAddresses& interface) {
    return std::ranges::any_of(interface.addresses, [family](const IpPrefix& prefix) {
      return prefix.family() == family && IsGlobal(prefix.address());
    });
  });
}

/// One node's requests of one family.
class Asking {
 public:
  Asking(EchoSocket socket, std::vector<Pair*> pairs) : socket_(std::move(socket)), pairs_(std::move(pairs)) {
    for (std::size_t i = 0; i < pairs_.size(); ++i) waiting_.push_back(i);
    std::ranges::reverse(waiting_);
  }

  int fd() const { return socket_.fd(); }
  bool is_done() const { return waiting_.empty() && sent_.empty(); }

  /// What the time allows to be sent, and what has come.
  void Work() {
    while (const auto answer = socket_.Receive()) Take(*answer);
    const Clock::time_point now = Clock::now();
    for (auto it = sent_.begin(); it != sent_.end();) {
      if (now - it->second < kForReply) {
        ++it;
        continue;
      }
      waiting_.insert(waiting_.begin(), it->first);
      it = sent_.erase(it);
    }
    while (!waiting_.empty() && sent_.size() < kUnansweredAtOnce) {
      const std::size_t index = waiting_.back();
      waiting_.pop_back();
      const Status sent = socket_.Send({.to = pairs_[index]->address, .sequence = static_cast<std::uint16_t>(index)});
      // One that cannot be sent waits as one that is not answered.
      if (!sent.ok()) pairs_[index]->why = sent.error().why;
      sent_[index] = now;
    }
  }

 private:
  void Take(const EchoAnswer& answer) {
    const std::size_t index = answer.sequence;
    if (index >= pairs_.size()) return;
    Pair& pair = *pairs_[index];
    if (answer.kind != EchoAnswer::Kind::kReply) {
      pair.why = answer.from.text() + " says: " + answer.why;
      return;
    }
    pair.reached = true;
    sent_.erase(index);
    std::erase(waiting_, index);
  }

  EchoSocket socket_;
  std::vector<Pair*> pairs_;
  std::vector<std::size_t> waiting_;  // the next at the end
  std::map<std::size_t, Clock::time_point> sent_;
};

using PairsByNode = std::map<std::pair<std::string, Family>, std::vector<Pair*>>;

Status AskTogether(std::vector<Asking>& askings, const Patience& patience) {
  while (!patience.is_over()) {
    std::vector<pollfd> sockets;
    for (Asking& asking : askings) {
      asking.Work();
      if (!asking.is_done()) sockets.push_back({.fd = asking.fd(), .events = POLLIN, .revents = 0});
    }
    if (sockets.empty()) return {};
    WaitFor(sockets, patience.AtMost(Milliseconds(50)));
  }
  return {};
}

}  // namespace

std::vector<Pair> PairsOf(const AddressBook& book, std::optional<Family> family) {
  std::vector<Pair> pairs;
  for (const NodeAddresses& from : book.nodes()) {
    for (const NodeAddresses& to : book.nodes()) {
      if (&from == &to) continue;
      for (const InterfaceAddresses& interface : to.interfaces) {
        if (interface.leads_out) continue;
        for (const IpPrefix& prefix : interface.addresses) {
          const IpAddress& address = prefix.address();
          if (!IsGlobal(address) || (family && address.family() != *family)) continue;
          if (!HasFamily(from, address.family()) || Owns(from, address)) continue;
          pairs.push_back({.from = from.node, .to = to.node, .interface = interface.name, .address = address});
        }
      }
    }
  }
  return pairs;
}

Status PingPairs(std::vector<Pair>& pairs, const OpenVantage& open, const Patience& patience) {
  PairsByNode by_node;
  for (Pair& pair : pairs) by_node[{pair.from, pair.address.family()}].push_back(&pair);
  const Clock::duration time = patience.end - Clock::now();
  auto next = by_node.begin();
  while (next != by_node.end() && !patience.is_interrupted()) {
    std::vector<Asking> askings;
    for (; next != by_node.end() && askings.size() < kNodesAtOnce; ++next) {
      const auto vantage = TRY(open(next->first.first));
      EchoSocket socket = TRY(EchoSocket::Open(*vantage, next->first.second).Wrap("node " + next->first.first));
      askings.emplace_back(std::move(socket), std::move(next->second));
    }
    // Each lot has the whole time.
    TRY(AskTogether(askings, {.end = Clock::now() + time, .interrupted = patience.interrupted}));
  }
  return {};
}

std::string MatrixOf(const std::vector<Pair>& pairs) {
  std::map<std::pair<std::string, std::string>, std::string> cells;
  std::vector<std::string> rows;
  std::vector<std::string> columns;
  const auto add = [](std::vector<std::string>& list, const std::string& name) {
    if (std::ranges::find(list, name) == list.end()) list.push_back(name);
  };
  for (const Pair& pair : pairs) {
    if (pair.reached) continue;
    add(rows, pair.from);
    add(columns, pair.to);
    std::string& cell = cells[{pair.from, pair.to}];
    const char mark = pair.address.is_ipv6() ? '6' : '4';
    if (cell.find(mark) == std::string::npos) cell += mark;
  }
  std::size_t first = 0;
  for (const std::string& row : rows) first = std::max(first, row.size());
  std::string text = std::string(first, ' ');
  for (const std::string& column : columns) text += "  " + column;
  text += "\n";
  for (const std::string& row : rows) {
    std::string line = fmt::format("{:<{}}", row, first);
    for (const std::string& column : columns) {
      std::string cell = row == column ? "-" : ".";
      if (const auto found = cells.find({row, column}); found != cells.end()) cell = found->second;
      std::ranges::sort(cell);
      line += fmt::format("  {:<{}}", cell, column.size());
    }
    while (line.ends_with(' ')) line.pop_back();
    text += line + "\n";
  }
  return text;
}

}  // namespace runner::check
