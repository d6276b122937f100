#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "plan/codec.h"
#include "plan/graph.h"
#include "plan/names.h"

namespace runner {
namespace {

using Strength = DependsOn::Strength;

constexpr std::uint32_t kMainTable = 254;
constexpr std::uint32_t kIpv6Metric = 1024;  // what the kernel gives an IPv6 route without one
constexpr std::uint32_t kDefaultMtu = 1500;
constexpr std::uint32_t kDefaultQueue = 1000;

/// Is the key one that new interfaces of the namespace start with?
bool ShapesNewInterfaces(std::string_view key) {
  return key.find(".all.") != std::string_view::npos || key.find(".default.") != std::string_view::npos;
}

/// The interface in `net.ipv4.conf.IFNAME.KEY` or `net.ipv6.neigh.IFNAME.KEY`; sysctl(8) writes its dots as slashes.
std::string InterfaceOfSysctl(std::string_view key) {
  const auto parts = Split(key, '.');
  if (parts.size() != 5 || (parts[2] != "conf" && parts[2] != "neigh")) return "";
  std::string name(parts[3]);
  std::ranges::replace(name, '/', '.');
  return name == "all" || name == "default" ? "" : name;
}

/// The names and the resources of one lab while they are put together, group by group in the order of the work.
class Builder {
 public:
  Builder(const Topology& topology, const GraphInputs& inputs) : topology_(topology), inputs_(inputs) {}

  Result<Graph> Build() {
    AddFolders();
    AddNamespaces();
    AddHostSide();
    AddBridges();
    AddLinks();
    AddActivations();
    for (const Bridge& bridge : topology_.bridges) AddAddresses(bridge.place, bridge.interface);
    for (const Node& node : topology_.nodes) AddNode(node);
    AddHostRoutes();
    for (const Node& node : topology_.nodes) AddUplinkHelper(node);
    for (const Node& node : topology_.nodes) AddPorts(node);
    AddFiles();
    for (const Node& node : topology_.nodes) AddExec(node);
    return Graph::Make(std::move(resources_));
  }

 private:
  // ---- Names

  NamespaceName NamespaceOf(const Place& place) const { return NamespaceNameOf(topology_.name, place); }
  static Place NodePlace(const Node& node) { return {.kind = Place::Kind::kNode, .name = node.name}; }
  static ResourceId NamespaceId(const Place& place) { return {.kind = Kind::kNamespace, .name = place.text()}; }
  static std::string DeviceName(const Place& place, std::string_view interface) {
    return place.text() + ":" + std::string(interface);
  }

  void Add(Kind kind, std::string name, Attributes attributes, Position at, std::vector<DependsOn> on) {
    // What is on the host stands on nothing of the lab's.
    std::erase_if(on, [](const DependsOn& d) { return d.id.kind == Kind::kNamespace && d.id.name == "host"; });
    std::ranges::sort(on);
    const auto same = [](const DependsOn& a, const DependsOn& b) { return a.id == b.id; };
    on.erase(std::unique(on.begin(), on.end(), same), on.end());
    resources_.push_back({.id = {.kind = kind, .name = std::move(name)},
                          .attributes = std::move(attributes),
                          .dependencies = std::move(on),
                          .at = at});
  }

  /// What makes the device exist: its link, bridge, tap, or for `lo` and given ones the namespace.
  ResourceId DeviceId(const Place& place, const std::string& interface) const {
    const auto found = devices_.find({place, interface});
    return found == devices_.end() ? NamespaceId(place) : found->second;
  }
  void Declare(const Place& place, const std::string& interface, ResourceId id) {
    devices_[{place, interface}] = std::move(id);
  }

  // ---- Devices

  DeviceAttributes DeviceOf(const Place& place, const Interface& interface) const {
    return {.ns = NamespaceOf(place),
            .name = interface.name,
            .mac = interface.mac ? std::optional(interface.mac->value) : std::nullopt,
            .mtu = interface.mtu ? interface.mtu->value : kDefaultMtu,
            .txqueuelen = interface.txqueuelen ? interface.txqueuelen->value : kDefaultQueue,
            .up = interface.is_up(),
            // A switch has IPv6 off as a whole.
            .ipv6 = place.kind == Place::Kind::kSwitch ? std::nullopt : std::optional(interface.has_ipv6()),
            .master = ""};
  }

