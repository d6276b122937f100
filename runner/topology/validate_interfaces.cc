// Each interface by itself and among its neighbours in one namespace: addresses, MTU, masters, parents, tables.
#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "topology/validate_index.h"

namespace runner::validate {
namespace {

// IPv6 asks for links that carry 1280 bytes (RFC 8200, 5); below, the kernel takes IPv6 off the device.
constexpr std::uint32_t kSmallestIpv6Mtu = 1280;
// The kernel's BR_MAX_PORTS is 1024 and port number 0 is never given.
constexpr std::size_t kMostBridgePorts = 1023;

void CheckMtu(const PlaceDevices& place, const Device& device, Findings& findings) {
  const Interface& interface = *device.interface;
  if (!interface.mtu || interface.mtu->value >= kSmallestIpv6Mtu || device.is_port()) return;
  // A switch carries frames only: its namespace has IPv6 off.
  if (place.place.kind == Place::Kind::kSwitch || !interface.has_ipv6()) return;
  const auto ipv6 = std::ranges::find_if(interface.addresses, [](const Address& a) { return a.prefix.is_ipv6(); });
  const std::string why =
      fmt::format("mtu {} is below {}, the least that IPv6 works with", interface.mtu->value, kSmallestIpv6Mtu);
  const std::string where = DeviceName(place.place, device);
  if (ipv6 != interface.addresses.end()) {
    findings.Wrong(interface.mtu->at, where, {},
                   why + "; raise it, or take the IPv6 addresses away and say `ipv6: false`",
                   {{ipv6->at, "an IPv6 address", {}}});
  } else if (interface.ipv6) {
    findings.Wrong(interface.mtu->at, where, {}, why + "; raise it, or say `ipv6: false`",
                   {{interface.ipv6->at, "IPv6 is asked for here", {}}});
  } else {
    findings.Warn(interface.mtu->at, where, {},
                  why + ": the kernel turns IPv6 off here; say `ipv6: false` if that is meant");
  }
}

void CheckAddresses(const PlaceDevices& place, const Device& device, Findings& findings) {
  const Interface& interface = *device.interface;
  const std::string where = DeviceName(place.place, device);
  if (device.is_port() && !interface.addresses.empty()) {
    const Address& first = interface.addresses.front();
    findings.Wrong(first.at, where, {},
                   fmt::format("it is a port of {} and carries no addresses; put {} on the {}",
                               MasterName(device.master_kind, device.master), first.prefix.text(),
                               device.master_kind == MasterKind::kBond ? "bond" : "bridge"),
                   {{device.master_at, "made a port here", {}}});
  }
  if (device.bridge != nullptr && device.bridge->is_switch() && !interface.addresses.empty()) {
    findings.Wrong(interface.addresses.front().at, where, {},
                   "a switch has no addresses; name the node that it belongs to (`node: NAME`)");
  }
  std::vector<const Address*> sorted;
  for (const Address& address : interface.addresses) {
    sorted.push_back(&address);
    if (address.prefix.is_ipv6() && !interface.has_ipv6()) {
      findings.Wrong(address.at, where, {}, fmt::format("{} needs IPv6, which is off here", address.prefix.text()),
                     {{interface.ipv6->at, "turned off here", {}}});
    }
  }
  // The kernel knows an address of an interface by its number alone in IPv6, with its length in IPv4.
  std::ranges::stable_sort(sorted, {}, [](const Address* a) { return a->prefix.address(); });
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i - 1]->prefix.address() != sorted[i]->prefix.address()) continue;
    findings.Wrong(sorted[i]->at, where, {},
                   fmt::format("it has the address {} twice", sorted[i]->prefix.address().text()),
                   {{sorted[i - 1]->at, "first here", {}}});
  }
}

