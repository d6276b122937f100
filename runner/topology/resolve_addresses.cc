// NODE:IFNAME where an address is expected; the node that an uplink comes from; published ports by family.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "topology/resolve.h"

namespace runner {
namespace {

/// The node's own address in its uplink's network: .100 and ::100, as the uplink's helper gives it.
std::optional<IpAddress> OwnUplinkAddress(const Uplink& uplink, Family family) {
  if (family == Family::kIpv6) return uplink.ipv6 ? uplink.ipv6->address().Plus(0x100) : std::nullopt;
  // The network of `type: nat` is chosen when the lab comes up: 0.0.0.0 stands for "the uplink's address".
  if (!uplink.cidr) return IpAddress();
  return uplink.cidr->address().Plus(uplink.type == Uplink::Type::kSlirp ? 100 : 2);
}

class ReferenceResolver {
 public:
  ReferenceResolver(Draft& draft, NameIndex& names, Diagnostics& diagnostics)
      : draft_(draft), names_(names), diagnostics_(diagnostics) {}

  void Resolve() {
    for (AddressReference& reference : draft_.references) {
      const auto address = Find(reference);
      if (address) {
        reference.set(draft_.topology, *address);
      } else {
        Drop(reference);
      }
    }
    EraseDropped();
  }

 private:
  std::optional<IpAddress> Find(const AddressReference& reference) {
    const std::string text = reference.node + ":" + reference.interface;
    Place place{.kind = Place::Kind::kHost, .name = {}};
    const NodeNotes* notes = nullptr;
    const Uplink* uplink = nullptr;
    if (reference.node != "host") {
      const auto node = names_.FindNode(reference.node);
      if (!node) {
        if (!draft_.nodes_unknown) {
          diagnostics_.Wrong(reference.at, reference.where,
                             fmt::format("{}: node {}", Quote(text), NotDeclared(reference.node, names_.NodeNames())));
        }
        return std::nullopt;
      }
      place = {.kind = Place::Kind::kNode, .name = reference.node};
      notes = &draft_.nodes[*node];
      const auto& own = draft_.topology.nodes[*node].uplink;
      if (own && own->interface == reference.interface) uplink = &*own;
    }
    const Interface* interface = names_.FindInterface(place, reference.interface);
    if (interface == nullptr && uplink == nullptr) {
      if (draft_.links_unknown || (notes != nullptr && notes->names_damaged)) return std::nullopt;
      const auto names = names_.InterfaceNames(place);
      diagnostics_.Wrong(reference.at, reference.where,
                         fmt::format("{}: {} has no interface {}{}", Quote(text),
                                     place.is_host() ? "the host" : "node " + Quote(reference.node),
                                     Quote(reference.interface), DidYouMean(reference.interface, names)));
      return std::nullopt;
    }
    if (interface != nullptr) {
      for (const Address& address : interface->addresses) {
        if (!reference.family || address.prefix.family() == *reference.family) return address.prefix.address();
      }
    }
    if (uplink != nullptr && uplink->cidr) {
      if (const auto address = OwnUplinkAddress(*uplink, reference.family.value_or(Family::kIpv4))) return address;
    }
    if (notes != nullptr && notes->l3_damaged) return std::nullopt;
    const char* family = !reference.family ? "" : *reference.family == Family::kIpv4 ? "IPv4 " : "IPv6 ";
    std::vector<Note> hints;
    if (interface != nullptr) hints.push_back({.at = interface->at, .text = "the interface"});
    diagnostics_.Wrong(reference.at, reference.where, fmt::format("{} has no {}address", Quote(text), family), hints);
    return std::nullopt;
  }

  void Drop(const AddressReference& reference) {
    if (reference.owner == AddressReference::Owner::kNone) return;
    auto& dropped = reference.owner == AddressReference::Owner::kRoute ? routes_ : nat_;
    dropped.emplace_back(reference.node_index, reference.item_index);
  }

  /// From behind, so that the positions of those in front stay true.
  void EraseDropped() {
    for (auto* dropped : {&routes_, &nat_}) {
      std::ranges::sort(*dropped, std::ranges::greater());
      dropped->erase(std::unique(dropped->begin(), dropped->end()), dropped->end());
    }
    const auto erase = [](auto& list, std::size_t item) {
      if (item < list.size()) list.erase(list.begin() + static_cast<std::ptrdiff_t>(item));
    };
    for (const auto& [node, item] : routes_) erase(draft_.topology.nodes[node].routes, item);
    for (const auto& [node, item] : nat_) erase(draft_.topology.nodes[node].nat, item);
  }

  Draft& draft_;
  NameIndex& names_;
  Diagnostics& diagnostics_;
  std::vector<std::pair<std::size_t, std::size_t>> routes_;
  std::vector<std::pair<std::size_t, std::size_t>> nat_;
};

class PortWriter {
 public:
  PortWriter(Draft& draft, NameIndex& names, Diagnostics& diagnostics)
      : draft_(draft), names_(names), diagnostics_(diagnostics) {
    for (std::size_t i = 0; i < draft.topology.nodes.size(); ++i) {
      if (draft.topology.nodes[i].uplink) with_uplink_.push_back(i);
      // A node whose uplink is refused or misspelt may be the one that is meant.
      if (draft.nodes[i].uplink_damaged) uplinks_unknown_ = true;
    }
  }