  void AddFolders() {
    Add(Kind::kFolder, "netns", FolderAttributes{.ns = "", .name = "netns"}, {}, {});
    if (!topology_.nodes.empty()) {
      Add(Kind::kFolder, "resolver", FolderAttributes{.ns = "", .name = "resolver"}, {}, {});
    }
  }

  void AddNamespaces() {
    const DependsOn on{.id = {.kind = Kind::kFolder, .name = "netns"}};
    for (const Node& node : topology_.nodes) {
      const Place place = NodePlace(node);
      NamespaceAttributes attributes{.name = NamespaceOf(place), .node = node.name, .attach = AttachText(node)};
      const bool made = !node.attach;
      // A key under `sysctls` has the last word; the loader refuses a clash.
      const bool own_ipv4 = HasSysctl(node, "net.ipv4.ip_forward") || HasSysctl(node, "net.ipv4.conf.all.forwarding");
      if ((made && !own_ipv4) || node.forwarding.ipv4) {
        attributes.forwarding_ipv4 = node.forwarding.ipv4 && node.forwarding.ipv4->value;
      }
      if ((made && !HasSysctl(node, "net.ipv6.conf.all.forwarding")) || node.forwarding.ipv6) {
        attributes.forwarding_ipv6 = node.forwarding.ipv6 && node.forwarding.ipv6->value;
      }
      Add(Kind::kNamespace, node.name, attributes, node.at, {on});
      // Before the first interface: new ones start with these.
      for (const Sysctl& sysctl : node.sysctls) {
        if (ShapesNewInterfaces(sysctl.key)) AddSysctl(node, sysctl);
      }
    }
    for (const Bridge& bridge : topology_.bridges) {
      if (!bridge.is_switch()) continue;
      Add(Kind::kNamespace, bridge.name,
          NamespaceAttributes{.name = NamespaceOf(bridge.place), .node = bridge.name, .is_switch = true, .attach = {}},
          bridge.at, {on});
    }
  }

  static bool HasSysctl(const Node& node, std::string_view key) {
    return std::ranges::find(node.sysctls, key, &Sysctl::key) != node.sysctls.end();
  }

  static std::string AttachText(const Node& node) {
    if (!node.attach) return "";
    if (const auto* pid = std::get_if<Attach::Pid>(&node.attach->to)) return "pid " + std::to_string(pid->pid);
    if (const auto* path = std::get_if<Attach::Path>(&node.attach->to)) return "path " + path->path;
    return "container " + std::get<Attach::Container>(node.attach->to).name;
  }

  void AddSysctl(const Node& node, const Sysctl& sysctl) {
    const Place place = NodePlace(node);
    std::vector<DependsOn> on = {{.id = NamespaceId(place)}};
    if (const std::string interface = InterfaceOfSysctl(sysctl.key); !interface.empty()) {
      on.push_back({.id = DeviceId(place, interface)});
    }
    std::vector<ResourceId>& shaping = shaping_[place];
    const ResourceId id{.kind = Kind::kSysctl, .name = node.name + "/" + sysctl.key};
    if (ShapesNewInterfaces(sysctl.key)) {
      // In file order: `all` and `default` overwrite one another.
      if (!shaping.empty()) on.push_back({.id = shaping.back(), .strength = Strength::kAfter});
      shaping.push_back(id);
    } else if (!shaping.empty()) {
      on.push_back({.id = shaping.back(), .strength = Strength::kAfter});
    }
    Add(Kind::kSysctl, id.name, SysctlAttributes{.ns = NamespaceOf(place), .key = sysctl.key, .value = sysctl.value},
        sysctl.at, on);
  }

  void AfterShaping(const Place& place, std::vector<DependsOn>& on) const {
    const auto found = shaping_.find(place);
    if (found != shaping_.end()) on.push_back({.id = found->second.back(), .strength = Strength::kAfter});
  }

  void AddBridges() {
    for (const Bridge& bridge : topology_.bridges) {
      const std::string name = bridge.is_switch() ? bridge.name : DeviceName(bridge.place, bridge.name);
      BridgeAttributes attributes{.device = DeviceOf(bridge.place, bridge.interface)};
      attributes.device.up.reset();  // a resource of its own
      attributes.device.master.reset();
      // Without one of its own a bridge follows its smallest port.
      if (!bridge.interface.mtu) attributes.device.mtu.reset();
      if (bridge.stp) attributes.stp = bridge.stp->value;
      if (bridge.priority) attributes.priority = bridge.priority->value;
      if (bridge.ageing) attributes.ageing = bridge.ageing->value;
      std::vector<DependsOn> on = {{.id = NamespaceId(bridge.place)}};
      AfterShaping(bridge.place, on);
      Add(Kind::kBridge, name, attributes, bridge.at, on);
      Declare(bridge.place, bridge.name, {.kind = Kind::kBridge, .name = name});
    }
  }

