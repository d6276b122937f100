// Which node has which addresses.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"

namespace runner::check {

struct InterfaceAddresses {
  std::string name = {};
  std::vector<IpPrefix> addresses = {};
  bool leads_out = false;  // an uplink's: its addresses are of another world
};

struct NodeAddresses {
  std::string node = {};
  std::vector<InterfaceAddresses> interfaces = {};  // in the file's order, `lo` last
};

class AddressBook {
 public:
  AddressBook() = default;
  explicit AddressBook(std::vector<NodeAddresses> nodes) : nodes_(std::move(nodes)) {}

  const std::vector<NodeAddresses>& nodes() const { return nodes_; }
  const NodeAddresses* Find(std::string_view node) const;
  /// The node's first address (of the family) that others can use.
  std::optional<IpAddress> FirstOf(std::string_view node, std::optional<Family> family) const;
  std::optional<IpAddress> Of(std::string_view node, std::string_view interface, std::optional<Family> family) const;
  /// The node that has the address; nothing where none or several have it.
  const NodeAddresses* Owner(const IpAddress& address) const;
  /// The owner's name, else the address itself.
  std::string NameOf(const IpAddress& address) const;

 private:
  std::vector<NodeAddresses> nodes_;
};

/// Neither loopback nor link-local: it means one place from everywhere.
bool IsGlobal(const IpAddress& address);

}  // namespace runner::check
