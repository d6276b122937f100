#include "plan/names.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace runner {
namespace {

// Names of nodes have no dot.
constexpr std::string_view kPacketEnd = ".uplink";

std::optional<IpAddress> FirstGlobal(const Interface& interface, Family family) {
  for (const Address& address : interface.addresses) {
    const IpAddress& ip = address.prefix.address();
    const bool narrow = address.scope && *address.scope != Scope::kGlobal;
    if (ip.family() == family && !narrow && !ip.is_loopback() && !ip.is_link_local()) return ip;
  }
  return std::nullopt;
}

void AddHostLines(const Topology& topology, std::string_view separator, std::string& out) {
  for (const Node& node : topology.nodes) {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      const auto address = FirstGlobalAddress(topology, node, family);
      if (!address) continue;
      out += address->text();
      out += separator;
      out += node.name + " " + node.name + "." + topology.name + "\n";
    }
  }
}

}  // namespace

NamespaceName NamespaceNameOf(const std::string& lab, const Place& place) {
  return place.is_host() ? "" : lab + "." + place.name;
}

Place PacketEndPlace(const std::string& node) {
  return {.kind = Place::Kind::kSwitch, .name = node + std::string(kPacketEnd)};
}

std::optional<std::string> NodeOfPacketEnd(std::string_view place) {
  if (!place.ends_with(kPacketEnd)) return std::nullopt;
  place.remove_suffix(kPacketEnd.size());
  return std::string(place);
}

std::optional<IpAddress> FirstGlobalAddress(const Topology& topology, const Node& node, Family family) {
  const Interface* loopback = nullptr;
  for (const Interface& interface : node.interfaces) {
    if (interface.name == "lo") {
      loopback = &interface;
      continue;
    }
    if (const auto found = FirstGlobal(interface, family)) return found;
  }
  for (const Bridge& bridge : topology.bridges) {
    if (bridge.place.kind != Place::Kind::kNode || bridge.place.name != node.name) continue;
    if (const auto found = FirstGlobal(bridge.interface, family)) return found;
  }
  return loopback == nullptr ? std::nullopt : FirstGlobal(*loopback, family);
}

std::string HostsFile(const Topology& topology) {
  std::string out = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
  AddHostLines(topology, "\t", out);
  return out;
}

std::string HostsFile(const Topology& topology, const Node& node) {
  std::string out = HostsFile(topology);
  for (const auto& [name, address] : node.extra_hosts) out += address.text() + "\t" + name + "\n";
  return out;
}

std::vector<std::string> HostNames(const Topology& topology) {
  std::vector<std::string> out;
  for (const Node& node : topology.nodes) {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      const auto address = FirstGlobalAddress(topology, node, family);
      if (address) out.push_back(node.name + " " + address->text());
    }
  }
  std::ranges::sort(out);
  return out;
}

UplinkAddresses AddressesOf(Uplink::Type type, const IpPrefix& network) {
  const auto at = [&network](std::uint64_t n) {
    return network.Masked().address().Plus(n).value_or(network.address());
  };
  if (type == Uplink::Type::kNat) return {.node = {at(2), network.length()}, .gateway = at(1), .dns = at(2)};
  // ::100 is written in hexadecimal, as slirp4netns shows it.
  const std::uint64_t node = network.is_ipv6() ? 0x100 : 100;
  return {.node = {at(node), network.length()}, .gateway = at(2), .dns = at(3)};
}

std::optional<IpPrefix> Ipv6NetworkOf(const std::string& lab, const Node& node) {
  const Uplink& uplink = *node.uplink;
  const auto by_default = IpPrefix::Parse("fd00::/64");
  if (uplink.type != Uplink::Type::kNat || uplink.ipv6 != by_default) return uplink.ipv6;
  std::array<std::uint8_t, 16> bytes = {0xfd};
  const std::uint64_t hash = StableHash(lab + "/" + node.name);
  // The 40 bits of the global id; the subnet is 0.
  for (std::size_t i = 1; i <= 5; ++i) bytes[i] = static_cast<std::uint8_t>(hash >> (8 * i));
  return IpPrefix(IpAddress::FromBytes(Family::kIpv6, bytes.data()), by_default->length());
}

const Node* OnlyUplink(const Topology& topology) {
  const Node* only = nullptr;
  for (const Node& node : topology.nodes) {
    if (!node.uplink) continue;
    if (only != nullptr) return nullptr;
    only = &node;
  }
  return only;
}

std::string ResolverFile(const Topology& topology, const Node& node, const Node* only_uplink,
                         const std::map<std::string, IpPrefix>& nat_networks) {
  std::string out;
  if (node.dns) {
    for (const IpAddress& server : node.dns->nameservers) out += "nameserver " + server.text() + "\n";
    if (!node.dns->search.empty()) {
      out += "search";
      for (const std::string& domain : node.dns->search) out += " " + domain;
      out += "\n";
    }
    if (!node.dns->nameservers.empty()) return out;
  }
  const Node* server = node.uplink ? &node : only_uplink;
  if (server != nullptr && server->uplink->dns) {
    const Uplink& uplink = *server->uplink;
    std::optional<IpPrefix> network = uplink.cidr;
    if (const auto found = nat_networks.find(server->name); found != nat_networks.end()) network = found->second;
    if (network) out += "nameserver " + AddressesOf(uplink.type, *network).dns.text() + "\n";
    if (const auto ipv6 = Ipv6NetworkOf(topology.name, *server)) {
      out += "nameserver " + AddressesOf(uplink.type, *ipv6).dns.text() + "\n";
    }
  }
  // An empty resolver, so that the host's never shows through.
  return out.empty() ? "# no name server\n" : out;
}

}  // namespace runner
