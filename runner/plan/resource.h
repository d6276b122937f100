// One thing that a lab makes: what it is called, what it should be like, what it stands on.
//
// A new kind of object is added in five steps: (1) its struct with Visit() and its Kind here, in the variant and in
// KindTraits(); (2) its resources in plan/graph*.cc; (3) its verbs in kernel/; (4) a case in exec/apply*.cc; (5) one in
// exec/observe*.cc. Plan, journal, roll-back, `status` and `plan` then work by themselves.
#pragma once
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "base/mac.h"
#include "base/rare.h"
#include "base/units.h"
#include "topology/model.h"

namespace runner {

/// How a field takes part in the decision.
enum class Role {
  kIdentity,    // part of the id: another value is another object
  kInPlace,     // compared with the kernel; changed in place
  kReplace,     // compared with the kernel; another value means remove and create
  kRecorded,    // the kernel cannot tell it: compared with the record; changed in place
  kFingerprint  // the kernel's own rendering, taken when the object was made: another one is drift
};

/// The namespace an object is in: the bound name `LAB.NODE`, or empty for the host.
using NamespaceName = std::string;

struct NamespaceAttributes {
  NamespaceName name = {};
  std::string node = {};                     // as the user calls it
  bool is_switch = false;                    // IPv6 off in all of it
  std::string attach = {};                   // "pid 1", "path /…", "container c": bound, not made; empty: made
  std::optional<bool> forwarding_ipv4 = {};  // absent for a switch, and for an attached one that does not ask
  std::optional<bool> forwarding_ipv6 = {};
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("name", self.name, Role::kIdentity);
    v("node", self.node, Role::kIdentity);
    v("switch", self.is_switch, Role::kRecorded);
    v("attach", self.attach, Role::kReplace);
    v("forwarding.ipv4", self.forwarding_ipv4, Role::kInPlace);
    v("forwarding.ipv6", self.forwarding_ipv6, Role::kInPlace);
  }
};

/// A network device's settings; an end of a veth, a bridge, a tap.
struct DeviceAttributes {
  NamespaceName ns = {};
  std::string name = {};
  std::optional<MacAddress> mac = {};
  std::optional<std::uint32_t> mtu = {};
  std::optional<std::uint32_t> txqueuelen = {};
  std::optional<bool> up = {};
  std::optional<bool> ipv6 = {};
  std::optional<std::string> master = {};  // the bridge whose port it is; "" is none
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("name", self.name, Role::kIdentity);
    v("mac", self.mac, Role::kInPlace);
    v("mtu", self.mtu, Role::kInPlace);
    v("txqueuelen", self.txqueuelen, Role::kInPlace);
    v("ipv6", self.ipv6, Role::kInPlace);
    v("master", self.master, Role::kInPlace);
    v("up", self.up, Role::kInPlace);
  }
};

struct VethAttributes {
  DeviceAttributes a = {};
  DeviceAttributes b = {};
  bool joined = true;  // both ends are there and belong to each other
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("a", self.a, Role::kInPlace);
    v("b", self.b, Role::kInPlace);
    v("joined", self.joined, Role::kReplace);
  }
};

/// The bridge's device; it comes up by a resource of its own (ActivationAttributes), after its ports.
struct BridgeAttributes {
  DeviceAttributes device = {};
  bool stp = false;
  std::uint16_t priority = 32768;
  std::uint32_t ageing = 300;  // seconds
  bool vlan_filtering = false;
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("device", self.device, Role::kInPlace);
    v("stp", self.stp, Role::kInPlace);
    v("priority", self.priority, Role::kInPlace);
    v("ageing", self.ageing, Role::kInPlace);
    v("vlan_filtering", self.vlan_filtering, Role::kInPlace);
  }
};

/// One setting of a type of interface; its role is in base/link_types.h.
struct OptionAttributes {
  std::string name = {};
  std::string value = {};  // as CanonicalLinkOption writes it; an interface by name, on the host `host:IFNAME`
  friend auto operator<=>(const OptionAttributes&, const OptionAttributes&) = default;
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("name", self.name, Role::kIdentity);
    v("value", self.value, Role::kInPlace);
  }
};