  /// The bridge that takes `end` as a port: the one it ends in, or one that lists it under `members`.
  std::string MasterOf(const LinkEnd& end) const {
    if (!end.bridge.empty()) return end.bridge;
    const auto found = members_.find({end.place, end.interface});
    return found == members_.end() ? "" : found->second;
  }

  DeviceAttributes EndOf(const LinkEnd& end, std::vector<DependsOn>& on) {
    on.push_back({.id = NamespaceId(end.place)});
    AfterShaping(end.place, on);
    DeviceAttributes device;
    if (const Interface* interface = topology_.FindInterface(end.place, end.interface)) {
      device = DeviceOf(end.place, *interface);
    }
    device.master = MasterOf(end);
    if (!device.master->empty()) {
      const ResourceId bridge = DeviceId(end.place, *device.master);
      on.push_back({.id = bridge, .strength = Strength::kAfter});
    }
    return device;
  }

  void AddLinks() {
    for (const Bridge& bridge : topology_.bridges) {
      for (const auto& member : bridge.members) members_[{bridge.place, member.value}] = bridge.name;
    }
    for (const Link& link : topology_.links) {
      std::vector<DependsOn> on;
      VethAttributes attributes;
      attributes.a = EndOf(link.a, on);
      attributes.b = EndOf(link.b, on);
      const ResourceId id{.kind = Kind::kVeth, .name = link.id()};
      for (const LinkEnd* end : {&link.a, &link.b}) {
        Declare(end->place, end->interface, id);
        if (const std::string master = MasterOf(*end); !master.empty()) ports_[{end->place, master}].push_back(id);
      }
      Add(Kind::kVeth, id.name, std::move(attributes), link.at, std::move(on));
    }
  }

  void AddActivations() {
    for (const Bridge& bridge : topology_.bridges) {
      std::vector<DependsOn> on = {{.id = DeviceId(bridge.place, bridge.name)}};
      for (const ResourceId& port : ports_[{bridge.place, bridge.name}]) {
        on.push_back({.id = port, .strength = Strength::kAfter});
      }
      Add(Kind::kActivation, DeviceName(bridge.place, bridge.name),
          ActivationAttributes{.ns = NamespaceOf(bridge.place), .dev = bridge.name, .up = bridge.interface.is_up()},
          bridge.at, on);
    }
  }

  // ---- L3

  static ResourceId AddressId(const Place& place, const std::string& interface, const IpPrefix& prefix) {
    return {.kind = Kind::kAddress, .name = DeviceName(place, interface) + "/" + prefix.text()};
  }

  /// The device, and for a bridge its being up: what a route over it needs.
  void NeedDevice(const Place& place, const std::string& interface, std::vector<DependsOn>& on) const {
    const ResourceId id = DeviceId(place, interface);
    on.push_back({.id = id});
    if (id.kind == Kind::kBridge) {
      on.push_back(
          {.id = {.kind = Kind::kActivation, .name = DeviceName(place, interface)}, .strength = Strength::kAfter});
    }
  }

  void AddAddress(const Place& place, const std::string& interface, const AddressAttributes& attributes, Position at) {
    std::vector<DependsOn> on = {{.id = DeviceId(place, interface)}};
    std::vector<IpPrefix>& before = addresses_[{place, interface}];
    // The kernel removes secondary IPv4 addresses together with the first one of their subnet.
    if (!attributes.prefix.is_ipv6()) {
      const auto primary = std::ranges::find_if(
          before, [&](const IpPrefix& other) { return other.Masked() == attributes.prefix.Masked(); });
      if (primary != before.end()) on.push_back({.id = AddressId(place, interface, *primary)});
    }
    before.push_back(attributes.prefix);
    Add(Kind::kAddress, AddressId(place, interface, attributes.prefix).name, attributes, at, on);
  }

  void AddAddresses(const Place& place, const Interface& interface) {
    for (const Address& address : interface.addresses) {
      AddAddress(place, interface.name,
                 {.ns = NamespaceOf(place),
                  .dev = interface.name,
                  .prefix = address.prefix,
                  .peer = address.peer,
                  .scope = address.scope,
                  .preferred = address.preferred,
                  .dad = address.dad},
                 address.at);
    }
  }

