// A topology as plain structs, each with its place in the file. What the loader returns is complete: references,
// ranges, groups and defaults are expanded, names and addresses handed out, settings of a link merged into its ends.
// Comparison (`==`) ignores places: two files that mean the same are equal.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "base/mac.h"

namespace runner {

/// A place in the file that is no part of a value's identity.
struct Mark : Position {
  Mark() = default;
  Mark(Position at) : Position(at) {}  // NOLINT(google-explicit-constructor)
  friend bool operator==(const Mark&, const Mark&) { return true; }
};

/// A value and where it stands.
template <class T>
struct At {
  T value{};
  Mark at;
  friend bool operator==(const At&, const At&) = default;
};
template <class T>
using MaybeAt = std::optional<At<T>>;

/// Whose network namespace: a node's, a switch's (a bridge without `node`), or the host's.
struct Place {
  enum class Kind { kNode, kSwitch, kHost };
  Kind kind = Kind::kNode;
  std::string name;  // empty for the host
  friend auto operator<=>(const Place&, const Place&) = default;
  bool is_host() const { return kind == Kind::kHost; }
  /// As the user writes it: the node's or the bridge's name, or "host".
  std::string text() const { return is_host() ? "host" : name; }
};

// ---- L3

enum class Scope { kGlobal, kSite, kLink, kHost };

struct Address {
  IpPrefix prefix;
  std::optional<IpPrefix> peer;            // the far end, of a point-to-point address
  std::optional<Scope> scope;              // absent: what the kernel's family default is
  std::optional<std::uint32_t> preferred;  // seconds; absent: for ever
  bool dad = false;                        // duplicate address detection before use (IPv6)
  Mark at;
  friend bool operator==(const Address&, const Address&) = default;
  /// Whether other hosts can be told of it: neither its scope nor the address itself is narrower.
  bool is_global() const {
    const bool narrow = scope == Scope::kLink || scope == Scope::kHost;
    return !narrow && !prefix.address().is_link_local() && !prefix.address().is_loopback();
  }
};

struct MplsEncap {
  std::vector<std::uint32_t> labels;
  friend bool operator==(const MplsEncap&, const MplsEncap&) = default;
};
struct Seg6Encap {
  bool inline_mode = false;  // else encap
  std::vector<IpAddress> segments;
  friend bool operator==(const Seg6Encap&, const Seg6Encap&) = default;
};
/// ip-route(8) `encap seg6local action ACTION …`; the parameters by their iproute2 names (nh4, nh6, table, vrftable,
/// iif, oif, srh segs, …), checked by the loader.
struct Seg6LocalEncap {
  std::string action;
  std::map<std::string, std::string> parameters;
  friend bool operator==(const Seg6LocalEncap&, const Seg6LocalEncap&) = default;
};
using Encap = std::variant<MplsEncap, Seg6Encap, Seg6LocalEncap>;

struct NextHop {
  std::optional<IpAddress> via;
  std::string dev;  // empty: the kernel finds it
  int weight = 1;
  std::vector<std::uint32_t> as;  // as Route::as
  Mark at;
  friend bool operator==(const NextHop&, const NextHop&) = default;
};

enum class RouteType { kUnicast, kLocal, kBlackhole, kUnreachable, kProhibit, kThrow };

struct Route {
  IpPrefix to;                         // `default` is 0.0.0.0/0 or ::/0 by the family of `via`
  std::optional<std::uint32_t> label;  // of MPLS, in place of `to`
  std::vector<std::uint32_t> as;       // the labels that take its place; none: it is taken off
  std::optional<IpAddress> via;
  std::string dev;
  std::optional<std::uint32_t> metric;
  std::optional<std::uint32_t> table;  // absent: main, or that of the device's VRF
  std::optional<IpAddress> from;       // preferred source
  std::optional<Scope> scope;
  RouteType type = RouteType::kUnicast;
  std::optional<std::uint32_t> mtu;
  bool onlink = false;
  std::vector<NextHop> nexthops;  // of a multipath route; then via and dev are empty
  std::optional<Encap> encap;
  Mark at;
  friend bool operator==(const Route&, const Route&) = default;
};

enum class RuleAction { kLookup, kBlackhole, kUnreachable, kProhibit };

struct Rule {
  Family family = Family::kIpv4;  // the loader writes a rule for both families as two
  std::uint32_t priority = 0;
  std::optional<IpPrefix> from;
  std::optional<IpPrefix> to;
  std::string iif;
  std::string oif;
  std::optional<std::uint32_t> fwmark;
  std::optional<std::uint32_t> fwmask;
  std::optional<std::uint32_t> table;  // only with kLookup
  RuleAction action = RuleAction::kLookup;
  Mark at;
  friend bool operator==(const Rule&, const Rule&) = default;
};

struct Neighbour {
  IpAddress to;
  std::optional<MacAddress> mac;  // absent for a proxy
  bool proxy = false;
  std::string dev;
  Mark at;
  friend bool operator==(const Neighbour&, const Neighbour&) = default;
};

// ---- Interfaces

/// tc-netem(8). Times in nanoseconds, shares in units of 2^-32 (as the kernel counts), rate in bits a second.
struct Impairment {
  std::optional<std::int64_t> delay_ns;
  std::optional<std::int64_t> jitter_ns;
  std::optional<double> correlation;  // percent, as all shares here
  std::string distribution;           // normal, pareto, paretonormal, uniform; empty: the kernel's
  std::optional<double> loss;
  std::optional<double> duplicate;
  std::optional<double> corrupt;
  std::optional<double> reorder;
  std::optional<std::uint64_t> rate_bits;
  std::optional<std::uint32_t> limit;  // packets
  std::optional<std::uint64_t> seed;
  Mark at;
  friend bool operator==(const Impairment&, const Impairment&) = default;
};

/// A parent device: in the same node, or `host:IFNAME`.
struct ParentDevice {
  bool on_host = false;
  std::string name;
  friend bool operator==(const ParentDevice&, const ParentDevice&) = default;
};

struct Dummy {
  friend bool operator==(const Dummy&, const Dummy&) = default;
};
struct Vlan {
  ParentDevice link;
  std::uint16_t id = 0;
  bool service = false;  // 802.1ad instead of 802.1Q
  friend bool operator==(const Vlan&, const Vlan&) = default;
};
struct FdbEntry {
  MacAddress mac;
  IpAddress dst;
  Mark at;
  friend bool operator==(const FdbEntry&, const FdbEntry&) = default;
};
struct Vxlan {
  std::uint32_t id = 0;
  std::optional<IpAddress> local;
  std::optional<IpAddress> remote;  // unicast
  std::optional<IpAddress> group;   // multicast
  std::optional<ParentDevice> dev;
  std::uint16_t port = 4789;
  bool learning = true;
  std::vector<FdbEntry> fdb;
  friend bool operator==(const Vxlan&, const Vxlan&) = default;
};
struct Macvlan {
  ParentDevice link;
  std::string mode = "bridge";  // private, vepa, bridge, passthru, source
  bool tap = false;             // macvtap
  friend bool operator==(const Macvlan&, const Macvlan&) = default;
};
struct Ipvlan {
  ParentDevice link;
  std::string mode = "l2";  // l2, l3, l3s
  friend bool operator==(const Ipvlan&, const Ipvlan&) = default;
};
struct Bond {
  std::vector<At<std::string>> members;
  std::string mode = "balance-rr";
  std::map<std::string, std::string> options;  // miimon, lacp_rate, …: ip-link(8) names, checked by the loader
  friend bool operator==(const Bond&, const Bond&) = default;
};
struct Vrf {
  std::uint32_t table = 0;
  std::vector<At<std::string>> members;
  friend bool operator==(const Vrf&, const Vrf&) = default;
};
struct Tunnel {
  std::string kind;  // gre, gretap, ip6gre, ip6gretap, ipip, sit, ip6tnl, vti, vti6, geneve
  std::optional<IpAddress> local;
  std::optional<IpAddress> remote;
  std::optional<std::uint32_t> id;
  std::optional<std::uint32_t> key;
  std::optional<std::uint8_t> ttl;
  std::optional<ParentDevice> dev;
  std::optional<std::uint16_t> port;
  friend bool operator==(const Tunnel&, const Tunnel&) = default;
};
struct Macsec {
  ParentDevice link;
  std::map<std::string, std::string> options;
  friend bool operator==(const Macsec&, const Macsec&) = default;
};
struct WireguardPeer {
  std::string node;        // either a node of the lab (NODE or NODE:IFNAME) …
  std::string public_key;  // … or a key
  std::string endpoint;    // ADDR:PORT, [ADDR6]:PORT
  std::vector<IpPrefix> allowed_ips;
  std::optional<std::uint16_t> keepalive;  // seconds
  std::string preshared_key_file;
  Mark at;
  friend bool operator==(const WireguardPeer&, const WireguardPeer&) = default;
};
struct Wireguard {
  std::string private_key;
  std::string private_key_file;
  bool auto_key = false;
  std::optional<std::uint16_t> listen_port;
  std::vector<WireguardPeer> peers;
  friend bool operator==(const Wireguard&, const Wireguard&) = default;
};
struct Tap {
  bool tun = false;
  std::string user;
  bool multi_queue = false;
  friend bool operator==(const Tap&, const Tap&) = default;
};
struct Physical {
  std::string device;
  friend bool operator==(const Physical&, const Physical&) = default;
};
/// The end of a veth, `lo`, or an interface that an attached namespace already has: nothing to create.
struct Given {
  friend bool operator==(const Given&, const Given&) = default;
};

using InterfaceType =
    std::variant<Given, Dummy, Vlan, Vxlan, Macvlan, Ipvlan, Bond, Vrf, Tunnel, Macsec, Wireguard, Tap, Physical>;

/// What an interface of this type stands on; null where it stands on nothing.
const ParentDevice* ParentOf(const InterfaceType& type);

struct Interface {
  std::string name;
  InterfaceType type;
  std::vector<Address> addresses;
  MaybeAt<std::uint32_t> mtu;
  MaybeAt<MacAddress> mac;  // absent only for `lo`, attached and physical ones
  MaybeAt<bool> up;         // absent: up
  MaybeAt<bool> ipv6;       // absent: on
  MaybeAt<std::uint32_t> txqueuelen;
  std::optional<Impairment> impair;
  Mark at;       // the name's place; for an interface without an entry, the link end's
  Mark type_at;  // the place of `type`
  friend bool operator==(const Interface&, const Interface&) = default;
  bool is_up() const { return !up || up->value; }
  bool has_ipv6() const { return !ipv6 || ipv6->value; }
};

// ---- Bridges and links

struct PortVlans {
  std::optional<std::uint16_t> pvid;
  std::vector<std::uint16_t> tagged;
  std::vector<std::uint16_t> untagged;
  Mark at;
  friend bool operator==(const PortVlans&, const PortVlans&) = default;
};

struct Bridge {
  std::string name;
  Place place;          // its node or the host, or itself as a switch
  Interface interface;  // the device: addresses, mtu, mac
  MaybeAt<bool> stp;
  MaybeAt<std::uint16_t> priority;
  MaybeAt<std::uint32_t> ageing;  // seconds
  MaybeAt<bool> vlan_filtering;
  std::vector<At<std::string>> members;  // interfaces of its node, by name
  std::vector<Interface> ports;          // a switch's ends of links
  std::vector<At<IpPrefix>> prefixes;    // as written; the addresses are handed out already
  Mark at;
  friend bool operator==(const Bridge&, const Bridge&) = default;
  bool is_switch() const { return place.kind == Place::Kind::kSwitch; }
};

/// One end of a cable. Its Interface stands in the node's, switch's or host's list, under `interface`.
struct LinkEnd {
  Place place;
  std::string interface;
  std::string bridge;              // the bridge whose port it is, else empty
  std::optional<PortVlans> vlans;  // at a filtering bridge
  std::vector<Route> routes;       // only at the host
  Mark at;
  friend bool operator==(const LinkEnd&, const LinkEnd&) = default;
  std::string text() const { return place.text() + ":" + interface; }
};

struct Link {
  LinkEnd a;
  LinkEnd b;
  Mark at;
  friend bool operator==(const Link&, const Link&) = default;
  /// A:IFNAME--B:IFNAME
  std::string id() const { return a.text() + "--" + b.text(); }
};

// ---- NAT, uplink, ports

enum class Protocol { kTcp, kUdp };

struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  friend bool operator==(const PortRange&, const PortRange&) = default;
  int count() const { return last - first + 1; }
};

