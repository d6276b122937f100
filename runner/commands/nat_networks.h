// Subnets for uplinks of type nat that name none: the first free ones of a pool.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "commands/context.h"
#include "topology/model.h"

namespace runner {

using NatNetworks = std::map<std::string, IpPrefix>;  // by node

/// For each uplink of type nat without `cidr`: the recorded choice, else the first /30 of 10.213.0.0/16 that overlaps
/// nothing that is taken. A default route takes nothing.
Result<NatNetworks> ChooseNatNetworks(const Topology& topology, const NatNetworks& recorded,
                                      std::vector<IpPrefix> taken);

/// What is taken on this machine: addresses and routes of the calling thread's namespace, what other labs chose. Asks
/// nobody when the topology needs none.
Result<NatNetworks> NatNetworksFor(const Context& context, const Topology& topology, const NatNetworks& recorded);

}  // namespace runner
