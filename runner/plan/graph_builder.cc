#include "plan/graph_builder.h"

#include <algorithm>

#include "base/text.h"
#include "plan/codec.h"

namespace runner {
namespace {

using Strength = DependsOn::Strength;

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

std::string AttachText(const Node& node) {
  if (!node.attach) return "";
  if (const auto* pid = std::get_if<Attach::Pid>(&node.attach->to)) return "pid " + std::to_string(pid->pid);
  if (const auto* path = std::get_if<Attach::Path>(&node.attach->to)) return "path " + path->path;
  return "container " + std::get<Attach::Container>(node.attach->to).name;
}

}  // namespace

Result<Graph> GraphBuilder::Build() {
  IndexInterfaces();
  AddFolders();
  AddNamespaces();
  AddHostSide();
  FindMembers();
  AddBridges();
  DeclareTyped();
  AddLinks();
  for (const Node& node : topology_.nodes) {
    for (const Interface& interface : node.interfaces) AddTyped(node, interface);
  }
  AddActivations();
  for (const Bridge& bridge : topology_.bridges) {
    AddAddresses(bridge.place, bridge.interface);
    AddImpairment(bridge.place, bridge.interface);
    for (const Interface& port : bridge.ports) AddImpairment(bridge.place, port);
  }
  for (const Node& node : topology_.nodes) AddNode(node);
  AddHostRoutes();
  for (const Node& node : topology_.nodes) AddUplinkHelper(node);
  for (const Node& node : topology_.nodes) AddPorts(node);
  AddFiles();
  for (const Node& node : topology_.nodes) AddView(node);
  // All are started before any is waited for.
  for (const Node& node : topology_.nodes) {
    for (const Process& process : node.processes) AddProcess(node, process);
  }
  AddConditions();
  for (const Node& node : topology_.nodes) AddExec(node);
  return Graph::Make(std::move(resources_));
}

void GraphBuilder::Add(Kind kind, std::string name, Attributes attributes, Position at, std::vector<DependsOn> on) {
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

ResourceId GraphBuilder::DeviceId(const Place& place, const std::string& interface) const {
  const auto found = devices_.find({place, interface});
  return found == devices_.end() ? NamespaceId(place) : found->second;
}

void GraphBuilder::IndexInterfaces() {
  const auto add = [this](const Place& place, const Interface& interface) {
    interfaces_.emplace(std::pair(place, interface.name), &interface);
  };
  for (const Node& node : topology_.nodes) {
    for (const Interface& interface : node.interfaces) add(NodePlace(node), interface);
  }
  for (const Bridge& bridge : topology_.bridges) {
    const Place own{.kind = Place::Kind::kSwitch, .name = bridge.name};
    for (const Interface& port : bridge.ports) add(own, port);
  }
  for (const Interface& interface : topology_.host_interfaces) add({.kind = Place::Kind::kHost, .name = {}}, interface);
}

void GraphBuilder::AddFolders() {
  Add(Kind::kFolder, "netns", FolderAttributes{.ns = "", .name = "netns"}, {}, {});
  if (!topology_.nodes.empty()) {
    Add(Kind::kFolder, "resolver", FolderAttributes{.ns = "", .name = "resolver"}, {}, {});
  }
}

void GraphBuilder::AddNamespaces() {
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

bool GraphBuilder::HasSysctl(const Node& node, std::string_view key) {
  return std::ranges::find(node.sysctls, key, &Sysctl::key) != node.sysctls.end();
}

void GraphBuilder::AddSysctl(const Node& node, const Sysctl& sysctl) {
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

void GraphBuilder::AfterShaping(const Place& place, std::vector<DependsOn>& on) const {
  const auto found = shaping_.find(place);
  if (found != shaping_.end()) on.push_back({.id = found->second.back(), .strength = Strength::kAfter});
}

void GraphBuilder::AddNode(const Node& node) {
  const Place place = NodePlace(node);
  if (node.uplink) AddUplinkDevice(node, *node.uplink);
  for (const Interface& interface : node.interfaces) {
    AddInterface(node, interface);
    AddAddresses(place, interface);
    AddImpairment(place, interface);
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

void GraphBuilder::AddNat(const Node& node) {
  const Place place = NodePlace(node);
  std::vector<DependsOn> on = {{.id = NamespaceId(place)}};
  if (!node.nat.empty()) {
    NatAttributes attributes{.ns = NamespaceOf(place), .rules = {}, .listing = {}};
    for (const NatRule& rule : node.nat) {
      NatLine line{.rule = rule};
      const auto* forward = std::get_if<PortForward>(&rule.rule);
      if (forward != nullptr && forward->in.empty()) line.hairpin = SegmentOf(forward->to);
      attributes.rules.push_back(EncodeNatRule(line));
    }
    Add(Kind::kNat, node.name, attributes, node.nat.front().at, on);
    on.push_back({.id = {.kind = Kind::kNat, .name = node.name}, .strength = Strength::kAfter});
  }
  if (node.nftables) {
    Add(Kind::kNftables, node.name,
        NftablesAttributes{.ns = NamespaceOf(place), .text = node.nftables->value, .tables = {}, .listing = {}},
        node.nftables->at, on);
  }
}

void GraphBuilder::AddFiles() {
  const bool any_hosts = std::ranges::any_of(topology_.nodes, &Node::hosts);
  const ResourceId shared{.kind = Kind::kFile, .name = "hosts"};
  if (any_hosts) {
    Add(Kind::kFile, shared.name, FileAttributes{.ns = "", .name = "hosts", .content = HostsFile(topology_)}, {}, {});
  }
  const Node* only_uplink = OnlyUplink(topology_);
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
        FileAttributes{.ns = ns,
                       .name = "resolv.conf",
                       .content = ResolverFile(topology_, node, only_uplink, inputs_.nat_networks)},
        node.dns ? node.dns->at : node.at, {on, folder});
  }
}

void GraphBuilder::AddExec(const Node& node) {
  int number = 0;
  for (const ExecCommand& command : node.exec) {
    ++number;
    Add(Kind::kExec, node.name + "/" + std::to_string(number),
        ExecAttributes{
            .ns = NamespaceOf(NodePlace(node)), .node = node.name, .number = number, .command = command.command},
        command.at, {{.id = NamespaceId(NodePlace(node))}});
  }
}

Result<Graph> BuildGraph(const Topology& topology, const GraphInputs& inputs) {
  return GraphBuilder(topology, inputs).Build();
}

}  // namespace runner