/// An interface of one of the types in base/link_types.h.
struct LinkAttributes {
  DeviceAttributes device = {};
  std::string type = {};
  std::vector<OptionAttributes> options = {};  // by name; what is not asked for is the kernel's choice
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("device", self.device, Role::kInPlace);
    v("type", self.type, Role::kReplace);
    v("options", self.options, Role::kInPlace);
  }
};

/// What happens to the packets that leave an interface, tc-netem(8); zero where nothing is asked for.
struct ImpairmentAttributes {
  NamespaceName ns = {};
  std::string dev = {};
  Nanoseconds delay = {};
  Nanoseconds jitter = {};
  Share correlation = {};  // of each delay with the one before
  Share loss = {};
  Share duplicate = {};
  Share corrupt = {};
  Share reorder = {};
  BitRate rate = {};
  std::optional<std::uint32_t> limit = {};  // packets
  std::optional<std::uint64_t> seed = {};
  std::string distribution = {};
  friend bool operator==(const ImpairmentAttributes&, const ImpairmentAttributes&) = default;
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("dev", self.dev, Role::kIdentity);
    v("delay", self.delay, Role::kInPlace);
    v("jitter", self.jitter, Role::kInPlace);
    v("correlation", self.correlation, Role::kInPlace);
    v("loss", self.loss, Role::kInPlace);
    v("duplicate", self.duplicate, Role::kInPlace);
    v("corrupt", self.corrupt, Role::kInPlace);
    v("reorder", self.reorder, Role::kInPlace);
    v("rate", self.rate, Role::kInPlace);
    v("limit", self.limit, Role::kInPlace);
    v("seed", self.seed, Role::kInPlace);
    v("distribution", self.distribution, Role::kRecorded);
  }
};

/// The VLANs of a port of a bridge that filters; they are there as long as the port is.
struct VlansAttributes {
  NamespaceName ns = {};
  std::string dev = {};
  std::uint16_t pvid = 0;                  // 0: what comes in without a tag is dropped
  std::vector<std::uint16_t> tagged = {};  // sorted, as `untagged`
  std::vector<std::uint16_t> untagged = {};
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("dev", self.dev, Role::kIdentity);
    v("pvid", self.pvid, Role::kInPlace);
    v("tagged", self.tagged, Role::kInPlace);
    v("untagged", self.untagged, Role::kInPlace);
  }
};

/// Where a vxlan sends what is for a station; zeros: all that have no entry.
struct FdbAttributes {
  NamespaceName ns = {};
  std::string dev = {};
  MacAddress mac = {};
  IpAddress dst = {};
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("dev", self.dev, Role::kIdentity);
    v("mac", self.mac, Role::kIdentity);
    v("dst", self.dst, Role::kIdentity);
  }
};

/// A persistent tap, made for an uplink: it outlives its helper.
struct TapAttributes {
  DeviceAttributes device = {};
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("device", self.device, Role::kInPlace);
  }
};

/// Settings of a device that the lab did not make (`lo`, an attached namespace's): the former ones come back.
struct InterfaceAttributes {
  DeviceAttributes device = {};
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("device", self.device, Role::kInPlace);
  }
};

/// A bridge being up or down. Apart from the bridge, because IPv6 neighbour discovery floods the ports of a bridge
/// that is up: it comes last.
struct ActivationAttributes {
  NamespaceName ns = {};
  std::string dev = {};
  bool up = true;
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("dev", self.dev, Role::kIdentity);
    v("up", self.up, Role::kInPlace);
  }
};

struct AddressAttributes {
  NamespaceName ns = {};
  std::string dev = {};
  IpPrefix prefix = {};
  std::optional<IpPrefix> peer = {};
  std::optional<Scope> scope = {};
  std::optional<std::uint32_t> preferred = {};  // seconds; counts down in the kernel
  bool dad = false;
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("dev", self.dev, Role::kIdentity);
    v("prefix", self.prefix, Role::kIdentity);
    v("peer", self.peer, Role::kReplace);
    v("scope", self.scope, Role::kReplace);
    v("preferred", self.preferred, Role::kRecorded);
    v("dad", self.dad, Role::kRecorded);
  }
};

