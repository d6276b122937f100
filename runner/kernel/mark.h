// How the kernel's objects tell that they are ours, without a journal.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace runner {

/// In routes, rules, addresses and neighbour entries: "who made this". Free in iproute2's and FRR's lists.
constexpr std::uint8_t kProtocol = 213;

/// The group of a lab's interfaces outside its own namespaces; the same at every run, never 0 (the default group).
std::uint32_t LinkGroup(std::string_view lab);

/// The alias of `lo` in a namespace that a lab made: "toporun:LAB:NODE".
std::string NamespaceMark(std::string_view lab, std::string_view node);

struct NamespaceOwner {
  std::string lab = {};
  std::string node = {};
  friend bool operator==(const NamespaceOwner&, const NamespaceOwner&) = default;
};
/// The reverse; nothing when the alias is none of ours.
std::optional<NamespaceOwner> ParseNamespaceMark(std::string_view alias);

/// The alias of a card of the host's that a node has: "toporun-card:LAB:NODE:IFNAME:CARD". It stays with the card
/// wherever that is, when the kernel takes it back from a namespace that ended too.
struct LentCard {
  std::string lab = {};
  std::string node = {};
  std::string interface = {};
  std::string card = {};  // what the host calls it
  friend bool operator==(const LentCard&, const LentCard&) = default;
  std::string text() const;
};
std::optional<LentCard> ParseLentCard(std::string_view alias);

}  // namespace runner
