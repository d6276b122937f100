// A peer of wireguard that is a node of the lab: which of its interfaces is meant, and what the file leaves to us.
//
// Where it is reached: an address of its that stands on a segment which both nodes are on, else its first global one
// (interfaces in file order, `lo` last) of a family that this node has, but none of a wireguard interface: a tunnel's
// own end is behind the tunnel. The port is its `listen_port`; without one it is heard from first. What may come from
// it: its interface's addresses.
#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "topology/resolve.h"
#include "topology/segments.h"

namespace runner {
namespace {

using validate::Device;
using validate::PlaceDevices;
using validate::SegmentMember;

bool IsWireguard(const Device& device) {
  return device.interface != nullptr && std::holds_alternative<Wireguard>(device.interface->type);
}

/// The addresses that another node can reach, those of `lo` last.
std::vector<std::pair<const Device*, IpAddress>> AddressesOf(const PlaceDevices& place) {
  std::vector<std::pair<const Device*, IpAddress>> out;
  for (const bool loopback : {false, true}) {
    for (const Device& device : place.devices) {
      if (device.interface == nullptr || IsWireguard(device) || (device.name == "lo") != loopback) continue;
      for (const Address& address : device.interface->addresses) {
        if (address.is_global()) out.emplace_back(&device, address.prefix.address());
      }
    }
  }
  return out;
}

class PeerResolver {
 public:
  explicit PeerResolver(Topology& topology) : topology_(topology), index_(topology, unused_) {
    std::size_t number = 0;
    for (const auto& segment : validate::Segments(topology, index_).Lists()) {
      for (const SegmentMember& member : segment) segments_.emplace(member.device, number);
      ++number;
    }
  }

  void ResolveAll() {
    for (Node& node : topology_.nodes) {
      for (Interface& interface : node.interfaces) {
        auto* wireguard = std::get_if<Wireguard>(&interface.type);
        if (wireguard == nullptr) continue;
        for (WireguardPeer& peer : wireguard->peers) {
          if (!peer.node.empty()) ResolveOne(node, peer);
        }
      }
    }
  }

 private:
  const PlaceDevices* Find(const std::string& node) const {
    return index_.Find({.kind = Place::Kind::kNode, .name = node});
  }

  /// Null where it is not there or not the only one: the checks tell.
  static const Device* FindEnd(const PlaceDevices& place, std::string_view interface) {
    const Device* found = nullptr;
    for (const Device& device : place.devices) {
      if (!IsWireguard(device) || (!interface.empty() && device.name != interface)) continue;
      if (found != nullptr) return nullptr;
      found = &device;
    }
    return found;
  }

  void ResolveOne(const Node& node, WireguardPeer& peer) const {
    const std::size_t colon = peer.node.find(':');
    const std::string name = peer.node.substr(0, colon);
    const PlaceDevices* here = Find(node.name);
    const PlaceDevices* there = Find(name);
    if (here == nullptr || there == nullptr) return;
    const Device* end = FindEnd(*there, colon == std::string::npos ? "" : peer.node.substr(colon + 1));
    if (end == nullptr) return;
    peer.node = name + ":" + std::string(end->name);
    if (peer.allowed_ips.empty()) {
      for (const Address& address : end->interface->addresses) {
        peer.allowed_ips.emplace_back(address.prefix.address(), address.prefix.address().bits());
      }
    }
    const auto port = std::get<Wireguard>(end->interface->type).listen_port;
    if (!peer.endpoint.empty() || !port) return;
    if (const auto address = Reach(*here, *there)) {
      const bool six = address->is_ipv6();
      peer.endpoint = fmt::format("{}{}{}:{}", six ? "[" : "", address->text(), six ? "]" : "", *port);
    }
  }

  std::optional<IpAddress> Reach(const PlaceDevices& here, const PlaceDevices& there) const {
    const auto own = AddressesOf(here);
    const auto candidates = AddressesOf(there);
    const auto speaks = [&own](const IpAddress& address, const auto& same_wire) {
      return std::ranges::any_of(
          own, [&](const auto& mine) { return mine.second.family() == address.family() && same_wire(*mine.first); });
    };
    for (const auto& [device, address] : candidates) {
      const std::size_t segment = segments_.at(device);
      if (speaks(address, [&](const Device& mine) { return segments_.at(&mine) == segment; })) return address;
    }
    for (const auto& [device, address] : candidates) {
      if (speaks(address, [](const Device& /*mine*/) { return true; })) return address;
    }
    return candidates.empty() ? std::nullopt : std::optional(candidates.front().second);
  }

  Topology& topology_;
  validate::Findings unused_;  // The checks find the same, and tell it.
  const validate::Index index_;
  std::map<const Device*, std::size_t> segments_;
};

}  // namespace

void ResolvePeers(Draft& draft, const Diagnostics& diagnostics) {
  // What stands beside a mistake is not worth guessing from.
  if (diagnostics.has_errors()) return;
  const auto has_wireguard = [](const Node& node) {
    return std::ranges::any_of(
        node.interfaces, [](const Interface& interface) { return std::holds_alternative<Wireguard>(interface.type); });
  };
  if (std::ranges::any_of(draft.topology.nodes, has_wireguard)) PeerResolver(draft.topology).ResolveAll();
}

}  // namespace runner