struct HopAttributes {
  std::optional<IpAddress> via = {};
  std::string dev = {};
  int weight = 1;
  std::string as = {};  // of a route for a label: the labels that take its place, "200/300"
  friend auto operator<=>(const HopAttributes&, const HopAttributes&) = default;
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("via", self.via, Role::kReplace);
    v("dev", self.dev, Role::kReplace);
    v("weight", self.weight, Role::kReplace);
    v("as", self.as, Role::kReplace);
  }
};

/// Every field is resolved: table, metric, scope and devices are what the kernel will show.
struct RouteAttributes {
  NamespaceName ns = {};
  IpPrefix to = {};
  std::optional<std::uint32_t> label = {};  // of MPLS, in place of `to`
  std::uint32_t table = 254;
  std::uint32_t metric = 0;
  RouteType type = RouteType::kUnicast;
  std::vector<HopAttributes> hops = {};  // one for a plain route, none for blackhole and the like
  std::optional<Scope> scope = {};       // IPv4 only
  std::optional<IpAddress> from = {};
  std::optional<std::uint32_t> mtu = {};
  bool onlink = false;
  std::string encap = {};  // what follows `encap` in ip-route(8): "mpls 100/200"
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("to", self.to, Role::kIdentity);
    v("label", self.label, Role::kIdentity);
    v("table", self.table, Role::kIdentity);
    v("metric", self.metric, Role::kIdentity);
    v("type", self.type, Role::kReplace);
    v("hops", self.hops, Role::kInPlace);
    v("scope", self.scope, Role::kInPlace);
    v("from", self.from, Role::kInPlace);
    v("mtu", self.mtu, Role::kInPlace);
    v("onlink", self.onlink, Role::kInPlace);
    v("encap", self.encap, Role::kInPlace);
  }
};

/// Several rules may have one priority: what a rule selects is part of its identity.
struct RuleAttributes {
  NamespaceName ns = {};
  Family family = Family::kIpv4;
  std::uint32_t priority = 0;
  std::optional<IpPrefix> from = {};
  std::optional<IpPrefix> to = {};
  std::string iif = {};
  std::string oif = {};
  std::uint32_t fwmark = 0;
  std::uint32_t fwmask = 0;
  std::uint32_t table = 0;
  RuleAction action = RuleAction::kLookup;
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("family", self.family, Role::kIdentity);
    v("priority", self.priority, Role::kIdentity);
    v("from", self.from, Role::kIdentity);
    v("to", self.to, Role::kIdentity);
    v("iif", self.iif, Role::kIdentity);
    v("oif", self.oif, Role::kIdentity);
    v("fwmark", self.fwmark, Role::kIdentity);
    v("fwmask", self.fwmask, Role::kIdentity);
    v("table", self.table, Role::kReplace);
    v("action", self.action, Role::kReplace);
  }
};

struct NeighbourAttributes {
  NamespaceName ns = {};
  std::string dev = {};
  IpAddress to = {};
  bool proxy = false;
  std::optional<MacAddress> mac = {};
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("dev", self.dev, Role::kIdentity);
    v("to", self.to, Role::kIdentity);
    v("proxy", self.proxy, Role::kIdentity);
    v("mac", self.mac, Role::kReplace);
  }
};

struct SysctlAttributes {
  NamespaceName ns = {};
  std::string key = {};
  std::string value = {};
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("key", self.key, Role::kIdentity);
    v("value", self.value, Role::kInPlace);
  }
};

/// The runner's own nft table in a namespace.
struct NatAttributes {
  NamespaceName ns = {};
  std::string table = "toporun";
  std::vector<std::string> rules = {};  // each NatRule as one line of JSON, see EncodeNatRule
  std::string listing = {};
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("table", self.table, Role::kIdentity);
    v("rules", self.rules, Role::kRecorded);
    v("listing", self.listing, Role::kFingerprint);
  }
};

/// The user's own nft commands.
struct NftablesAttributes {
  NamespaceName ns = {};
  std::string text = {};
  std::vector<std::string> tables = {};  // "inet filter": what the text made
  std::string listing = {};
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("text", self.text, Role::kRecorded);
    v("tables", self.tables, Role::kFingerprint);
    v("listing", self.listing, Role::kFingerprint);
  }
};

