// A topology between decoding and resolving: the structs of the model, and beside them what still has to be looked up
// by name. Damage is noted too, so that no later step judges what an earlier one refused.
#pragma once
#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "topology/diagnostics.h"
#include "topology/model.h"

namespace runner {

/// An address written as NODE:IFNAME.
struct AddressReference {
  /// What is taken out of the topology when the reference leads nowhere.
  enum class Owner { kNone, kRoute, kNat };
  Position at;
  std::string where;
  std::string node;
  std::string interface;
  std::optional<Family> family;
  std::function<void(Topology&, const IpAddress&)> set;
  Owner owner = Owner::kNone;
  std::size_t node_index = 0;  // of the owner
  std::size_t item_index = 0;
};

struct NameReference {
  Position at;
  std::string where;
  std::string name;
};

/// One entry of a node's `ports`, before it is written out per family.
struct PortDraft {
  std::optional<IpAddress> host_address;
  PortRange host_port;
  PortRange port;
  Protocol protocol = Protocol::kTcp;
  MaybeAt<std::string> uplink;
  Mark at;
};

/// What the loader knows about a node beside its Node.
struct NodeNotes {
  bool names_damaged = false;   // a refused entry may have given an interface
  bool l3_damaged = false;      // a refused entry may have given an address or a route
  bool uplink_damaged = false;  // it may have an uplink that is refused or misspelt
  std::vector<bool> inherited;  // for each interface: its whole entry comes from a group
  std::vector<PortDraft> ports;
  std::vector<NameReference> uplink_from;
};

struct EndDraft {
  enum class Form { kText, kNode, kBridge };  // `bridge: lan` and `node: r1` say which of the two they mean
  Form form = Form::kText;
  std::string name;  // a node, a bridge, or "host"
  std::string port;  // empty: not given
  Mark at;
  Mark port_at;
  std::vector<Address> addresses;
  MaybeAt<std::uint32_t> mtu;
  MaybeAt<MacAddress> mac;
  std::optional<Impairment> impair;
  std::optional<PortVlans> vlans;
  std::vector<Route> routes;
  Mark routes_at;
};

/// `prefix` as written: a network, or a pool from which each cable of the entry gets its own.
struct PrefixDraft {
  IpPrefix prefix;
  std::optional<int> length;  // of a cable's part of the pool
  Mark at;
};

struct LinkDraft {
  std::array<EndDraft, 2> ends;
  MaybeAt<std::uint32_t> mtu;
  MaybeAt<bool> up;
  std::optional<Impairment> impair;  // of both ends
  struct EndImpair {
    std::string end;  // NODE or NODE:IFNAME
    Impairment impair;
  };
  std::vector<EndImpair> end_impairs;
  std::vector<PrefixDraft> prefixes;
  bool prefix_refused = false;
  std::size_t cable = 0;  // number among the cables of its entry
  Mark at;
};

struct BridgeDraft {
  MaybeAt<std::string> node;
  std::vector<PrefixDraft> prefixes;
  bool refused = false;  // whether it stands in a node is not known
  bool prefix_refused = false;
};

struct Draft {
  Topology topology;
  std::vector<NodeNotes> nodes;      // beside topology.nodes
  std::vector<BridgeDraft> bridges;  // beside topology.bridges
  std::vector<LinkDraft> links;
  std::vector<AddressReference> references;
  // A whole section was refused or its key is misspelt: names that may stand there are not missed.
  bool nodes_unknown = false;
  bool bridges_unknown = false;
  bool links_unknown = false;
};

}  // namespace runner