struct Masquerade {
  std::string out;
  std::optional<IpPrefix> source;
  friend bool operator==(const Masquerade&, const Masquerade&) = default;
};
struct SourceNat {
  std::string out;
  std::optional<IpPrefix> source;
  IpAddress to;
  friend bool operator==(const SourceNat&, const SourceNat&) = default;
};
struct PortForward {
  std::string in;                         // empty: from anywhere, the node itself too
  std::optional<IpAddress> address = {};  // of the node, that is meant; absent: any
  Protocol protocol = Protocol::kTcp;
  PortRange port;
  IpAddress to;
  std::optional<PortRange> to_port;  // absent: as `port`
  friend bool operator==(const PortForward&, const PortForward&) = default;
};
struct NatRule {
  std::variant<Masquerade, SourceNat, PortForward> rule;
  Mark at;
  friend bool operator==(const NatRule&, const NatRule&) = default;
};

struct UplinkPolicy {
  std::vector<IpPrefix> allow;
  std::vector<IpPrefix> deny;
  friend bool operator==(const UplinkPolicy&, const UplinkPolicy&) = default;
};

struct Uplink {
  enum class Type { kSlirp, kNat };
  Type type = Type::kSlirp;
  std::string interface = "tap0";  // nat: the node's end of the veth; default there "uplink0"
  std::uint32_t mtu = 1500;
  std::optional<IpPrefix> cidr;  // network; slirp: 10.0.2.0/24 filled in; nat: absent is "first free of the pool"
  std::optional<IpPrefix> ipv6;  // network; absent: no IPv6; fd00::/64 filled in for `true`
  bool host_loopback = false;
  UplinkPolicy policy;
  bool dns = true;
  std::vector<std::string> outbound_address;  // addresses or host interface names
  Place from = {.kind = Place::Kind::kHost, .name = {}};
  Mark at;
  friend bool operator==(const Uplink&, const Uplink&) = default;
};