/// A file that `ip netns exec` puts over one of /etc.
struct FileAttributes {
  NamespaceName ns = {};
  std::string name = {};  // hosts, resolv.conf
  std::string content = {};
  bool shared = false;  // the lab's one hosts file, by a symbolic link
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("name", self.name, Role::kIdentity);
    v("shared", self.shared, Role::kInPlace);
    v("content", self.content, Role::kInPlace);
  }
};

struct UplinkAttributes {
  NamespaceName ns = {};
  std::string node = {};
  bool relay_only = false;  // type nat: only the DNS relay
  std::string interface = {};
  std::uint32_t mtu = 1500;
  std::optional<IpPrefix> cidr = {};
  std::optional<IpPrefix> ipv6 = {};
  bool host_loopback = false;
  std::vector<IpPrefix> allow = {};
  std::vector<IpPrefix> deny = {};
  bool dns = true;
  std::vector<std::string> outbound_address = {};
  NamespaceName from = {};
  std::vector<std::string> names = {};  // "NAME ADDRESS" lines that its DNS relay answers
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("node", self.node, Role::kIdentity);
    v("relay_only", self.relay_only, Role::kReplace);
    v("interface", self.interface, Role::kReplace);
    v("mtu", self.mtu, Role::kInPlace);
    v("cidr", self.cidr, Role::kReplace);
    v("ipv6", self.ipv6, Role::kReplace);
    v("host_loopback", self.host_loopback, Role::kInPlace);
    v("allow", self.allow, Role::kInPlace);
    v("deny", self.deny, Role::kInPlace);
    v("dns", self.dns, Role::kInPlace);
    v("outbound_address", self.outbound_address, Role::kReplace);
    v("from", self.from, Role::kReplace);
    v("names", self.names, Role::kInPlace);
  }
};

/// A published port: a listener of an uplink's helper, or for type nat a rule on the host.
struct ForwardAttributes {
  NamespaceName ns = {};  // of the uplink's node
  std::string node = {};
  Protocol protocol = Protocol::kTcp;
  Family family = Family::kIpv4;
  std::optional<IpAddress> host_address = {};
  PortRange host_port = {};
  PortRange port = {};
  IpAddress target = {};
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("node", self.node, Role::kIdentity);
    v("protocol", self.protocol, Role::kIdentity);
    v("family", self.family, Role::kIdentity);
    v("host_address", self.host_address, Role::kIdentity);
    v("host_port", self.host_port, Role::kIdentity);
    v("port", self.port, Role::kReplace);
    v("target", self.target, Role::kReplace);
  }
};

/// A command that runs once, when its node is first made.
struct ExecAttributes {
  NamespaceName ns = {};
  std::string node = {};
  int number = 0;  // from 1, in file order
  Command command = {};
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("node", self.node, Role::kIdentity);
    v("number", self.number, Role::kIdentity);
    v("command", self.command, Role::kRecorded);
  }
};

/// In place of a public key, in the plan of an `up` that is to make it.
inline constexpr const char* kKeyToCome = "(new)";

/// A peer of a wireguard interface; the interface's own key and port are options of its device.
struct PeerAttributes {
  NamespaceName ns = {};
  std::string dev = {};
  std::string name = {};                     // NODE:IFNAME of the lab, or the key
  std::string public_key = {};               // or kKeyToCome
  std::optional<std::string> endpoint = {};  // ADDR:PORT; absent: it is heard from first
  std::vector<IpPrefix> allowed_ips = {};    // sorted
  std::uint16_t keepalive = 0;               // seconds; 0: none
  std::string preshared_key = {};            // its fingerprint; empty: none
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("dev", self.dev, Role::kIdentity);
    v("name", self.name, Role::kIdentity);
    v("public_key", self.public_key, Role::kReplace);
    v("endpoint", self.endpoint, Role::kInPlace);
    v("allowed_ips", self.allowed_ips, Role::kInPlace);
    v("keepalive", self.keepalive, Role::kInPlace);
    v("preshared_key", self.preshared_key, Role::kInPlace);
  }
};

