// From a Draft to the Topology: names are looked up, interfaces made for the ends of links, addresses handed out.
// One pass a file; Resolve runs them in the order in which they stand here.
#pragma once
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "topology/draft.h"

namespace runner {

/// Everything in the lab that has a name. Positions, not pointers: the lists still grow.
class NameIndex {
 public:
  explicit NameIndex(Topology& topology);

  std::optional<std::size_t> FindNode(const std::string& name) const { return Find(nodes_, name); }
  std::optional<std::size_t> FindBridge(const std::string& name) const { return Find(bridges_, name); }
  std::vector<std::string> NodeNames() const;
  std::vector<std::string> BridgeNames() const;

  /// The interface of a node, port of a switch, or end at the host; also a bridge's own device. Valid until the next
  /// Add.
  Interface* FindInterface(const Place& place, const std::string& name);
  Interface& AddInterface(const Place& place, Interface interface);
  /// Whether any device of `place` has the name, an uplink's too.
  bool IsTaken(const Place& place, const std::string& name);
  /// Names of all interfaces at `place`, for near names.
  std::vector<std::string> InterfaceNames(const Place& place);
  std::vector<Interface>& InterfacesOf(const Place& place);

  Topology& topology() { return topology_; }

 private:
  using Positions = std::unordered_map<std::string, std::size_t>;
  static std::optional<std::size_t> Find(const Positions& positions, const std::string& name);
  Positions& PositionsOf(const Place& place);

  Topology& topology_;
  Positions nodes_;
  Positions bridges_;
  std::vector<Positions> node_interfaces_;  // beside topology.nodes
  std::vector<Positions> switch_ports_;     // beside topology.bridges
  Positions host_interfaces_;
};

/// A resolved name of each kind, or what was meant: ` is not declared (did you mean "r2"?)`.
std::string NotDeclared(const std::string& name, const std::vector<std::string>& candidates);

/// `node` of bridges.
void ResolveBridges(Draft& draft, NameIndex& names, Diagnostics& diagnostics);
/// Ends of links; makes their interfaces. Leaves topology.links beside draft.links; a link that is refused has an
/// empty interface at its bad end.
void ResolveLinks(Draft& draft, NameIndex& names, Diagnostics& diagnostics);
/// `prefix` of bridges and links.
void HandOutAddresses(Draft& draft, NameIndex& names, Diagnostics& diagnostics);
/// NODE:IFNAME where an address is expected.
void ResolveReferences(Draft& draft, NameIndex& names, Diagnostics& diagnostics);
/// `from` of uplinks, and `ports` written out per family.
void ResolveUplinks(Draft& draft, NameIndex& names, Diagnostics& diagnostics);

/// Peers of wireguard that are nodes: which interface is meant, where it is reached, what may come from it.
void ResolvePeers(Draft& draft, const Diagnostics& diagnostics);

/// All of it. The Topology is whole when no error was found; else what a refused entry may have given is filled in or
/// taken out, so that ValidateTopology does not judge it.
void Resolve(Draft& draft, Diagnostics& diagnostics);

}  // namespace runner
