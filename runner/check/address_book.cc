#include "check/address_book.h"

#include <algorithm>

namespace runner::check {
namespace {

bool Has(const NodeAddresses& node, const IpAddress& address) {
  for (const InterfaceAddresses& interface : node.interfaces) {
    for (const IpPrefix& prefix : interface.addresses) {
      if (prefix.address() == address) return true;
    }
  }
  return false;
}

}  // namespace

bool IsGlobal(const IpAddress& address) { return !address.is_loopback() && !address.is_link_local(); }

const NodeAddresses* AddressBook::Find(std::string_view node) const {
  const auto found = std::ranges::find(nodes_, node, &NodeAddresses::node);
  return found == nodes_.end() ? nullptr : &*found;
}

std::optional<IpAddress> AddressBook::FirstOf(std::string_view node, std::optional<Family> family) const {
  const NodeAddresses* found = Find(node);
  if (found == nullptr) return std::nullopt;
  for (const bool is_out : {false, true}) {
    for (const InterfaceAddresses& interface : found->interfaces) {
      if (interface.leads_out != is_out) continue;
      for (const IpPrefix& prefix : interface.addresses) {
        if (IsGlobal(prefix.address()) && prefix.address().is_of(family)) return prefix.address();
      }
    }
  }
  return std::nullopt;
}

std::optional<IpAddress> AddressBook::Of(std::string_view node, std::string_view interface,
                                         std::optional<Family> family) const {
  const NodeAddresses* found = Find(node);
  if (found == nullptr) return std::nullopt;
  const auto on = std::ranges::find(found->interfaces, interface, &InterfaceAddresses::name);
  if (on == found->interfaces.end()) return std::nullopt;
  for (const IpPrefix& prefix : on->addresses) {
    if (prefix.address().is_of(family)) return prefix.address();
  }
  return std::nullopt;
}

const NodeAddresses* AddressBook::Owner(const IpAddress& address) const {
  const NodeAddresses* owner = nullptr;
  for (const NodeAddresses& node : nodes_) {
    if (!Has(node, address)) continue;
    if (owner != nullptr) return nullptr;
    owner = &node;
  }
  return owner;
}

std::string AddressBook::NameOf(const IpAddress& address) const {
  const NodeAddresses* owner = Owner(address);
  return owner == nullptr ? address.text() : owner->node;
}

}  // namespace runner::check
