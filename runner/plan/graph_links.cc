// Interfaces of the types in base/link_types.h, and what is set on interfaces: impairments, VLANs of ports, forwarding
// entries.
#include <fmt/format.h>

#include <algorithm>

#include "base/link_types.h"
#include "base/text.h"
#include "plan/graph_builder.h"

namespace runner {
namespace {

using Strength = DependsOn::Strength;

/// `type:` and its settings, in the words of ip-link(8).
struct TypeWriter {
  LinkAttributes& out;
  std::string public_key = kKeyToCome;  // of a wireguard interface

  void Put(std::string_view name, std::string value) const {
    const LinkOption* option = FindLinkOption(out.type, name);
    if (option == nullptr) return;
    if (auto canonical = CanonicalLinkOption(*option, value)) value = std::move(*canonical);
    out.options.push_back({std::string(name), std::move(value)});
  }
  template <class T>
  void PutNumber(std::string_view name, const std::optional<T>& number) const {
    if (number) Put(name, std::to_string(*number));
  }
  void PutAddress(std::string_view name, const std::optional<IpAddress>& address) const {
    if (address) Put(name, address->text());
  }
  void Is(std::string_view type) const { out.type = type; }

  void operator()(const Given& /*type*/) const {}
  void operator()(const Physical& /*type*/) const {}
  void operator()(const Macsec& macsec) const {
    Is("macsec");
    const auto address = macsec.options.find("address");
    for (const auto& [name, value] : macsec.options) {
      // A channel's address and port are one number to the kernel.
      const bool in_channel = address != macsec.options.end() && (name == "address" || name == "port");
      if (!in_channel) Put(name, value);
    }
    if (address != macsec.options.end()) Put("sci", ChannelOf(address->second, macsec.options));
  }
  static std::string ChannelOf(const std::string& address, const std::map<std::string, std::string>& options) {
    const MacAddress mac = MacAddress::Parse(address).value_or(MacAddress());
    const auto port = options.find("port");
    std::string out;
    for (std::size_t i = 0; i < 6; ++i) out += fmt::format("{:02x}", mac.bytes()[i]);
    return out + fmt::format("{:04x}", port == options.end() ? 1 : ParseInteger(port->second).value_or(1));
  }
  void operator()(const Dummy& /*type*/) const { Is("dummy"); }
  void operator()(const Vlan& vlan) const {
    Is("vlan");
    Put("id", std::to_string(vlan.id));
    Put("protocol", vlan.service ? "802.1ad" : "802.1q");
  }
  void operator()(const Vxlan& vxlan) const {
    Is("vxlan");
    Put("id", std::to_string(vxlan.id));
    PutAddress("local", vxlan.local);
    PutAddress("remote", vxlan.remote);
    PutAddress("group", vxlan.group);
    Put("port", std::to_string(vxlan.port));
    Put("learning", vxlan.learning ? "on" : "off");
  }
  void operator()(const Macvlan& macvlan) const {
    Is(macvlan.tap ? "macvtap" : "macvlan");
    Put("mode", macvlan.mode);
  }
  void operator()(const Ipvlan& ipvlan) const {
    Is("ipvlan");
    Put("mode", ipvlan.mode);
  }
  void operator()(const Bond& bond) const {
    Is("bond");
    Put("mode", bond.mode);
    for (const auto& [name, value] : bond.options) Put(name, value);
  }
  void operator()(const Vrf& vrf) const {
    Is("vrf");
    Put("table", std::to_string(vrf.table));
  }
  void operator()(const Tunnel& tunnel) const {
    Is(tunnel.kind);
    PutAddress("local", tunnel.local);
    PutAddress("remote", tunnel.remote);
    PutNumber("id", tunnel.id);
    PutNumber("key", tunnel.key);
    PutNumber("ttl", tunnel.ttl);
    PutNumber("port", tunnel.port);
  }
  void operator()(const Wireguard& wireguard) const {
    Is("wireguard");
    PutNumber("listen_port", wireguard.listen_port);
    Put("public_key", public_key);
  }
  void operator()(const Tap& tap) const {
    Is(tap.tun ? "tun" : "tap");
    if (!tap.user.empty()) Put("user", tap.user);
    Put("multi_queue", tap.multi_queue ? "on" : "off");
  }
};

bool IsTyped(const Interface& interface) {
  LinkAttributes attributes;
  std::visit(TypeWriter{attributes}, interface.type);
  return !attributes.type.empty();
}

std::vector<std::uint16_t> Sorted(std::vector<std::uint16_t> vlans) {
  std::ranges::sort(vlans);
  vlans.erase(std::unique(vlans.begin(), vlans.end()), vlans.end());
  return vlans;
}

Share ShareOf(const std::optional<double>& percent) { return percent ? Share::OfPercent(*percent) : Share{}; }

}  // namespace

ImpairmentAttributes ImpairmentOf(const Impairment& asked, NamespaceName ns, std::string dev) {
  constexpr std::uint64_t kBitsPerByte = 8;  // the kernel counts whole bytes
  return {.ns = std::move(ns),
          .dev = std::move(dev),
          .delay = {asked.delay_ns.value_or(0)},
          .jitter = {asked.jitter_ns.value_or(0)},
          .correlation = ShareOf(asked.correlation),
          .loss = ShareOf(asked.loss),
          .duplicate = ShareOf(asked.duplicate),
          .corrupt = ShareOf(asked.corrupt),
          .reorder = ShareOf(asked.reorder),
          .rate = {asked.rate_bits.value_or(0) / kBitsPerByte * kBitsPerByte},
          .limit = asked.limit,
          .seed = asked.seed,
          .distribution = asked.distribution};
}

void GraphBuilder::FindMembers() {
  for (const Bridge& bridge : topology_.bridges) {
    for (const auto& member : bridge.members) members_[{bridge.place, member.value}] = bridge.name;
  }
  for (const Node& node : topology_.nodes) {
    const Place place = NodePlace(node);
    for (const Interface& interface : node.interfaces) {
      if (const auto* bond = std::get_if<Bond>(&interface.type)) {
        for (const auto& member : bond->members) members_[{place, member.value}] = interface.name;
      } else if (const auto* vrf = std::get_if<Vrf>(&interface.type)) {
        vrfs_[{place, interface.name}] = vrf->table;
        for (const auto& member : vrf->members) members_[{place, member.value}] = interface.name;
      }
    }
  }
}

std::string GraphBuilder::VrfOf(const Place& place, const std::string& interface) const {
  if (vrfs_.contains({place, interface})) return interface;
  const auto master = members_.find({place, interface});
  return master != members_.end() && vrfs_.contains({place, master->second}) ? master->second : "";
}

void GraphBuilder::DeclareTyped() {
  for (const Node& node : topology_.nodes) {
    const Place place = NodePlace(node);
    for (const Interface& interface : node.interfaces) {
      const bool physical = std::holds_alternative<Physical>(interface.type);
      if (!physical && !IsTyped(interface)) continue;
      Declare(place, interface.name,
              {.kind = physical ? Kind::kPhysical : Kind::kLink, .name = DeviceName(place, interface.name)});
    }
  }
}

std::string GraphBuilder::ParentText(const Place& place, const ParentDevice& parent, std::vector<DependsOn>& on) const {
  const Place where = parent.on_host ? Place{.kind = Place::Kind::kHost, .name = {}} : place;
  NeedDevice(where, parent.name, on);
  return (parent.on_host ? "host:" : "") + parent.name;
}

void GraphBuilder::AddTyped(const Node& node, const Interface& interface) {
  if (const auto* physical = std::get_if<Physical>(&interface.type)) return AddPhysical(node, interface, *physical);
  LinkAttributes attributes;
  const Place place = NodePlace(node);
  std::visit(TypeWriter{attributes, PublicKeyOf(DeviceName(place, interface.name))}, interface.type);
  if (attributes.type.empty()) return;
  attributes.device = DeviceOf(place, interface);
  // Of these the kernel has its own idea: room for the outer header, the parent's queue.
  if (!interface.mtu) attributes.device.mtu.reset();
  if (!interface.txqueuelen) attributes.device.txqueuelen.reset();
  if (!FindLinkType(attributes.type)->has_mac) attributes.device.mac.reset();
  // A macvlan that has its parent for itself has its parent's address.
  const auto* macvlan = std::get_if<Macvlan>(&interface.type);
  if (macvlan != nullptr && macvlan->mode == "passthru") attributes.device.mac.reset();
  std::vector<DependsOn> on = {{.id = NamespaceId(place)}};
  AfterShaping(place, on);
  if (const ParentDevice* parent = ParentOf(interface.type)) {
    const bool over = FindLinkType(attributes.type)->over_link;
    attributes.options.push_back({over ? "link" : "dev", ParentText(place, *parent, on)});
  }
  JoinMaster(place, interface.name, attributes.device, on);
  std::ranges::sort(attributes.options);
  Add(Kind::kLink, DeviceName(place, interface.name), attributes,
      interface.type_at.known() ? interface.type_at : interface.at, on);
  if (const auto* vxlan = std::get_if<Vxlan>(&interface.type)) AddFdb(place, interface, *vxlan);
  if (const auto* wireguard = std::get_if<Wireguard>(&interface.type)) AddPeers(place, interface, *wireguard);
}

std::string GraphBuilder::PublicKeyOf(const std::string& device) const {
  const auto found = inputs_.public_keys.find(device);
  return found == inputs_.public_keys.end() ? kKeyToCome : found->second;
}

void GraphBuilder::AddPeers(const Place& place, const Interface& interface, const Wireguard& wireguard) {
  for (const WireguardPeer& peer : wireguard.peers) {
    const std::string& name = peer.node.empty() ? peer.public_key : peer.node;
    PeerAttributes attributes{.ns = NamespaceOf(place), .dev = interface.name, .name = name};
    attributes.public_key = peer.node.empty() ? peer.public_key : PublicKeyOf(peer.node);
    if (!peer.endpoint.empty()) attributes.endpoint = peer.endpoint;
    attributes.allowed_ips = peer.allowed_ips;
    std::ranges::sort(attributes.allowed_ips);
    attributes.keepalive = peer.keepalive.value_or(0);
    const auto shared = inputs_.preshared_keys.find(peer.preshared_key_file);
    if (shared != inputs_.preshared_keys.end()) attributes.preshared_key = shared->second;
    Add(Kind::kPeer, DeviceName(place, interface.name) + "/" + name, attributes, peer.at,
        {{.id = DeviceId(place, interface.name)}});
  }
}

void GraphBuilder::AddPhysical(const Node& node, const Interface& interface, const Physical& physical) {
  const Place place = NodePlace(node);
  PhysicalAttributes attributes{.device = DeviceOf(place, interface), .card = physical.device};
  // Only what the file asks for: a card has its own ideas.
  if (!interface.mtu) attributes.device.mtu.reset();
  if (!interface.txqueuelen) attributes.device.txqueuelen.reset();
  std::vector<DependsOn> on = {{.id = NamespaceId(place)}};
  AfterShaping(place, on);
  JoinMaster(place, interface.name, attributes.device, on);
  Add(Kind::kPhysical, DeviceName(place, interface.name), attributes,
      interface.type_at.known() ? interface.type_at : interface.at, on);
}

void GraphBuilder::JoinMaster(const Place& place, const std::string& interface, DeviceAttributes& device,
                              std::vector<DependsOn>& on) {
  const auto master = members_.find({place, interface});
  if (master == members_.end()) return;
  device.master = master->second;
  on.push_back({.id = DeviceId(place, master->second), .strength = Strength::kAfter});
  if (DeviceId(place, master->second).kind == Kind::kBridge) {
    ports_[{place, master->second}].push_back(DeviceId(place, interface));
  }
}

void GraphBuilder::AddFdb(const Place& place, const Interface& interface, const Vxlan& vxlan) {
  for (const FdbEntry& entry : vxlan.fdb) {
    Add(Kind::kFdb, DeviceName(place, interface.name) + "/" + entry.mac.text() + "," + entry.dst.text(),
        FdbAttributes{.ns = NamespaceOf(place), .dev = interface.name, .mac = entry.mac, .dst = entry.dst}, entry.at,
        {{.id = DeviceId(place, interface.name)}});
  }
}

void GraphBuilder::AddImpairment(const Place& place, const Interface& interface) {
  if (!interface.impair) return;
  Add(Kind::kImpairment, DeviceName(place, interface.name),
      ImpairmentOf(*interface.impair, NamespaceOf(place), interface.name), interface.impair->at,
      {{.id = DeviceId(place, interface.name)}});
}

void GraphBuilder::AddPortVlans(const LinkEnd& end) {
  if (!end.vlans) return;
  std::vector<DependsOn> on = {{.id = DeviceId(end.place, end.interface)}};
  if (const std::string master = MasterOf(end); !master.empty()) on.push_back({.id = DeviceId(end.place, master)});
  VlansAttributes attributes{.ns = NamespaceOf(end.place),
                             .dev = end.interface,
                             .pvid = end.vlans->pvid.value_or(0),
                             .tagged = Sorted(end.vlans->tagged),
                             .untagged = Sorted(end.vlans->untagged)};
  // What comes in without a tag leaves without one, unless the file says otherwise.
  const auto is_in = [&](const std::vector<std::uint16_t>& list) {
    return std::ranges::find(list, attributes.pvid) != list.end();
  };
  if (attributes.pvid != 0 && !is_in(attributes.tagged) && !is_in(attributes.untagged)) {
    attributes.untagged.push_back(attributes.pvid);
    std::ranges::sort(attributes.untagged);
  }
  Add(Kind::kVlans, DeviceName(end.place, end.interface), attributes, end.vlans->at, on);
}

}  // namespace runner