  /// The interface of the place that reaches `via` by one of its prefixes, or nothing.
  std::string DeviceTowards(const Place& place, const IpAddress& via) const {
    for (auto it = addresses_.lower_bound({place, ""}); it != addresses_.end() && it->first.first == place; ++it) {
      for (const IpPrefix& prefix : it->second) {
        if (prefix.Contains(via)) return it->first.second;
      }
    }
    return "";
  }

  void NeedHop(const Place& place, const HopAttributes& hop, std::vector<DependsOn>& on) const {
    if (hop.dev.empty()) return;
    NeedDevice(place, hop.dev, on);
    const auto found = addresses_.find({place, hop.dev});
    if (found == addresses_.end()) return;
    for (const IpPrefix& prefix : found->second) {
      if (hop.via && prefix.Contains(*hop.via)) on.push_back({.id = AddressId(place, hop.dev, prefix)});
    }
  }

  void AddRoute(const Place& place, const Route& route) {
    RouteAttributes attributes{.ns = NamespaceOf(place),
                               .to = route.to,
                               .table = route.table.value_or(kMainTable),
                               .metric = route.metric.value_or(route.to.is_ipv6() ? kIpv6Metric : 0),
                               .type = route.type,
                               .hops = {},
                               .scope = route.to.is_ipv6() ? std::nullopt : route.scope,
                               .from = route.from,
                               .mtu = route.mtu,
                               .onlink = route.onlink};
    for (const NextHop& hop : route.nexthops) {
      attributes.hops.push_back({.via = hop.via, .dev = hop.dev, .weight = hop.weight});
    }
    if (route.via || !route.dev.empty()) attributes.hops.push_back({.via = route.via, .dev = route.dev});
    std::vector<DependsOn> on = {{.id = NamespaceId(place)}};
    for (HopAttributes& hop : attributes.hops) {
      if (hop.dev.empty() && hop.via) hop.dev = DeviceTowards(place, *hop.via);
      NeedHop(place, hop, on);
    }
    std::ranges::sort(attributes.hops);
    // A preferred source must be an address of the node.
    if (route.from) NeedAddress(place, *route.from, on);
    // A gateway that only another route reaches comes behind that route.
    for (const HopAttributes& hop : attributes.hops) {
      if (hop.via && hop.dev.empty()) AfterRoutes(place, *hop.via, on);
    }
    const std::string to = route.to == IpPrefix({}, 0) ? "default" : route.to.text();
    std::string name = place.text() + "/" + to;
    if (attributes.table != kMainTable) name += ",table=" + std::to_string(attributes.table);
    if (route.metric) name += ",metric=" + std::to_string(attributes.metric);
    routes_[place].push_back({route.to, {.kind = Kind::kRoute, .name = name}});
    Add(Kind::kRoute, name, attributes, route.at, on);
  }

  void NeedAddress(const Place& place, const IpAddress& address, std::vector<DependsOn>& on) const {
    for (auto it = addresses_.lower_bound({place, ""}); it != addresses_.end() && it->first.first == place; ++it) {
      for (const IpPrefix& prefix : it->second) {
        if (prefix.address() == address) on.push_back({.id = AddressId(place, it->first.second, prefix)});
      }
    }
  }

  void AfterRoutes(const Place& place, const IpAddress& via, std::vector<DependsOn>& on) const {
    const auto found = routes_.find(place);
    if (found == routes_.end()) return;
    for (const auto& [to, id] : found->second) {
      if (to.Contains(via)) on.push_back({.id = id, .strength = Strength::kAfter});
    }
  }

  void AddNode(const Node& node) {
    const Place place = NodePlace(node);
    if (node.uplink) AddUplinkDevice(node, *node.uplink);
    for (const Interface& interface : node.interfaces) {
      AddInterface(node, interface);
      AddAddresses(place, interface);
    }
    for (const Sysctl& sysctl : node.sysctls) {
      if (!ShapesNewInterfaces(sysctl.key)) AddSysctl(node, sysctl);
    }
    for (const Route& route : node.routes) AddRoute(place, route);
    if (node.uplink) AddUplinkRoutes(node, *node.uplink);
    for (const Rule& rule : node.rules) AddRule(place, rule);
    for (const Neighbour& neighbour : node.neighbours) AddNeighbour(place, neighbour);
    AddNat(node);
  }

