// Addresses of `prefix`: every end of a segment without one of the family gets the next free one, in link order.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <numeric>
#include <set>
#include <unordered_map>

#include "base/text.h"
#include "topology/resolve.h"

namespace runner {
namespace {

/// The `k`-th network of `length` in `pool`; nothing when the pool ends before.
std::optional<IpPrefix> Carve(const IpPrefix& pool, int length, std::uint64_t k) {
  const auto size = pool.address().size();
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), pool.address().bytes(), size);
  const int shift = pool.address().bits() - length;
  if (shift == pool.address().bits() && k > 0) return std::nullopt;
  // k stays below 2^17 (the limit of a range), so that the shift by up to seven bits cannot overflow.
  std::uint64_t carry = k << (shift % 8);
  for (int i = static_cast<int>(size) - 1 - shift / 8; carry > 0; --i) {
    if (i < 0) return std::nullopt;
    carry += bytes[static_cast<std::size_t>(i)];
    bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
  const IpPrefix network(IpAddress::FromBytes(pool.family(), bytes.data()), length);
  if (!pool.Contains(network)) return std::nullopt;
  return network;
}

/// One interface that may get an address.
struct Taker {
  Interface* interface = nullptr;
  std::string name;  // NODE:IFNAME, for messages
};

bool HasAddressOf(const Interface& interface, Family family) {
  return std::ranges::any_of(interface.addresses, [&](const Address& a) { return a.prefix.family() == family; });
}

/// The addresses of one prefix in one segment.
class Supply {
 public:
  explicit Supply(const IpPrefix& prefix) : prefix_(prefix) {
    const int host_bits = prefix.address().bits() - prefix.length();
    // A network's own address and, in IPv4, its last one are no host's, except point to point (RFC 3021, RFC 6164).
    const auto first = host_bits <= 1 ? prefix.address() : prefix.address().Plus(1);
    if (first) next_ = *first;
    keep_last_ = host_bits > 1 && !prefix.is_ipv6();
  }

  std::optional<IpAddress> Next(const std::set<IpAddress>& used) {
    while (next_ && prefix_.Contains(*next_)) {
      const IpAddress candidate = *next_;
      next_ = candidate.Plus(1);
      if (keep_last_ && candidate == prefix_.Last()) break;
      if (!used.contains(candidate)) return candidate;
    }
    next_.reset();
    return std::nullopt;
  }

 private:
  IpPrefix prefix_;
  std::optional<IpAddress> next_;
  bool keep_last_ = false;
};

class Handout {
 public:
  Handout(Draft& draft, NameIndex& names, Diagnostics& diagnostics)
      : draft_(draft), topology_(draft.topology), names_(names), diagnostics_(diagnostics) {}

  void Run() {
    const bool any = std::ranges::any_of(draft_.links, [](const LinkDraft& link) { return !link.prefixes.empty(); }) ||
                     std::ranges::any_of(draft_.bridges, [](const BridgeDraft& b) { return !b.prefixes.empty(); });
    if (!any) return;
    FindMembers();
    FindSegments();
    for (std::size_t i = 0; i < topology_.bridges.size(); ++i) {
      const std::string where = "bridge " + Quote(topology_.bridges[i].name);
      for (const PrefixDraft& prefix : draft_.bridges[i].prefixes) {
        const std::size_t segment = Root(i);
        GiveOut(prefix.prefix, prefix.at, segment, takers_[segment], where);
      }
    }
    for (std::size_t i = 0; i < draft_.links.size(); ++i) OfLink(i);
  }

 private:
  std::size_t Root(std::size_t segment) {
    while (parents_[segment] != segment) segment = parents_[segment] = parents_[parents_[segment]];
    return segment;
  }

  void FindMembers() {
    for (std::size_t i = 0; i < topology_.bridges.size(); ++i) {
      const Bridge& bridge = topology_.bridges[i];
      for (const auto& member : bridge.members) bridge_of_.emplace(std::pair(bridge.place, member.value), i);
    }
    for (const Node& node : topology_.nodes) {
      const Place place{.kind = Place::Kind::kNode, .name = node.name};
      for (const Interface& interface : node.interfaces) {
        const auto* bond = std::get_if<Bond>(&interface.type);
        if (bond == nullptr) continue;
        for (const auto& member : bond->members) bond_of_.emplace(std::pair(place, member.value), interface.name);
      }
    }
  }

  /// The bridge whose port the end is: by the link itself, or as a member that the bridge names.
  std::optional<std::size_t> BridgeOf(const LinkEnd& end) const {
    if (!end.bridge.empty()) return names_.FindBridge(end.bridge);
    const auto found = bridge_of_.find(std::pair(end.place, end.interface));
    if (found == bridge_of_.end()) return std::nullopt;
    return found->second;
  }