void CheckParent(const PlaceDevices& place, const Device& device, const ParentDevice& parent, std::string_view key,
                 Findings& findings) {
  const Interface& interface = *device.interface;
  const Mark at = interface.type_at.known() ? interface.type_at : interface.at;
  if (parent.on_host || parent.name.empty()) return;
  if (parent.name == device.name) {
    findings.Wrong(at, DeviceName(place.place, device), {}, fmt::format("its `{}` is itself", key));
  } else if (place.knows_all() && place.Find(parent.name) == nullptr) {
    findings.Wrong(
        at, DeviceName(place.place, device), {},
        fmt::format("its `{}` names {}, which the node lacks{}", key, Quote(parent.name), place.Near(parent.name)));
  }
}

void CheckParents(const PlaceDevices& place, const Device& device, Findings& findings) {
  const InterfaceType& type = device.interface->type;
  if (const auto* vlan = std::get_if<Vlan>(&type)) CheckParent(place, device, vlan->link, "link", findings);
  if (const auto* macvlan = std::get_if<Macvlan>(&type)) CheckParent(place, device, macvlan->link, "link", findings);
  if (const auto* ipvlan = std::get_if<Ipvlan>(&type)) CheckParent(place, device, ipvlan->link, "link", findings);
  if (const auto* macsec = std::get_if<Macsec>(&type)) CheckParent(place, device, macsec->link, "link", findings);
  if (const auto* vxlan = std::get_if<Vxlan>(&type); vxlan != nullptr && vxlan->dev) {
    CheckParent(place, device, *vxlan->dev, "dev", findings);
  }
  if (const auto* tunnel = std::get_if<Tunnel>(&type); tunnel != nullptr && tunnel->dev) {
    CheckParent(place, device, *tunnel->dev, "dev", findings);
  }
}

void CheckVrfTables(const PlaceDevices& place, Findings& findings) {
  constexpr std::uint32_t kFirstReserved = 253;  // default, main, local
  constexpr std::uint32_t kLastReserved = 255;
  std::map<std::uint32_t, const Device*> tables;
  for (const Device& device : place.devices) {
    if (device.interface == nullptr) continue;
    const auto* vrf = std::get_if<Vrf>(&device.interface->type);
    if (vrf == nullptr) continue;
    const Mark at = device.interface->type_at.known() ? device.interface->type_at : device.interface->at;
    if (vrf->table >= kFirstReserved && vrf->table <= kLastReserved) {
      findings.Wrong(at, PlaceName(place.place), "vrf " + Quote(device.name),
                     fmt::format("table {} is the kernel's own; take another", vrf->table));
    }
    const auto [first, is_new] = tables.emplace(vrf->table, &device);
    if (is_new) continue;
    findings.Wrong(at, PlaceName(place.place), "vrf " + Quote(device.name),
                   fmt::format("table {} is the one of vrf {} already", vrf->table, Quote(first->second->name)),
                   {{first->second->at(), "the other vrf", {}}});
  }
}

/// A connected network, for the search for overlaps.
struct Network {
  std::string_view vrf;
  IpPrefix prefix;
  const Device* device;
  const Address* address;
};

void CheckOverlaps(const PlaceDevices& place, Findings& findings) {
  std::vector<Network> networks;
  for (const Device& device : place.devices) {
    if (device.interface == nullptr || device.is_port() || device.name == "lo") continue;
    for (const Address& address : device.interface->addresses) {
      const IpPrefix& own = address.prefix;
      // Full-length addresses are routed one by one, and link-local networks are the same on every cable.
      if (address.peer || own.length() == own.address().bits() || own.address().is_link_local()) continue;
      networks.push_back({device.vrf(), own.Masked(), &device, &address});
    }
  }
  std::ranges::stable_sort(networks, [](const Network& a, const Network& b) {
    return std::tie(a.vrf, a.prefix) < std::tie(b.vrf, b.prefix);
  });
  // Prefixes nest or are apart: in this order every prefix that holds another is still open when it comes.
  std::vector<const Network*> open;
  for (const Network& network : networks) {
    while (!open.empty() && (open.back()->vrf != network.vrf || !open.back()->prefix.Contains(network.prefix))) {
      open.pop_back();
    }
    // The same address twice is an error of its own.
    const auto other = std::ranges::find_if(open, [&](const Network* o) {
      return o->device != network.device && o->address->prefix.address() != network.address->prefix.address();
    });
    if (other != open.end()) {
      const bool other_is_first = (*other)->address->at < network.address->at;
      const Network& later = other_is_first ? network : **other;
      const Network& earlier = other_is_first ? **other : network;
      findings.Warn(later.address->at, DeviceName(place.place, *later.device), {},
                    fmt::format("network {} overlaps {} of interface {}: packets leave by one of them only",
                                later.prefix.text(), earlier.prefix.text(), Quote(earlier.device->name)),
                    {{earlier.address->at, "the other network", {}}});
    }
    // Of equal prefixes one stands for all, which also bounds the depth by the prefix length.
    if (open.empty() || open.back()->prefix != network.prefix) open.push_back(&network);
  }
}

