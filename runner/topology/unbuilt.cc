// What the language has and this version does not build yet.
#include <fmt/format.h>

#include "base/text.h"
#include "topology/load.h"

namespace runner {
namespace {

/// The word after `type:`; empty for what is built.
std::string_view TypeName(const InterfaceType& type) {
  struct Namer {
    std::string_view operator()(const Given& /*type*/) const { return {}; }
    std::string_view operator()(const Dummy& /*type*/) const { return "dummy"; }
    std::string_view operator()(const Vlan& /*type*/) const { return "vlan"; }
    std::string_view operator()(const Vxlan& /*type*/) const { return "vxlan"; }
    std::string_view operator()(const Macvlan& type) const { return type.tap ? "macvtap" : "macvlan"; }
    std::string_view operator()(const Ipvlan& /*type*/) const { return "ipvlan"; }
    std::string_view operator()(const Bond& /*type*/) const { return "bond"; }
    std::string_view operator()(const Vrf& /*type*/) const { return "vrf"; }
    std::string_view operator()(const Tunnel& type) const { return type.kind; }
    std::string_view operator()(const Macsec& /*type*/) const { return "macsec"; }
    std::string_view operator()(const Wireguard& /*type*/) const { return "wireguard"; }
    std::string_view operator()(const Tap& type) const { return type.tun ? "tun" : "tap"; }
    std::string_view operator()(const Physical& /*type*/) const { return "physical"; }
  };
  return std::visit(Namer(), type);
}

class Finder {
 public:
  Errors Find(const Topology& topology) {
    for (const Node& node : topology.nodes) FindInNode(node);
    for (const Bridge& bridge : topology.bridges) FindInBridge(bridge);
    for (const Interface& interface : topology.host_interfaces) FindInInterface("host", interface);
    for (const Link& link : topology.links) {
      for (const LinkEnd* end : {&link.a, &link.b}) FindInEnd(link, *end);
    }
    return std::move(errors_);
  }

 private:
  void Tell(const Mark& at, std::string where, const std::string& what) {
    Error error{.where = std::move(where), .tried = {}, .why = "this version does not build " + what + " yet"};
    error.failure = Failure::kTopology;
    error.at = at;
    errors_.push_back(std::move(error));
  }

  void FindInInterface(const std::string& place, const Interface& interface) {
    const std::string where = "interface " + Quote(place + ":" + interface.name);
    if (const std::string_view type = TypeName(interface.type); !type.empty()) {
      Tell(interface.type_at.known() ? interface.type_at : interface.at, where,
           fmt::format("interfaces of type `{}`", type));
    }
    if (interface.impair) Tell(interface.impair->at, where, "impairments (`impair`)");
  }

  void FindInRoutes(const std::string& where, const std::vector<Route>& routes) {
    for (const Route& route : routes) {
      if (route.encap) Tell(route.at, where + ": route to " + route.to.text(), "routes with `encap`");
    }
  }

  void FindInNode(const Node& node) {
    const std::string where = "node " + Quote(node.name);
    for (const Interface& interface : node.interfaces) FindInInterface(node.name, interface);
    FindInRoutes(where, node.routes);
    for (const Process& process : node.processes) {
      Tell(process.at, where + ": process " + Quote(process.name), "processes");
    }
    for (const NodeFile& file : node.files) Tell(file.at, where + ": file " + Quote(file.path), "`files` of a node");
    for (const Bind& bind : node.binds) Tell(bind.at, where + ": bind " + Quote(bind.path), "`binds` of a node");
    for (const auto& path : node.tmpfs) Tell(path.at, where + ": tmpfs " + Quote(path.value), "`tmpfs` of a node");
  }

  void FindInBridge(const Bridge& bridge) {
    const std::string where = "bridge " + Quote(bridge.name);
    if (bridge.interface.impair) Tell(bridge.interface.impair->at, where, "impairments (`impair`)");
    if (bridge.vlan_filtering && bridge.vlan_filtering->value) {
      Tell(bridge.vlan_filtering->at, where, "bridges with `vlan_filtering`");
    }
    for (const Interface& port : bridge.ports) FindInInterface(bridge.name, port);
  }

  void FindInEnd(const Link& link, const LinkEnd& end) {
    const std::string where = "link " + Quote(link.id());
    if (end.vlans) Tell(end.vlans->at.known() ? end.vlans->at : end.at, where, "`vlans` of a bridge's port");
    FindInRoutes(where, end.routes);
  }

  Errors errors_;
};

}  // namespace

Errors FindUnbuilt(const Topology& topology) { return Finder().Find(topology); }

}  // namespace runner
