#include "kernel/mark.h"

#include "base/text.h"

namespace runner {
namespace {

constexpr std::string_view kAliasStart = "toporun:";
constexpr std::string_view kCardStart = "toporun-card:";

}  // namespace

std::uint32_t LinkGroup(std::string_view lab) {
  const std::uint64_t hash = StableHash(std::string(kAliasStart) + std::string(lab));
  // iproute2 reads and prints groups as signed numbers, and small ones may have names in /etc/iproute2/group.
  return static_cast<std::uint32_t>(hash & 0x3fffffffU) | 0x40000000U;
}

std::string NamespaceMark(std::string_view lab, std::string_view node) {
  return std::string(kAliasStart) + std::string(lab) + ":" + std::string(node);
}

std::optional<NamespaceOwner> ParseNamespaceMark(std::string_view alias) {
  if (alias.substr(0, kAliasStart.size()) != kAliasStart) return {};
  alias.remove_prefix(kAliasStart.size());
  // Neither part may hold a colon.
  const auto parts = Split(alias, ':');
  if (parts.size() != 2 || parts[0].empty() || parts[1].empty()) return {};
  return NamespaceOwner{.lab = std::string(parts[0]), .node = std::string(parts[1])};
}

std::string LentCard::text() const { return std::string(kCardStart) + lab + ":" + node + ":" + interface + ":" + card; }

std::optional<LentCard> ParseLentCard(std::string_view alias) {
  if (!alias.starts_with(kCardStart)) return {};
  alias.remove_prefix(kCardStart.size());
  // None of the parts may hold a colon.
  const auto parts = Split(alias, ':');
  if (parts.size() != 4) return {};
  for (const std::string_view part : parts) {
    if (part.empty()) return {};
  }
  return LentCard{.lab = std::string(parts[0]),
                  .node = std::string(parts[1]),
                  .interface = std::string(parts[2]),
                  .card = std::string(parts[3])};
}

}  // namespace runner
