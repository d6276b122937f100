#include "plan/graph_builder.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/text.h"
#include "plan/codec.h"

namespace runner {
namespace {

using Strength = DependsOn::Strength;

constexpr std::uint32_t kMainTable = 254;

std::string HostEndName(const std::string& lab, const std::string& node) {
  constexpr std::size_t kDigits = 8;
  std::string digits;
  std::uint64_t hash = StableHash(lab + "/" + node + "/uplink");
  for (std::size_t i = 0; i < kDigits; ++i, hash >>= 4) digits += "0123456789abcdef"[hash & 15];
  return "tn-" + digits;
}

bool HasDefaultRoute(const Node& node, Family family) {
  return std::ranges::any_of(node.routes, [family](const Route& route) {
    return !route.label && route.to.is_default() && route.to.family() == family &&
           route.table.value_or(kMainTable) == kMainTable;
  });
}

}  // namespace

std::optional<IpPrefix> GraphBuilder::NetworkOf(const Node& node) const {
  const auto chosen = inputs_.nat_networks.find(node.name);
  return chosen != inputs_.nat_networks.end() ? chosen->second : node.uplink->cidr;
}

std::vector<IpPrefix> GraphBuilder::NetworksOf(const Node& node) const {
  std::vector<IpPrefix> out;
  if (const auto network = NetworkOf(node)) out.push_back(*network);
  if (const auto ipv6 = Ipv6NetworkOf(topology_.name, node)) out.push_back(*ipv6);
  return out;
}

Interface GraphBuilder::UplinkInterface(const Node& node, const Uplink& uplink) const {
  Interface interface;
  interface.name = uplink.interface;
  if (const Interface* own = topology_.FindInterface(NodePlace(node), uplink.interface)) interface = *own;
  if (!interface.mtu) interface.mtu = {.value = uplink.mtu, .at = {}};
  if (!interface.mac) {
    interface.mac = {.value = MacAddress::FromSeed(topology_.name + "/" + node.name + "/" + uplink.interface),
                     .at = {}};
  }
  return interface;
}

void GraphBuilder::AddPacketEnd(const Node& node, const Interface& interface, std::vector<DependsOn> on) {
  const Place place = NodePlace(node);
  const Place far_place = PacketEndPlace(node.name);
  Add(Kind::kNamespace, far_place.name,
      NamespaceAttributes{.name = NamespaceOf(far_place), .node = far_place.name, .is_switch = true, .attach = {}},
      node.uplink->at, {{.id = {.kind = Kind::kFolder, .name = "netns"}}});
  Interface far = interface;
  far.up = {};
  far.mac = {.value = MacAddress::FromSeed(topology_.name + "/" + far_place.name + "/" + interface.name), .at = {}};
  const std::string name = DeviceName(place, interface.name);
  const ResourceId id{.kind = Kind::kVeth, .name = name + "--" + DeviceName(far_place, interface.name)};
  on.push_back({.id = NamespaceId(far_place)});
  Add(Kind::kVeth, id.name, VethAttributes{.a = DeviceOf(place, interface), .b = DeviceOf(far_place, far)},
      node.uplink->at, std::move(on));
  Declare(place, interface.name, id);
}

void GraphBuilder::AddUplinkDevice(const Node& node, const Uplink& uplink) {
  const Place place = NodePlace(node);
  const Interface interface = UplinkInterface(node, uplink);
  const std::string name = DeviceName(place, uplink.interface);
  std::vector<DependsOn> on = {{.id = NamespaceId(place)}};
  AfterShaping(place, on);
  if (uplink.type == Uplink::Type::kSlirp && inputs_.without_tap.contains(node.name)) {
    AddPacketEnd(node, interface, std::move(on));
    AddUplinkSysctls(node, uplink);
  } else if (uplink.type == Uplink::Type::kSlirp) {
    TapAttributes tap{.device = DeviceOf(place, interface)};
    Add(Kind::kTap, name, tap, uplink.at, on);
    Declare(place, uplink.interface, {.kind = Kind::kTap, .name = name});
    AddUplinkSysctls(node, uplink);
  } else {
    const std::string far_name = HostEndName(topology_.name, node.name);
    Interface far;
    far.name = far_name;
    far.mtu = interface.mtu;
    far.mac = {.value = MacAddress::FromSeed(topology_.name + "/" + node.name + "/" + far_name), .at = {}};
    VethAttributes veth{.a = DeviceOf(uplink.from, far), .b = DeviceOf(place, interface)};
    const ResourceId id{.kind = Kind::kVeth, .name = DeviceName(uplink.from, far_name) + "--" + name};
    on.push_back({.id = NamespaceId(uplink.from)});
    Add(Kind::kVeth, id.name, veth, uplink.at, on);
    Declare(place, uplink.interface, id);
    Declare(uplink.from, far_name, id);
    for (const IpPrefix& network : NetworksOf(node)) {
      const UplinkAddresses addresses = AddressesOf(uplink.type, network);
      AddAddress(uplink.from, far_name,
                 {.ns = NamespaceOf(uplink.from),
                  .dev = far_name,
                  .prefix = {addresses.gateway, network.length()},
                  .peer = {},
                  .scope = {},
                  .preferred = {}},
                 uplink.at);
    }
    AddHostNat(node, uplink, id);
  }
  for (const IpPrefix& network : NetworksOf(node)) {
    AddAddress(place, uplink.interface,
               {.ns = NamespaceOf(place),
                .dev = uplink.interface,
                .prefix = AddressesOf(uplink.type, network).node,
                .peer = {},
                .scope = {},
                .preferred = {}},
               uplink.at);
  }
}

void GraphBuilder::AddUplinkSysctls(const Node& node, const Uplink& uplink) {
  const std::string& dev = uplink.interface;
  std::vector<std::pair<std::string, std::string>> settings = {
      {"net.ipv4.conf." + dev + ".proxy_arp", "1"},
      // The far side gives up on an unanswered question after one second.
      {"net.ipv4.neigh." + dev + ".proxy_delay", "0"},
      {"net.ipv6.conf." + dev + ".accept_ra", "0"}};
  // The directory goes with IPv6 being off or the MTU being too small for it.
  const Interface interface = UplinkInterface(node, uplink);
  constexpr std::uint32_t kSmallestIpv6Mtu = 1280;
  if (!interface.has_ipv6() || interface.mtu->value < kSmallestIpv6Mtu) settings.pop_back();
  for (auto& [key, value] : settings) {
    if (HasSysctl(node, key)) continue;
    AddSysctl(node, {.key = key, .value = value, .at = uplink.at});
  }
}

void GraphBuilder::AddUplinkRoutes(const Node& node, const Uplink& uplink) {
  for (const IpPrefix& network : NetworksOf(node)) {
    if (HasDefaultRoute(node, network.family())) continue;
    Route route;
    route.to = IpPrefix(network.is_ipv6() ? *IpAddress::Parse("::") : IpAddress(), 0);
    route.via = AddressesOf(uplink.type, network).gateway;
    route.dev = uplink.interface;
    route.at = uplink.at;
    AddRoute(NodePlace(node), route);
  }
}

IpAddress GraphBuilder::TargetOf(const PublishedPort& port, const Node& node) const {
  const bool own = port.target.is_unspecified() || (node.uplink->cidr && node.uplink->cidr->Contains(port.target)) ||
                   (node.uplink->ipv6 && node.uplink->ipv6->Contains(port.target));
  if (!own) return port.target;
  for (const IpPrefix& network : NetworksOf(node)) {
    if (network.family() == port.family) return AddressesOf(Uplink::Type::kNat, network).node.address();
  }
  return port.target;
}

void GraphBuilder::AddHostNat(const Node& node, const Uplink& uplink, const ResourceId& link) {
  const std::string table = "toporun-" + topology_.name + "-" + node.name;
  NatAttributes attributes{.ns = NamespaceOf(uplink.from), .table = table, .rules = {}, .listing = {}};
  for (const IpPrefix& network : NetworksOf(node)) {
    attributes.rules.push_back(EncodeNatRule(
        {.rule = {.rule = Masquerade{.out = HostEndName(topology_.name, node.name), .source = network.Masked()},
                  .at = {}}}));
  }
  for (const Node& other : topology_.nodes) {
    for (const PublishedPort& port : other.ports) {
      if (port.uplink != node.name) continue;
      attributes.rules.push_back(EncodeNatRule({.rule = {.rule = PortForward{.in = "",
                                                                             .address = port.host_address,
                                                                             .protocol = port.protocol,
                                                                             .port = port.host_port,
                                                                             .to = TargetOf(port, node),
                                                                             .to_port = port.port},
                                                         .at = {}}}));
    }
  }
  Add(Kind::kNat, uplink.from.text() + "/" + table, attributes, uplink.at,
      {{.id = NamespaceId(uplink.from)}, {.id = link, .strength = Strength::kAfter}});
}

void GraphBuilder::AddHostSide() {
  std::set<std::string> added;
  for (const Node& node : topology_.nodes) {
    if (!node.uplink || node.uplink->type != Uplink::Type::kNat || !node.uplink->from.is_host()) continue;
    for (const IpPrefix& network : NetworksOf(node)) {
      const std::string key = network.is_ipv6() ? "net.ipv6.conf.all.forwarding" : "net.ipv4.ip_forward";
      if (!added.insert(key).second) continue;
      Add(Kind::kSysctl, "host/" + key, SysctlAttributes{.ns = "", .key = key, .value = "1"}, node.uplink->at, {});
    }
  }
}

void GraphBuilder::AddUplinkHelper(const Node& node) {
  if (!node.uplink) return;
  const Uplink& uplink = *node.uplink;
  const bool relay_only = uplink.type == Uplink::Type::kNat;
  if (relay_only && !uplink.dns) return;
  const Place place = NodePlace(node);
  UplinkAttributes attributes{.ns = NamespaceOf(place),
                              .node = node.name,
                              .relay_only = relay_only,
                              .interface = uplink.interface,
                              .mtu = uplink.mtu,
                              .cidr = NetworkOf(node),
                              .ipv6 = Ipv6NetworkOf(topology_.name, node),
                              .host_loopback = uplink.host_loopback,
                              .allow = uplink.policy.allow,
                              .deny = uplink.policy.deny,
                              .dns = uplink.dns,
                              .outbound_address = uplink.outbound_address,
                              .from = NamespaceOf(uplink.from),
                              .names = HostNames(topology_)};
  std::vector<DependsOn> on = {{.id = NamespaceId(place)}, {.id = NamespaceId(uplink.from)}};
  on.push_back({.id = DeviceId(place, uplink.interface)});
  for (const IpPrefix& network : NetworksOf(node)) {
    on.push_back({.id = AddressId(place, uplink.interface, AddressesOf(uplink.type, network).node),
                  .strength = Strength::kAfter});
  }
  if (const Node* far = topology_.FindNode(uplink.from.name); far != nullptr && far->uplink) {
    on.push_back({.id = {.kind = Kind::kUplink, .name = far->name}, .strength = Strength::kAfter});
  }
  Add(Kind::kUplink, node.name, attributes, uplink.at, on);
}

void GraphBuilder::AddPorts(const Node& node) {
  for (const PublishedPort& port : node.ports) {
    const Node* through = topology_.FindNode(port.uplink);
    // With type nat a published port is a rule on the host.
    if (through == nullptr || !through->uplink || through->uplink->type == Uplink::Type::kNat) continue;
    const bool ipv6 = port.family == Family::kIpv6;
    std::string address = port.host_address ? port.host_address->text() : ipv6 ? "::" : "0.0.0.0";
    if (ipv6) address = "[" + address + "]";
    std::string name = fmt::format("{}/{}/{}:{}", through->name, port.protocol == Protocol::kTcp ? "tcp" : "udp",
                                   address, port.host_port.first);
    if (port.host_port.count() > 1) name += "-" + std::to_string(port.host_port.last);
    Add(Kind::kForward, name,
        ForwardAttributes{.ns = NamespaceOf(NodePlace(*through)),
                          .node = through->name,
                          .protocol = port.protocol,
                          .family = port.family,
                          .host_address = port.host_address,
                          .host_port = port.host_port,
                          .port = port.port,
                          .target = port.target},
        port.at, {{.id = {.kind = Kind::kUplink, .name = through->name}}});
  }
}

}  // namespace runner