  /// Settings of `lo` or of an attached namespace's own interface.
  void AddInterface(const Node& node, const Interface& interface) {
    const Place place = NodePlace(node);
    if (!std::holds_alternative<Given>(interface.type) || devices_.contains({place, interface.name})) return;
    DeviceAttributes device{.ns = NamespaceOf(place), .name = interface.name};
    if (interface.mac) device.mac = interface.mac->value;
    if (interface.mtu) device.mtu = interface.mtu->value;
    if (interface.txqueuelen) device.txqueuelen = interface.txqueuelen->value;
    if (interface.up) device.up = interface.up->value;
    if (interface.ipv6) device.ipv6 = interface.ipv6->value;
    if (!device.mac && !device.mtu && !device.txqueuelen && !device.up && !device.ipv6) return;
    const std::string name = DeviceName(place, interface.name);
    Add(Kind::kInterface, name, InterfaceAttributes{.device = device}, interface.at, {{.id = NamespaceId(place)}});
    Declare(place, interface.name, {.kind = Kind::kInterface, .name = name});
  }

  /// Priority and selectors: what makes it this rule and no other.
  static std::string RuleName(const Place& place, const RuleAttributes& rule) {
    std::string name = place.text() + "/" + std::to_string(rule.priority);
    if (rule.family == Family::kIpv6) name += ",ipv6";
    if (rule.from) name += ",from=" + rule.from->text();
    if (rule.to) name += ",to=" + rule.to->text();
    if (!rule.iif.empty()) name += ",iif=" + rule.iif;
    if (!rule.oif.empty()) name += ",oif=" + rule.oif;
    if (rule.fwmask != 0) name += fmt::format(",fwmark={:#x}/{:#x}", rule.fwmark, rule.fwmask);
    return name;
  }

  void AddRule(const Place& place, const Rule& rule) {
    const RuleAttributes attributes{.ns = NamespaceOf(place),
                                    .family = rule.family,
                                    .priority = rule.priority,
                                    .from = rule.from,
                                    .to = rule.to,
                                    .iif = rule.iif,
                                    .oif = rule.oif,
                                    .fwmark = rule.fwmark.value_or(0),
                                    // Without a mask the kernel compares the whole mark.
                                    .fwmask = rule.fwmark ? rule.fwmask.value_or(0xffffffff) : 0,
                                    .table = rule.table.value_or(0),
                                    .action = rule.action};
    Add(Kind::kRule, RuleName(place, attributes), attributes, rule.at, {{.id = NamespaceId(place)}});
  }

  void AddNeighbour(const Place& place, const Neighbour& neighbour) {
    std::vector<DependsOn> on = {{.id = NamespaceId(place)}};
    NeedDevice(place, neighbour.dev, on);
    Add(Kind::kNeighbour,
        DeviceName(place, neighbour.dev) + "/" + neighbour.to.text() + (neighbour.proxy ? ",proxy" : ""),
        NeighbourAttributes{.ns = NamespaceOf(place),
                            .dev = neighbour.dev,
                            .to = neighbour.to,
                            .proxy = neighbour.proxy,
                            .mac = neighbour.mac},
        neighbour.at, on);
  }

  void AddNat(const Node& node) {
    const Place place = NodePlace(node);
    std::vector<DependsOn> on = {{.id = NamespaceId(place)}};
    if (!node.nat.empty()) {
      NatAttributes attributes{.ns = NamespaceOf(place), .rules = {}, .listing = {}};
      for (const NatRule& rule : node.nat) attributes.rules.push_back(EncodeNatRule(rule));
      Add(Kind::kNat, node.name, attributes, node.nat.front().at, on);
      on.push_back({.id = {.kind = Kind::kNat, .name = node.name}, .strength = Strength::kAfter});
    }
    if (node.nftables) {
      Add(Kind::kNftables, node.name,
          NftablesAttributes{.ns = NamespaceOf(place), .text = node.nftables->value, .tables = {}, .listing = {}},
          node.nftables->at, on);
    }
  }

  // ---- Uplinks

  std::optional<IpPrefix> NetworkOf(const Node& node) const {
    const auto chosen = inputs_.nat_networks.find(node.name);
    return chosen != inputs_.nat_networks.end() ? chosen->second : node.uplink->cidr;
  }

  std::vector<IpPrefix> NetworksOf(const Node& node) const {
    std::vector<IpPrefix> out;
    if (const auto network = NetworkOf(node)) out.push_back(*network);
    if (const auto ipv6 = Ipv6NetworkOf(topology_.name, node)) out.push_back(*ipv6);
    return out;
  }