/// A network card of the host's, lent to a node. It is a setting: it goes back to where and what it was.
struct PhysicalAttributes {
  DeviceAttributes device = {};  // as it is in the node
  std::string card = {};         // its name on the host
  bool lent = true;              // it is in the node, under the name that it has there
  // What only a former value has: all else that a move takes away.
  std::vector<std::string> kept = {};  // addresses and routes, as kernel/keepsake.h writes them
  std::string alias = {};
  std::uint32_t group = 0;
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("device", self.device, Role::kInPlace);
    v("card", self.card, Role::kReplace);
    v("lent", self.lent, Role::kInPlace);
    v("kept", self.kept, Role::kRecorded);
    v("alias", self.alias, Role::kRecorded);
    v("group", self.group, Role::kRecorded);
  }
};

/// A folder or file of the host that a node sees under a path of its own.
struct BindAttributes {
  std::string host_path = {};  // absolute
  std::string path = {};
  bool read_only = false;
  friend bool operator==(const BindAttributes&, const BindAttributes&) = default;
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("host_path", self.host_path, Role::kIdentity);
    v("path", self.path, Role::kIdentity);
    v("read_only", self.read_only, Role::kReplace);
  }
};

/// A node's own view of the file system, host name and processes, and the keeper that holds it.
struct ViewAttributes {
  NamespaceName ns = {};
  std::string node = {};
  std::vector<BindAttributes> binds = {};
  std::vector<std::string> tmpfs = {};
  std::vector<std::string> files = {};  // the paths: what stood there before is seen again in a new view only
  bool serving = true;                  // the keeper answers, and is in the node's network
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("node", self.node, Role::kIdentity);
    v("binds", self.binds, Role::kReplace);
    v("tmpfs", self.tmpfs, Role::kReplace);
    v("files", self.files, Role::kReplace);
    v("serving", self.serving, Role::kReplace);
  }
};

/// What a file of a node's view holds.
struct ContentAttributes {
  NamespaceName ns = {};
  std::string node = {};
  std::string path = {};
  std::string content = {};  // see plan/file_content.h
  bool is_hex = false;
  std::string mode = {};  // as chmod(1) writes it: "0644"
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("node", self.node, Role::kIdentity);
    v("path", self.path, Role::kIdentity);
    v("content", self.content, Role::kInPlace);
    v("hex", self.is_hex, Role::kInPlace);
    v("mode", self.mode, Role::kInPlace);
  }
};

struct HealthcheckAttributes {
  std::string kind = {};  // test, tcp, udp, http, file, log
  Command test = {};
  std::string target = {};
  std::int64_t interval_ms = 0;
  std::int64_t timeout_ms = 0;
  std::int64_t start_period_ms = 0;
  int retries = 0;
  friend bool operator==(const HealthcheckAttributes&, const HealthcheckAttributes&) = default;
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("kind", self.kind, Role::kInPlace);
    v("test", self.test, Role::kInPlace);
    v("target", self.target, Role::kInPlace);
    v("interval_ms", self.interval_ms, Role::kInPlace);
    v("timeout_ms", self.timeout_ms, Role::kInPlace);
    v("start_period_ms", self.start_period_ms, Role::kInPlace);
    v("retries", self.retries, Role::kInPlace);
  }
};

/// A declared process. It is there as long as its keeper has it in hand: while it runs, waits to be started again, or
/// has done its work and ended with 0. One that has failed, or was stopped, is not.
struct ProcessAttributes {
  NamespaceName ns = {};
  std::string node = {};
  std::string name = {};
  Command command = {};
  std::vector<std::string> environment = {};  // NAME=VALUE, sorted
  std::string working_dir = {};
  std::string user = {};
  std::optional<HealthcheckAttributes> healthcheck = {};
  std::string restart = "no";
  std::string stop_signal = "SIGTERM";
  std::int64_t stop_grace_period_ms = 5000;
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("node", self.node, Role::kIdentity);
    v("name", self.name, Role::kIdentity);
    v("command", self.command, Role::kReplace);
    v("environment", self.environment, Role::kReplace);
    v("working_dir", self.working_dir, Role::kReplace);
    v("user", self.user, Role::kReplace);
    v("healthcheck", self.healthcheck, Role::kInPlace);
    v("restart", self.restart, Role::kInPlace);
    v("stop_signal", self.stop_signal, Role::kInPlace);
    v("stop_grace_period_ms", self.stop_grace_period_ms, Role::kInPlace);
  }
};