/// One family of one published port or range; the loader writes out "each family that the node has".
struct PublishedPort {
  std::optional<IpAddress> host_address;  // absent: any address of the family
  Family family = Family::kIpv4;
  PortRange host_port;
  PortRange port;
  Protocol protocol = Protocol::kTcp;
  IpAddress target;    // the node's address that is meant
  std::string uplink;  // the node whose uplink it comes through
  Mark at;
  friend bool operator==(const PublishedPort&, const PublishedPort&) = default;
};

struct Dns {
  std::vector<IpAddress> nameservers;
  std::vector<std::string> search;
  Mark at;
  friend bool operator==(const Dns&, const Dns&) = default;
};

// ---- Processes and the node's view of files

using Command = std::vector<std::string>;

struct Healthcheck {
  enum class Kind { kTest, kTcp, kUdp, kHttp, kFile, kLog };
  Kind kind = Kind::kTest;
  Command test;        // kTest
  std::string target;  // port, URL, path or expression
  std::int64_t interval_ms = 200;
  std::int64_t timeout_ms = 2000;
  std::int64_t start_period_ms = 0;
  int retries = 25;
  Mark at;
  friend bool operator==(const Healthcheck&, const Healthcheck&) = default;
};

struct Dependency {
  enum class Condition { kStarted, kHealthy, kCompleted };
  std::string node;
  std::string process;
  Condition condition = Condition::kStarted;
  Mark at;
  friend bool operator==(const Dependency&, const Dependency&) = default;
};

