// What a lab calls things on the system, and how its nodes resolve each other's names.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan/resource.h"
#include "topology/model.h"

namespace runner {

/// `LAB.NODE`, where `ip netns` finds it; empty for the host.
NamespaceName NamespaceNameOf(const std::string& lab, const Place& place);

/// Where the far end of the veth stands that an uplink of `node` has in place of a tap: a namespace of its own. No node
/// can be called so.
Place PacketEndPlace(const std::string& node);
/// The node of such a place; nothing for any other name.
std::optional<std::string> NodeOfPacketEnd(std::string_view place);

/// The node's first global address of the family: its interfaces in file order, then its bridges, `lo` last.
std::optional<IpAddress> FirstGlobalAddress(const Topology& topology, const Node& node, Family family);

/// A hosts(5) file: localhost, then every node by NODE and NODE.LAB. The same for every node of the lab.
std::string HostsFile(const Topology& topology);
/// The lab's hosts file with a node's own additions behind.
std::string HostsFile(const Topology& topology, const Node& node);
/// "NAME ADDRESS" a line, for the uplink's DNS relay.
std::vector<std::string> HostNames(const Topology& topology);

/// The addresses that an uplink uses: its node's, the far side's, and its DNS server's.
struct UplinkAddresses {
  IpPrefix node;
  IpAddress gateway;
  IpAddress dns;
};
/// slirp: node .100, gateway .2, DNS .3 of `network` (::100, ::2, ::3), as slirp4netns(1). nat: host .1, node .2, and
/// the relay at the node's own address.
UplinkAddresses AddressesOf(Uplink::Type type, const IpPrefix& network);

/// The IPv6 network of the node's uplink. Type nat stands beside other labs' on the host: where the file leaves the
/// prefix to us, it gets one of its own (RFC 4193), the same at every run.
std::optional<IpPrefix> Ipv6NetworkOf(const std::string& lab, const Node& node);

/// The node with the lab's only uplink, or null.
const Node* OnlyUplink(const Topology& topology);

/// A resolv.conf(5): the node's own `dns`, else its uplink's, else that of the lab's only uplink, else nobody's.
/// `nat_networks` as in GraphInputs.
std::string ResolverFile(const Topology& topology, const Node& node, const Node* only_uplink,
                         const std::map<std::string, IpPrefix>& nat_networks);

}  // namespace runner
