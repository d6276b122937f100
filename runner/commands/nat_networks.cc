#include "commands/nat_networks.h"

#include <algorithm>

#include "base/text.h"
#include "commands/lab.h"
#include "kernel/address.h"
#include "kernel/route.h"

namespace runner {
namespace {

const IpPrefix kPool{IpAddress::FromIpv4(0x0ad50000), 16};  // 10.213.0.0/16
constexpr int kLength = 30;
constexpr std::uint64_t kStep = 4;

bool IsToBeChosen(const Node& node) {
  return node.uplink && node.uplink->type == Uplink::Type::kNat && !node.uplink->cidr;
}

std::optional<IpPrefix> FirstFree(const std::vector<IpPrefix>& taken) {
  for (std::optional<IpAddress> start = kPool.address(); start && kPool.Contains(*start); start = start->Plus(kStep)) {
    const IpPrefix candidate(*start, kLength);
    const auto overlaps = [&candidate](const IpPrefix& other) { return other.Overlaps(candidate); };
    if (std::ranges::none_of(taken, overlaps)) return candidate;
  }
  return std::nullopt;
}

/// What the topology itself uses: a node with an uplink must be able to tell both apart.
void AddOwn(const Topology& topology, std::vector<IpPrefix>& taken) {
  const auto add = [&taken](const Interface& interface) {
    for (const Address& address : interface.addresses) taken.push_back(address.prefix.Masked());
  };
  for (const Node& node : topology.nodes) {
    std::ranges::for_each(node.interfaces, add);
    if (node.uplink && node.uplink->cidr) taken.push_back(*node.uplink->cidr);
  }
  for (const Bridge& bridge : topology.bridges) add(bridge.interface);
  std::ranges::for_each(topology.host_interfaces, add);
}

Result<std::vector<IpPrefix>> TakenOnHost() {
  std::vector<IpPrefix> taken;
  NetlinkSocket socket = TRY(NetlinkSocket::Open());
  for (const AddressInfo& address : TRY(ReadAddresses(socket))) taken.push_back(address.prefix.Masked());
  for (const RouteInfo& route : TRY(ReadRoutes(socket))) taken.push_back(route.to);
  return taken;
}

}  // namespace

Result<NatNetworks> ChooseNatNetworks(const Topology& topology, const NatNetworks& recorded,
                                      std::vector<IpPrefix> taken) {
  std::erase_if(taken, [](const IpPrefix& prefix) { return prefix.is_ipv6() || prefix.is_default(); });
  for (const auto& [node, network] : recorded) taken.push_back(network);
  NatNetworks chosen;
  for (const Node& node : topology.nodes) {
    if (!IsToBeChosen(node)) continue;
    if (const auto before = recorded.find(node.name); before != recorded.end()) {
      chosen.insert(*before);
      continue;
    }
    const auto network = FirstFree(taken);
    if (!network) {
      Error error = Fail("choose a network for its uplink",
                         "every /30 of " + kPool.text() + " overlaps an address or route of the host; write a `cidr`");
      error.where = "node " + Quote(node.name);
      error.failure = Failure::kConflict;
      error.at = node.uplink->at;
      return error;
    }
    chosen.emplace(node.name, *network);
    taken.push_back(*network);
  }
  return chosen;
}

Result<NatNetworks> NatNetworksFor(const Context& context, const Topology& topology, const NatNetworks& recorded) {
  if (std::ranges::none_of(topology.nodes, IsToBeChosen)) return NatNetworks();
  std::vector<IpPrefix> taken = TRY(TakenOnHost());
  AddOwn(topology, taken);
  for (const auto& [name, header] : LabsThatAreUp(context.state)) {
    if (name == topology.name) continue;
    for (const auto& [node, network] : header.nat_networks) taken.push_back(network);
  }
  return ChooseNatNetworks(topology, recorded, std::move(taken));
}

}  // namespace runner