/// The same address on two interfaces of one node. Unnumbered links may borrow one: full length, or with a peer.
void CheckAddressTwiceInNode(const PlaceDevices& place, Findings& findings) {
  std::map<std::pair<std::string_view, IpAddress>, std::pair<const Device*, const Address*>> owners;
  const auto borrows = [](const Address& address) {
    return address.peer || address.prefix.length() == address.prefix.address().bits();
  };
  for (const Device& device : place.devices) {
    if (device.interface == nullptr) continue;
    for (const Address& address : device.interface->addresses) {
      if (address.prefix.address().is_link_local()) continue;
      const auto [first, is_new] =
          owners.emplace(std::pair(device.vrf(), address.prefix.address()), std::pair(&device, &address));
      if (is_new || first->second.first == &device) continue;
      if (borrows(address) || borrows(*first->second.second)) continue;
      findings.Wrong(address.at, DeviceName(place.place, device), {},
                     fmt::format("address {} is on interface {} already", address.prefix.address().text(),
                                 Quote(first->second.first->name)),
                     {{first->second.second->at, "first here", {}}});
    }
  }
}

void CheckBridgePorts(const Topology& topology, const Index& index, Findings& findings) {
  std::map<std::string_view, std::size_t> ports;
  for (const PlaceDevices& place : index.places()) {
    for (const Device& device : place.devices) {
      if (device.master_kind == MasterKind::kBridge) ++ports[device.master];
    }
  }
  for (const Bridge& bridge : topology.bridges) {
    const auto found = ports.find(bridge.name);
    if (found == ports.end() || found->second <= kMostBridgePorts) continue;
    findings.Wrong(bridge.at, "bridge " + Quote(bridge.name), {},
                   fmt::format("it has {} ports; the kernel's bridge takes at most {}: join several bridges by links",
                               found->second, kMostBridgePorts));
  }
}

void CheckVlans(const Topology& topology, const Index& index, Findings& findings) {
  for (const Link& link : topology.links) {
    for (const LinkEnd* end : {&link.a, &link.b}) {
      if (!end->vlans) continue;
      const Bridge* bridge = index.FindBridge(end->bridge);
      const std::string where = "link " + Quote(link.id());
      if (bridge == nullptr) {
        findings.Wrong(end->vlans->at, where, "vlans", "the end at " + Quote(end->text()) + " is no port of a bridge");
      } else if (!bridge->vlan_filtering || !bridge->vlan_filtering->value) {
        findings.Wrong(end->vlans->at, where, "vlans",
                       "bridge " + Quote(bridge->name) + " does not filter: say `vlan_filtering: true` there",
                       {{bridge->at, "the bridge", {}}});
      }
    }
  }
}

}  // namespace

void CheckInterfaces(const Topology& topology, const Index& index, Findings& findings) {
  CheckBridgePorts(topology, index, findings);
  CheckVlans(topology, index, findings);
  for (const PlaceDevices& place : index.places()) {
    for (const Device& device : place.devices) {
      if (device.interface == nullptr) continue;
      CheckMtu(place, device, findings);
      CheckAddresses(place, device, findings);
      CheckParents(place, device, findings);
    }
    CheckVrfTables(place, findings);
    CheckAddressTwiceInNode(place, findings);
    CheckOverlaps(place, findings);
  }
}

}  // namespace runner::validate
