// A sound topology as resources, each behind all that it stands on.
#pragma once
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "plan/resource.h"
#include "topology/model.h"

namespace runner {

/// What the graph cannot know from the file alone.
struct GraphInputs {
  /// For each node whose uplink is of type nat without `cidr`: the subnet that was chosen for it.
  std::map<std::string, IpPrefix> nat_networks;
  /// The nodes whose uplink of type slirp works over a packet socket, for want of a tap.
  std::set<std::string> without_tap;
  /// The public key of each wireguard interface of the lab, by NODE:IFNAME; absent: it is yet to be made.
  std::map<std::string, std::string> public_keys = {};
  /// The fingerprint of the key in each `preshared_key_file`.
  std::map<std::string, std::string> preshared_keys = {};
  /// What the files hold that the lab's file names as `source`, by the name as it stands there.
  std::map<std::string, std::string> sources = {};
  /// Where relative paths of the lab's file begin; absolute.
  std::string folder = "/";
};

/// The places of `resources` in an order in which each stands behind its dependencies; among those that are free to
/// stand anywhere the given order is kept. A dependency on something outside the list is left out of the order. An
/// error: one that stands twice, and a cycle, named object by object.
Result<std::vector<std::size_t>> DependencyOrder(const std::vector<const Resource*>& resources);

class Graph {
 public:
  /// Puts `resources` in the order of DependencyOrder.
  static Result<Graph> Make(std::vector<Resource> resources);

  const std::vector<Resource>& resources() const { return resources_; }
  const Resource* Find(const ResourceId& id) const;
  bool Has(const ResourceId& id) const { return Find(id) != nullptr; }

 private:
  std::vector<Resource> resources_;
  std::unordered_map<ResourceId, std::size_t> index_;
};

/// An impairment as it is set on an interface.
ImpairmentAttributes ImpairmentOf(const Impairment& asked, NamespaceName ns, std::string dev);

/// The resources of a lab. The order keeps the work in one namespace together; bridges come up behind their ports.
Result<Graph> BuildGraph(const Topology& topology, const GraphInputs& inputs = {});

}  // namespace runner