/// That a process is healthy, or has ended with 0: it is there when it holds, to make it is to wait for it.
struct ConditionAttributes {
  NamespaceName ns = {};
  std::string node = {};
  std::string process = {};
  std::string condition = {};  // healthy, completed
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("node", self.node, Role::kIdentity);
    v("process", self.process, Role::kIdentity);
    v("condition", self.condition, Role::kIdentity);
  }
};

/// A folder of the host that labs share, counted: the names of namespaces, the resolver files.
struct FolderAttributes {
  NamespaceName ns = {};  // the host
  std::string name = {};  // "netns", "resolver"
  bool there = true;
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("ns", self.ns, Role::kIdentity);
    v("name", self.name, Role::kIdentity);
    v("there", self.there, Role::kInPlace);
  }
};

using Attributes =
    std::variant<FolderAttributes, NamespaceAttributes, SysctlAttributes, BridgeAttributes, VethAttributes,
                 TapAttributes, InterfaceAttributes, ActivationAttributes, AddressAttributes, RouteAttributes,
                 RuleAttributes, NeighbourAttributes, NatAttributes, NftablesAttributes, FileAttributes,
                 UplinkAttributes, ForwardAttributes, ExecAttributes, LinkAttributes, ImpairmentAttributes,
                 VlansAttributes, FdbAttributes, PeerAttributes, PhysicalAttributes, ViewAttributes, ContentAttributes,
                 ProcessAttributes, ConditionAttributes>;

/// In the order of the variant.
enum class Kind {
  kFolder,
  kNamespace,
  kSysctl,
  kBridge,
  kVeth,
  kTap,
  kInterface,
  kActivation,
  kAddress,
  kRoute,
  kRule,
  kNeighbour,
  kNat,
  kNftables,
  kFile,
  kUplink,
  kForward,
  kExec,
  kLink,
  kImpairment,
  kVlans,
  kFdb,
  kPeer,
  kPhysical,
  kView,
  kContent,
  kProcess,
  kCondition
};

struct KindTraits {
  const char* name;  // as ids and messages call it
  bool is_setting;   // something that is always there: making it changes a value, removing it puts the former back
  bool dies_with_namespace;  // the kernel removes it with a namespace that we made
  bool is_final;             // its removal (or, for exec, its doing) cannot be undone: last in a plan
};
const KindTraits& Traits(Kind kind);

/// Whether objects of the kind run on top of the lab's network: it stands before they are made, and until they are
/// gone.
bool IsOnNetwork(Kind kind);

struct ResourceId {
  Kind kind = Kind::kNamespace;
  std::string name = {};  // no white space: "r1:eth0--r2:eth0", "r1/default"
  /// `KIND NAME`, the same in plan, log, journal and errors.
  std::string text() const;
  static std::optional<ResourceId> Parse(std::string_view text);
  friend auto operator<=>(const ResourceId&, const ResourceId&) = default;
};

/// On what, and how firmly, a resource depends.
struct DependsOn {
  enum class Strength {
    kNeeds,  // without it this cannot stand: when it is replaced, so is this
    kAfter   // only the order matters
  };
  ResourceId id = {};
  Strength strength = Strength::kNeeds;
  friend auto operator<=>(const DependsOn&, const DependsOn&) = default;
};

/// That a command has set something else than the file says, for a while.
struct Override {
  std::optional<Attributes> declared = {};  // as the file has it; absent: the file has no such object
};

struct Resource {
  ResourceId id = {};
  Attributes attributes = {};
  std::vector<DependsOn> dependencies = {};
  Position at = {};                // the line of the file that asks for it
  Rare<Override> overridden = {};  // only on record: no file asks for it
  Kind kind() const { return static_cast<Kind>(attributes.index()); }
};

/// The namespace it is in; for a veth that of its end `a`.
const NamespaceName& NamespaceOf(const Attributes& attributes);
/// The two namespaces of a veth's ends, or the one of anything else.
std::vector<NamespaceName> NamespacesOf(const Attributes& attributes);

}  // namespace runner

template <>
struct std::hash<runner::ResourceId> {
  std::size_t operator()(const runner::ResourceId& id) const noexcept {
    return std::hash<std::string>()(id.name) * 31 + static_cast<std::size_t>(id.kind);
  }
};