  static std::string HostEndName(const std::string& lab, const std::string& node) {
    constexpr std::size_t kDigits = 8;
    std::string digits;
    std::uint64_t hash = StableHash(lab + "/" + node + "/uplink");
    for (std::size_t i = 0; i < kDigits; ++i, hash >>= 4) digits += "0123456789abcdef"[hash & 15];
    return "tn-" + digits;
  }

  Interface UplinkInterface(const Node& node, const Uplink& uplink) const {
    Interface interface;
    interface.name = uplink.interface;
    if (const Interface* own = topology_.FindInterface(NodePlace(node), uplink.interface)) interface = *own;
    if (!interface.mtu) interface.mtu = {.value = uplink.mtu, .at = {}};
    if (!interface.mac) {
      interface.mac = {.value = MacAddress::FromSeed(topology_.name + "/" + node.name + "/" + uplink.interface),
                       .at = {}};
    }
    return interface;
  }

  void AddUplinkDevice(const Node& node, const Uplink& uplink) {
    const Place place = NodePlace(node);
    const Interface interface = UplinkInterface(node, uplink);
    const std::string name = DeviceName(place, uplink.interface);
    std::vector<DependsOn> on = {{.id = NamespaceId(place)}};
    AfterShaping(place, on);
    if (uplink.type == Uplink::Type::kSlirp) {
      TapAttributes tap{.device = DeviceOf(place, interface)};
      Add(Kind::kTap, name, tap, uplink.at, on);
      Declare(place, uplink.interface, {.kind = Kind::kTap, .name = name});
      AddUplinkSysctls(node, uplink);
    } else {
      const std::string far_name = HostEndName(topology_.name, node.name);
      Interface far;
      far.name = far_name;
      far.mtu = interface.mtu;
      far.mac = {.value = MacAddress::FromSeed(topology_.name + "/" + node.name + "/" + far_name), .at = {}};
      VethAttributes veth{.a = DeviceOf(uplink.from, far), .b = DeviceOf(place, interface)};
      const ResourceId id{.kind = Kind::kVeth, .name = DeviceName(uplink.from, far_name) + "--" + name};
      on.push_back({.id = NamespaceId(uplink.from)});
      Add(Kind::kVeth, id.name, veth, uplink.at, on);
      Declare(place, uplink.interface, id);
      Declare(uplink.from, far_name, id);
      for (const IpPrefix& network : NetworksOf(node)) {
        const UplinkAddresses addresses = AddressesOf(uplink.type, network);
        AddAddress(uplink.from, far_name,
                   {.ns = NamespaceOf(uplink.from),
                    .dev = far_name,
                    .prefix = {addresses.gateway, network.length()},
                    .peer = {},
                    .scope = {},
                    .preferred = {}},
                   uplink.at);
      }
      AddHostNat(node, uplink, id);
    }
    for (const IpPrefix& network : NetworksOf(node)) {
      AddAddress(place, uplink.interface,
                 {.ns = NamespaceOf(place),
                  .dev = uplink.interface,
                  .prefix = AddressesOf(uplink.type, network).node,
                  .peer = {},
                  .scope = {},
                  .preferred = {}},
                 uplink.at);
    }
  }

  /// With these the far side reaches every node behind this one by its own address, without NAT here.
  void AddUplinkSysctls(const Node& node, const Uplink& uplink) {
    const std::string& dev = uplink.interface;
    std::vector<std::pair<std::string, std::string>> settings = {
        {"net.ipv4.conf." + dev + ".proxy_arp", "1"},
        // The far side gives up on an unanswered question after one second.
        {"net.ipv4.neigh." + dev + ".proxy_delay", "0"},
        {"net.ipv6.conf." + dev + ".accept_ra", "0"}};
    // The directory goes with IPv6 being off or the MTU being too small for it.
    const Interface interface = UplinkInterface(node, uplink);
    constexpr std::uint32_t kSmallestIpv6Mtu = 1280;
    if (!interface.has_ipv6() || interface.mtu->value < kSmallestIpv6Mtu) settings.pop_back();
    for (auto& [key, value] : settings) {
      if (HasSysctl(node, key)) continue;
      AddSysctl(node, {.key = key, .value = value, .at = uplink.at});
    }
  }

  static bool HasDefaultRoute(const Node& node, Family family) {
    return std::ranges::any_of(node.routes, [family](const Route& route) {
      return route.to.is_default() && route.to.family() == family && route.table.value_or(kMainTable) == kMainTable;
    });
  }