  void WriteAll() {
    for (std::size_t i = 0; i < draft_.nodes.size(); ++i) {
      for (const PortDraft& port : draft_.nodes[i].ports) Write(i, port);
    }
  }

 private:
  std::string Where(std::size_t node) const { return "node " + Quote(draft_.topology.nodes[node].name); }

  std::vector<std::string> UplinkNames() const {
    std::vector<std::string> out;
    for (const std::size_t node : with_uplink_) out.push_back(draft_.topology.nodes[node].name);
    return out;
  }

  std::optional<std::size_t> FindUplink(std::size_t node, const PortDraft& port) {
    if (port.uplink) {
      const auto named = names_.FindNode(port.uplink->value);
      if (!named && !draft_.nodes_unknown) {
        diagnostics_.Wrong(port.uplink->at, Where(node), "node " + NotDeclared(port.uplink->value, names_.NodeNames()));
      } else if (named && !draft_.topology.nodes[*named].uplink && !draft_.nodes[*named].uplink_damaged) {
        diagnostics_.Wrong(port.uplink->at, Where(node),
                           fmt::format("node {} has no uplink", Quote(port.uplink->value)));
      }
      return named && draft_.topology.nodes[*named].uplink ? named : std::nullopt;
    }
    if (draft_.topology.nodes[node].uplink) return node;
    if (uplinks_unknown_ || draft_.nodes_unknown) return std::nullopt;
    if (with_uplink_.size() == 1) return with_uplink_.front();
    if (with_uplink_.empty()) {
      diagnostics_.Wrong(port.at, Where(node), "a published port needs an uplink, and no node has one");
    } else {
      diagnostics_.Wrong(port.at, Where(node),
                         fmt::format("several nodes have an uplink ({}): say which with {{host, port, uplink: NODE}}",
                                     Join(UplinkNames(), ", ")));
    }
    return std::nullopt;
  }

  /// The address that is meant by a published port.
  std::optional<IpAddress> Target(std::size_t node, std::size_t uplink_node, Family family) {
    const Uplink& uplink = *draft_.topology.nodes[uplink_node].uplink;
    if (family == Family::kIpv6 && !uplink.ipv6) return std::nullopt;
    if (node == uplink_node) return OwnUplinkAddress(uplink, family);
    const Node& target = draft_.topology.nodes[node];
    const Place place{.kind = Place::Kind::kNode, .name = target.name};
    std::optional<IpAddress> loopback;
    const auto first = [&](const Interface& interface) -> std::optional<IpAddress> {
      for (const Address& address : interface.addresses) {
        if (address.prefix.family() == family && address.is_global()) return address.prefix.address();
      }
      return std::nullopt;
    };
    for (const Interface& interface : target.interfaces) {
      const auto address = first(interface);
      if (address && interface.name != "lo") return address;
      if (address) loopback = address;
    }
    for (const Bridge& bridge : draft_.topology.bridges) {
      if (bridge.place != place) continue;
      if (const auto address = first(bridge.interface)) return address;
    }
    return loopback;
  }

  void Write(std::size_t node, const PortDraft& port) {
    const auto uplink = FindUplink(node, port);
    if (!uplink) return;
    bool any = false;
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      if (port.host_address && port.host_address->family() != family) continue;
      const auto target = Target(node, *uplink, family);
      if (!target) continue;
      any = true;
      PublishedPort published;
      published.host_address = port.host_address;
      published.family = family;
      published.host_port = port.host_port;
      published.port = port.port;
      published.protocol = port.protocol;
      published.target = *target;
      published.uplink = draft_.topology.nodes[*uplink].name;
      published.at = port.at;
      draft_.topology.nodes[node].ports.push_back(std::move(published));
    }
    if (any || draft_.nodes[node].l3_damaged || draft_.nodes[*uplink].l3_damaged) return;
    const char* family = !port.host_address ? "" : port.host_address->is_ipv6() ? "IPv6 " : "IPv4 ";
    diagnostics_.Wrong(port.at, Where(node),
                       fmt::format("a published port needs an {}address that the uplink of {} can reach",
                                   *family == '\0' ? "" : family, Quote(draft_.topology.nodes[*uplink].name)));
  }

  Draft& draft_;
  NameIndex& names_;
  Diagnostics& diagnostics_;
  std::vector<std::size_t> with_uplink_;
  bool uplinks_unknown_ = false;
};

}  // namespace

void ResolveReferences(Draft& draft, NameIndex& names, Diagnostics& diagnostics) {
  ReferenceResolver(draft, names, diagnostics).Resolve();
}

void ResolveUplinks(Draft& draft, NameIndex& names, Diagnostics& diagnostics) {
  for (const NodeNotes& notes : draft.nodes) {
    for (const NameReference& from : notes.uplink_from) {
      if (names.FindNode(from.name) || draft.nodes_unknown) continue;
      std::vector<std::string> candidates = names.NodeNames();
      candidates.emplace_back("host");
      diagnostics.Wrong(from.at, from.where, "\"from\": node " + NotDeclared(from.name, candidates));
    }
  }
  PortWriter(draft, names, diagnostics).WriteAll();
}

}  // namespace runner
