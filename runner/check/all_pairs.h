// Every node pings every address of every other node.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "check/vantage.h"

namespace runner::check {

struct Pair {
  std::string from = {};
  std::string to = {};
  std::string interface = {};
  IpAddress address = {};
  bool reached = false;
  std::string why = {};  // where it was not
};

/// Those that can be asked for: neither loopback nor link-local addresses, nor an uplink's, nor one that the asking
/// node has itself or has no address of the family for.
std::vector<Pair> PairsOf(const AddressBook& book, std::optional<Family> family);

using OpenVantage = std::function<Result<std::unique_ptr<Vantage>>(const std::string& node)>;
/// Fills in what came of them. Who is not answered is asked again until patience is over; a bounded number of nodes at
/// once.
Status PingPairs(std::vector<Pair>& pairs, const OpenVantage& open, const Patience& patience);

/// A table of the nodes between which something failed: "4", "6" or "46" for the families, "." where all is well.
std::string MatrixOf(const std::vector<Pair>& pairs);

}  // namespace runner::check