  void AddUplinkRoutes(const Node& node, const Uplink& uplink) {
    for (const IpPrefix& network : NetworksOf(node)) {
      if (HasDefaultRoute(node, network.family())) continue;
      Route route;
      route.to = IpPrefix(network.is_ipv6() ? *IpAddress::Parse("::") : IpAddress(), 0);
      route.via = AddressesOf(uplink.type, network).gateway;
      route.dev = uplink.interface;
      route.at = uplink.at;
      AddRoute(NodePlace(node), route);
    }
  }

  /// The node's own address on an uplink whose subnets are chosen at `up` is not known to the loader.
  IpAddress TargetOf(const PublishedPort& port, const Node& node) const {
    const bool own = port.target.is_unspecified() || (node.uplink->cidr && node.uplink->cidr->Contains(port.target)) ||
                     (node.uplink->ipv6 && node.uplink->ipv6->Contains(port.target));
    if (!own) return port.target;
    for (const IpPrefix& network : NetworksOf(node)) {
      if (network.family() == port.family) return AddressesOf(Uplink::Type::kNat, network).node.address();
    }
    return port.target;
  }

  /// Type nat: masquerade, published ports and forwarding where the far end is.
  void AddHostNat(const Node& node, const Uplink& uplink, const ResourceId& link) {
    const std::string table = "toporun-" + topology_.name + "-" + node.name;
    NatAttributes attributes{.ns = NamespaceOf(uplink.from), .table = table, .rules = {}, .listing = {}};
    for (const IpPrefix& network : NetworksOf(node)) {
      attributes.rules.push_back(EncodeNatRule(
          {.rule = Masquerade{.out = HostEndName(topology_.name, node.name), .source = network.Masked()}, .at = {}}));
    }
    for (const Node& other : topology_.nodes) {
      for (const PublishedPort& port : other.ports) {
        if (port.uplink != node.name) continue;
        attributes.rules.push_back(EncodeNatRule({.rule = PortForward{.in = "",
                                                                      .address = port.host_address,
                                                                      .protocol = port.protocol,
                                                                      .port = port.host_port,
                                                                      .to = TargetOf(port, node),
                                                                      .to_port = port.port},
                                                  .at = {}}));
      }
    }
    Add(Kind::kNat, uplink.from.text() + "/" + table, attributes, uplink.at,
        {{.id = NamespaceId(uplink.from)}, {.id = link, .strength = Strength::kAfter}});
  }

  /// What uplinks of type nat change on the host itself.
  void AddHostSide() {
    std::set<std::string> added;
    for (const Node& node : topology_.nodes) {
      if (!node.uplink || node.uplink->type != Uplink::Type::kNat || !node.uplink->from.is_host()) continue;
      for (const IpPrefix& network : NetworksOf(node)) {
        const std::string key = network.is_ipv6() ? "net.ipv6.conf.all.forwarding" : "net.ipv4.ip_forward";
        if (!added.insert(key).second) continue;
        Add(Kind::kSysctl, "host/" + key, SysctlAttributes{.ns = "", .key = key, .value = "1"}, node.uplink->at, {});
      }
    }
  }

  void AddHostRoutes() {
    const Place host{.kind = Place::Kind::kHost, .name = {}};
    for (const Interface& interface : topology_.host_interfaces) AddAddresses(host, interface);
    for (const Link& link : topology_.links) {
      for (const LinkEnd* end : {&link.a, &link.b}) {
        for (const Route& route : end->routes) AddRoute(end->place, route);
      }
    }
  }

  void AddUplinkHelper(const Node& node) {
    if (!node.uplink) return;
    const Uplink& uplink = *node.uplink;
    const bool relay_only = uplink.type == Uplink::Type::kNat;
    if (relay_only && !uplink.dns) return;
    const Place place = NodePlace(node);
    UplinkAttributes attributes{.ns = NamespaceOf(place),
                                .node = node.name,
                                .relay_only = relay_only,
                                .interface = uplink.interface,
                                .mtu = uplink.mtu,
                                .cidr = NetworkOf(node),
                                .ipv6 = Ipv6NetworkOf(topology_.name, node),
                                .host_loopback = uplink.host_loopback,
                                .allow = uplink.policy.allow,
                                .deny = uplink.policy.deny,
                                .dns = uplink.dns,
                                .outbound_address = uplink.outbound_address,
                                .from = NamespaceOf(uplink.from),
                                .names = HostNames(topology_)};
    std::vector<DependsOn> on = {{.id = NamespaceId(place)}, {.id = NamespaceId(uplink.from)}};
    on.push_back({.id = DeviceId(place, uplink.interface)});
    for (const IpPrefix& network : NetworksOf(node)) {
      on.push_back({.id = AddressId(place, uplink.interface, AddressesOf(uplink.type, network).node),
                    .strength = Strength::kAfter});
    }
    if (const Node* far = topology_.FindNode(uplink.from.name); far != nullptr && far->uplink) {
      on.push_back({.id = {.kind = Kind::kUplink, .name = far->name}, .strength = Strength::kAfter});
    }
    Add(Kind::kUplink, node.name, attributes, uplink.at, on);
  }