struct Process {
  enum class Restart { kNo, kOnFailure, kAlways };
  std::string name;
  Command command;
  std::map<std::string, std::string> environment;
  std::string working_dir;
  std::string user;
  std::vector<Dependency> depends_on;
  std::optional<Healthcheck> healthcheck;
  Restart restart = Restart::kNo;
  std::string stop_signal = "SIGTERM";
  std::int64_t stop_grace_period_ms = 5000;
  Mark at;
  friend bool operator==(const Process&, const Process&) = default;
};

struct NodeFile {
  std::string path;
  std::optional<std::string> content;
  std::string source;  // a path of the host, when `content` is absent
  std::uint32_t mode = 0644;
  Mark at;
  friend bool operator==(const NodeFile&, const NodeFile&) = default;
};
struct Bind {
  std::string host_path;
  std::string path;
  bool read_only = false;
  Mark at;
  friend bool operator==(const Bind&, const Bind&) = default;
};

// ---- Node

struct Attach {
  struct Pid {
    int pid = 0;
    friend bool operator==(const Pid&, const Pid&) = default;
  };
  struct Path {
    std::string path;
    friend bool operator==(const Path&, const Path&) = default;
  };
  struct Container {
    std::string name;
    friend bool operator==(const Container&, const Container&) = default;
  };
  std::variant<Pid, Path, Container> to;
  Mark at;
  friend bool operator==(const Attach&, const Attach&) = default;
};

