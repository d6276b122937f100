// The resources of one lab while they are put together, group by group in the order of the work. One part a file:
// graph_builder.cc namespaces, settings and files, graph_devices.cc, graph_l3.cc, graph_uplink.cc, graph_process.cc.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plan/graph.h"
#include "plan/names.h"

namespace runner {

class GraphBuilder {
 public:
  GraphBuilder(const Topology& topology, const GraphInputs& inputs) : topology_(topology), inputs_(inputs) {}

  Result<Graph> Build();

 private:
  // ---- Names

  NamespaceName NamespaceOf(const Place& place) const { return NamespaceNameOf(topology_.name, place); }
  static Place NodePlace(const Node& node) { return {.kind = Place::Kind::kNode, .name = node.name}; }
  static ResourceId NamespaceId(const Place& place) { return {.kind = Kind::kNamespace, .name = place.text()}; }
  static std::string DeviceName(const Place& place, std::string_view interface) {
    return place.text() + ":" + std::string(interface);
  }
  void Add(Kind kind, std::string name, Attributes attributes, Position at, std::vector<DependsOn> on);
  /// What makes the device exist: its link, bridge, tap, or for `lo` and given ones the namespace.
  ResourceId DeviceId(const Place& place, const std::string& interface) const;
  void Declare(const Place& place, const std::string& interface, ResourceId id) {
    devices_[{place, interface}] = std::move(id);
  }

  // ---- Namespaces, settings and files

  void IndexInterfaces();
  void AddFolders();
  void AddNamespaces();
  static bool HasSysctl(const Node& node, std::string_view key);
  void AddSysctl(const Node& node, const Sysctl& sysctl);
  void AfterShaping(const Place& place, std::vector<DependsOn>& on) const;
  void AddNode(const Node& node);
  void AddNat(const Node& node);
  void AddFiles();
  void AddExec(const Node& node);

  // ---- Devices

  DeviceAttributes DeviceOf(const Place& place, const Interface& interface) const;
  void AddBridges();
  /// The bridge that takes `end` as a port: the one it ends in, or one that lists it under `members`.
  std::string MasterOf(const LinkEnd& end) const;
  DeviceAttributes EndOf(const LinkEnd& end, std::vector<DependsOn>& on);
  void AddLinks();
  void AddActivations();
  /// Settings of `lo` or of an attached namespace's own interface.
  void AddInterface(const Node& node, const Interface& interface);

  // ---- Typed interfaces, and what is set on interfaces

  /// Which interface is a port of which bridge, bond or VRF.
  void FindMembers();
  void DeclareTyped();
  void AddTyped(const Node& node, const Interface& interface);
  /// The parent as the plan writes it; `on` learns what it needs.
  std::string ParentText(const Place& place, const ParentDevice& parent, std::vector<DependsOn>& on) const;
  void AddImpairment(const Place& place, const Interface& interface);
  void AddPortVlans(const LinkEnd& end);
  void AddFdb(const Place& place, const Interface& interface, const Vxlan& vxlan);
  /// Of the wireguard interface NODE:IFNAME.
  std::string PublicKeyOf(const std::string& device) const;
  void AddPeers(const Place& place, const Interface& interface, const Wireguard& wireguard);
  void AddPhysical(const Node& node, const Interface& interface, const Physical& physical);
  /// Makes it a port of the bridge, bond or VRF that lists it.
  void JoinMaster(const Place& place, const std::string& interface, DeviceAttributes& device,
                  std::vector<DependsOn>& on);
  /// The VRF that the interface is in, or is; empty: none.
  std::string VrfOf(const Place& place, const std::string& interface) const;

  // ---- L3

  static ResourceId AddressId(const Place& place, const std::string& interface, const IpPrefix& prefix);
  /// The device, and for a bridge its being up: what a route over it needs.
  void NeedDevice(const Place& place, const std::string& interface, std::vector<DependsOn>& on) const;
  void AddAddress(const Place& place, const std::string& interface, const AddressAttributes& attributes, Position at);
  void AddAddresses(const Place& place, const Interface& interface);
  /// The interface of the place, within that VRF (empty: outside of any), that reaches `via` by one of its prefixes; or
  /// nothing.
  std::string DeviceTowards(const Place& place, const IpAddress& via, const std::string& vrf) const;
  /// The segment that the address is in: the network of the interface that has it, or nothing.
  std::optional<IpPrefix> SegmentOf(const IpAddress& address) const;
  void NeedHop(const Place& place, const HopAttributes& hop, std::vector<DependsOn>& on) const;
  void AddRoute(const Place& place, const Route& route);
  void NeedAddress(const Place& place, const IpAddress& address, std::vector<DependsOn>& on) const;
  void AfterRoutes(const Place& place, const IpAddress& via, std::vector<DependsOn>& on) const;
  void AddRule(const Place& place, const Rule& rule);
  void AddNeighbour(const Place& place, const Neighbour& neighbour);
  void AddHostRoutes();

  // ---- Uplinks

  std::optional<IpPrefix> NetworkOf(const Node& node) const;
  std::vector<IpPrefix> NetworksOf(const Node& node) const;
  Interface UplinkInterface(const Node& node, const Uplink& uplink) const;
  void AddUplinkDevice(const Node& node, const Uplink& uplink);
  /// In place of a tap: a veth, whose far end is for the helper's packet socket alone.
  void AddPacketEnd(const Node& node, const Interface& interface, std::vector<DependsOn> on);
  /// With these the far side reaches every node behind this one by its own address, without NAT here.
  void AddUplinkSysctls(const Node& node, const Uplink& uplink);
  void AddUplinkRoutes(const Node& node, const Uplink& uplink);
  /// The node's own address on an uplink whose subnets are chosen at `up` is not known to the loader.
  IpAddress TargetOf(const PublishedPort& port, const Node& node) const;
  /// Type nat: masquerade, published ports and forwarding where the far end is.
  void AddHostNat(const Node& node, const Uplink& uplink, const ResourceId& link);
  /// What uplinks of type nat change on the host itself.
  void AddHostSide();
  void AddUplinkHelper(const Node& node);
  void AddPorts(const Node& node);

  // ---- Nodes' own views, and processes

  void AddView(const Node& node);
  void AddProcess(const Node& node, const Process& process);
  void AddConditions();

  using Device = std::pair<Place, std::string>;

  const Topology& topology_;
  const GraphInputs& inputs_;
  std::vector<Resource> resources_;
  std::map<Device, const Interface*> interfaces_;  // those that the file has settings for
  std::map<Device, ResourceId> devices_;
  std::map<Device, std::string> members_;
  std::map<Device, std::uint32_t> vrfs_;  // their tables
  std::map<Device, std::vector<ResourceId>> ports_;
  std::map<Device, std::vector<IpPrefix>> addresses_;
  std::map<Place, std::vector<ResourceId>> shaping_;
  std::map<Place, std::vector<std::pair<IpPrefix, ResourceId>>> routes_;
};

}  // namespace runner