  void AddPorts(const Node& node) {
    for (const PublishedPort& port : node.ports) {
      const Node* through = topology_.FindNode(port.uplink);
      // With type nat a published port is a rule on the host.
      if (through == nullptr || !through->uplink || through->uplink->type == Uplink::Type::kNat) continue;
      const bool ipv6 = port.family == Family::kIpv6;
      std::string address = port.host_address ? port.host_address->text() : ipv6 ? "::" : "0.0.0.0";
      if (ipv6) address = "[" + address + "]";
      std::string name = fmt::format("{}/{}/{}:{}", through->name, port.protocol == Protocol::kTcp ? "tcp" : "udp",
                                     address, port.host_port.first);
      if (port.host_port.count() > 1) name += "-" + std::to_string(port.host_port.last);
      Add(Kind::kForward, name,
          ForwardAttributes{.ns = NamespaceOf(NodePlace(*through)),
                            .node = through->name,
                            .protocol = port.protocol,
                            .family = port.family,
                            .host_address = port.host_address,
                            .host_port = port.host_port,
                            .port = port.port,
                            .target = port.target},
          port.at, {{.id = {.kind = Kind::kUplink, .name = through->name}}});
    }
  }

  // ---- Files and commands

  void AddFiles() {
    const bool any_hosts = std::ranges::any_of(topology_.nodes, &Node::hosts);
    const ResourceId shared{.kind = Kind::kFile, .name = "hosts"};
    if (any_hosts) {
      Add(Kind::kFile, shared.name, FileAttributes{.ns = "", .name = "hosts", .content = HostsFile(topology_)}, {}, {});
    }
    for (const Node& node : topology_.nodes) {
      const NamespaceName ns = NamespaceOf(NodePlace(node));
      const DependsOn on{.id = NamespaceId(NodePlace(node))};
      const DependsOn folder{.id = {.kind = Kind::kFolder, .name = "resolver"}, .strength = Strength::kAfter};
      if (node.hosts && node.extra_hosts.empty()) {
        Add(Kind::kFile, node.name + "/hosts", FileAttributes{.ns = ns, .name = "hosts", .content = "", .shared = true},
            node.at, {on, folder, {.id = shared}});
      } else if (node.hosts) {
        Add(Kind::kFile, node.name + "/hosts",
            FileAttributes{.ns = ns, .name = "hosts", .content = HostsFile(topology_, node)}, node.at, {on, folder});
      }
      Add(Kind::kFile, node.name + "/resolv.conf",
          FileAttributes{
              .ns = ns, .name = "resolv.conf", .content = ResolverFile(topology_, node, inputs_.nat_networks)},
          node.dns ? node.dns->at : node.at, {on, folder});
    }
  }

  void AddExec(const Node& node) {
    int number = 0;
    for (const ExecCommand& command : node.exec) {
      ++number;
      Add(Kind::kExec, node.name + "/" + std::to_string(number),
          ExecAttributes{
              .ns = NamespaceOf(NodePlace(node)), .node = node.name, .number = number, .command = command.command},
          command.at, {{.id = NamespaceId(NodePlace(node))}});
    }
  }

  using Device = std::pair<Place, std::string>;

  const Topology& topology_;
  const GraphInputs& inputs_;
  std::vector<Resource> resources_;
  std::map<Device, ResourceId> devices_;
  std::map<Device, std::string> members_;
  std::map<Device, std::vector<ResourceId>> ports_;
  std::map<Device, std::vector<IpPrefix>> addresses_;
  std::map<Place, std::vector<ResourceId>> shaping_;
  std::map<Place, std::vector<std::pair<IpPrefix, ResourceId>>> routes_;
};

}  // namespace

Result<Graph> BuildGraph(const Topology& topology, const GraphInputs& inputs) {
  return Builder(topology, inputs).Build();
}

}  // namespace runner