struct Forwarding {
  MaybeAt<bool> ipv4;  // absent is off
  MaybeAt<bool> ipv6;
  friend bool operator==(const Forwarding&, const Forwarding&) = default;
};

struct Sysctl {
  std::string key;  // with dots, as written: net.ipv4.conf.eth0.rp_filter
  std::string value;
  Mark at;
  friend bool operator==(const Sysctl&, const Sysctl&) = default;
};

struct ExecCommand {
  Command command;
  Mark at;
  friend bool operator==(const ExecCommand&, const ExecCommand&) = default;
};

struct Node {
  std::string name;
  std::vector<Interface> interfaces;  // in file order; link ends without an entry behind them in link order; no
                                      // bridges; `lo` only if it has an entry
  std::vector<Route> routes;
  std::vector<Rule> rules;
  std::vector<Neighbour> neighbours;
  std::vector<Sysctl> sysctls;
  Forwarding forwarding;
  std::vector<NatRule> nat;
  MaybeAt<std::string> nftables;
  std::optional<Uplink> uplink;
  std::vector<PublishedPort> ports;
  std::optional<Dns> dns;  // as written; absent: the uplink's
  bool hosts = true;       // false: no hosts file
  std::vector<std::pair<std::string, IpAddress>> extra_hosts;
  std::vector<ExecCommand> exec;
  std::vector<Process> processes;
  std::vector<NodeFile> files;
  std::vector<Bind> binds;
  std::vector<At<std::string>> tmpfs;
  std::string group;
  std::optional<Attach> attach;
  Mark at;
  friend bool operator==(const Node&, const Node&) = default;
};

// ---- Tests of a file (`toporun check`)

struct Expectation {
  enum class Kind { kReachable, kUnreachable, kMeasured };
  Kind kind = Kind::kReachable;
  /// What is measured → a value or comparison as written ("<= 1%"); `stdout.matches` and the like have dotted names,
  /// a `json` subset is JSON text.
  std::map<std::string, std::string> measured;
  friend bool operator==(const Expectation&, const Expectation&) = default;
};
struct Check {
  std::string from;  // a node, or "outside"
  std::string kind;  // ping, tcp, udp, http, dns, run, route, path, throughput
  std::string target;
  Command run;
  std::optional<Family> family;
  std::optional<int> count;
  Expectation expect;
  std::optional<std::int64_t> within_ms;
  Mark at;
  friend bool operator==(const Check&, const Check&) = default;
};
struct LinkChange {
  std::string node;
  std::string interface;
  std::variant<bool, Impairment> set;  // up/down or an impairment
  Mark at;
  friend bool operator==(const LinkChange&, const LinkChange&) = default;
};
struct NodeChange {
  std::string node;
  bool up = true;
  Mark at;
  friend bool operator==(const NodeChange&, const NodeChange&) = default;
};
struct ProcessChange {
  std::string node;
  std::string process;
  std::string set;  // killed, stopped, started
  Mark at;
  friend bool operator==(const ProcessChange&, const ProcessChange&) = default;
};
struct Wait {
  std::int64_t ms = 0;
  friend bool operator==(const Wait&, const Wait&) = default;
};
using TestStep = std::variant<Check, LinkChange, NodeChange, ProcessChange, Wait>;
struct Test {
  std::string name;
  std::vector<TestStep> steps;  // a test that is one check has one
  Mark at;
  friend bool operator==(const Test&, const Test&) = default;
};

// ---- The whole

struct Topology {
  std::string name;
  std::vector<Node> nodes;                 // in file order
  std::vector<Bridge> bridges;             // in file order
  std::vector<Link> links;                 // in file order
  std::vector<Interface> host_interfaces;  // the host's ends of links
  std::vector<Test> tests;
  std::string file;  // the path as the user gave it, "-" for standard input
  friend bool operator==(const Topology& a, const Topology& b) {
    return a.name == b.name && a.nodes == b.nodes && a.bridges == b.bridges && a.links == b.links &&
           a.host_interfaces == b.host_interfaces && a.tests == b.tests;
  }

  const Node* FindNode(std::string_view node) const;
  const Bridge* FindBridge(std::string_view bridge) const;
  /// The interface `name` at `place` (of a node, a switch's ports, the host), or null. A bridge's own device counts as
  /// an interface of its place.
  const Interface* FindInterface(const Place& place, std::string_view name) const;
};

}  // namespace runner