  /// The interface that carries the end's addresses: of a bond's member, the bond.
  std::optional<Taker> TakerOf(const LinkEnd& end) {
    if (end.interface.empty() || BridgeOf(end)) return std::nullopt;
    const auto bond = bond_of_.find(std::pair(end.place, end.interface));
    const std::string& name = bond == bond_of_.end() ? end.interface : bond->second;
    Interface* interface = names_.FindInterface(end.place, name);
    if (interface == nullptr) return std::nullopt;
    return Taker{interface, end.place.text() + ":" + name};
  }

  /// Joins bridges that links connect. Segments: bridges first, then a segment for each link.
  void FindSegments() {
    const std::size_t bridges = topology_.bridges.size();
    parents_.resize(bridges + topology_.links.size());
    std::iota(parents_.begin(), parents_.end(), std::size_t{0});
    for (std::size_t i = 0; i < topology_.links.size(); ++i) {
      for (const LinkEnd* end : {&topology_.links[i].a, &topology_.links[i].b}) {
        if (const auto bridge = BridgeOf(*end)) parents_[Root(bridges + i)] = Root(*bridge);
      }
    }
    const auto add = [&](std::size_t segment, const Taker& taker) {
      std::vector<Taker>& takers = takers_[segment];
      for (const Address& address : taker.interface->addresses) used_[segment].insert(address.prefix.address());
      // Both members of a bond may end here.
      if (takers.empty() || takers.back().interface != taker.interface) takers.push_back(taker);
    };
    for (std::size_t i = 0; i < bridges; ++i) {
      Bridge& bridge = topology_.bridges[i];
      if (!bridge.is_switch()) add(Root(i), {&bridge.interface, bridge.place.text() + ":" + bridge.name});
    }
    for (std::size_t i = 0; i < topology_.links.size(); ++i) {
      for (const LinkEnd* end : {&topology_.links[i].a, &topology_.links[i].b}) {
        if (const auto taker = TakerOf(*end)) add(Root(bridges + i), *taker);
      }
    }
  }

  void OfLink(std::size_t index) {
    const LinkDraft& draft = draft_.links[index];
    if (draft.prefixes.empty()) return;
    const Link& link = topology_.links[index];
    const std::string where = "link " + Quote(link.id());
    std::vector<Taker> takers;
    for (const LinkEnd* end : {&link.a, &link.b}) {
      if (const auto taker = TakerOf(*end)) takers.push_back(*taker);
    }
    for (const PrefixDraft& prefix : draft.prefixes) {
      IpPrefix network = prefix.prefix;
      if (prefix.length) {
        const auto carved = Carve(prefix.prefix, *prefix.length, draft.cable);
        if (!carved) {
          diagnostics_.Wrong(prefix.at, where,
                             fmt::format("the pool {} has no network of length {} left for cable {}",
                                         prefix.prefix.text(), *prefix.length, draft.cable + 1));
          Damage(takers);
          continue;
        }
        network = *carved;
      }
      GiveOut(network, prefix.at, Root(topology_.bridges.size() + index), takers, where);
    }
  }

  void GiveOut(const IpPrefix& prefix, Mark at, std::size_t segment, const std::vector<Taker>& takers,
               const std::string& where) {
    auto [supply, is_new] = supplies_.try_emplace(std::pair(segment, prefix), prefix);
    for (const Taker& taker : takers) {
      Interface& interface = *taker.interface;
      if (HasAddressOf(interface, prefix.family()) || (prefix.is_ipv6() && !interface.has_ipv6())) continue;
      const auto free = supply->second.Next(used_[segment]);
      if (!free) {
        diagnostics_.Wrong(at, where,
                           fmt::format("{} has no free address left for {}", prefix.text(), Quote(taker.name)));
        Damage(takers);
        return;
      }
      used_[segment].insert(*free);
      Address address;
      address.prefix = IpPrefix(*free, prefix.length());
      address.at = at;
      interface.addresses.push_back(std::move(address));
    }
  }

  void Damage(const std::vector<Taker>& takers) {
    for (const Taker& taker : takers) {
      const auto node = names_.FindNode(taker.name.substr(0, taker.name.find(':')));
      if (node) draft_.nodes[*node].l3_damaged = true;
    }
  }

  Draft& draft_;
  Topology& topology_;
  NameIndex& names_;
  Diagnostics& diagnostics_;
  std::map<std::pair<Place, std::string>, std::size_t> bridge_of_;
  std::map<std::pair<Place, std::string>, std::string> bond_of_;
  std::vector<std::size_t> parents_;
  std::unordered_map<std::size_t, std::vector<Taker>> takers_;
  std::unordered_map<std::size_t, std::set<IpAddress>> used_;
  std::map<std::pair<std::size_t, IpPrefix>, Supply> supplies_;
};

}  // namespace

void HandOutAddresses(Draft& draft, NameIndex& names, Diagnostics& diagnostics) {
  Handout(draft, names, diagnostics).Run();
}

}  // namespace runner
