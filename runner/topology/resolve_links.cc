// Bridges find their node, links their ends; each end becomes an interface with the link's settings in it.
#include <fmt/format.h>

#include <array>
#include <map>
#include <set>

#include "base/text.h"
#include "topology/resolve.h"

namespace runner {
namespace {

const Place kHost{.kind = Place::Kind::kHost, .name = {}};

class LinkResolver {
 public:
  LinkResolver(Draft& draft, NameIndex& names, Diagnostics& diagnostics)
      : draft_(draft), names_(names), diagnostics_(diagnostics) {}

  void Resolve() {
    std::vector<std::array<LinkEnd, 2>> ends(draft_.links.size());
    // Names that are written come first: a made one must not take them.
    for (std::size_t i = 0; i < draft_.links.size(); ++i) {
      for (std::size_t side = 0; side < 2; ++side) {
        if (auto end = FindEnd(draft_.links[i], side)) ends[i][side] = std::move(*end);
      }
    }
    for (std::size_t i = 0; i < draft_.links.size(); ++i) {
      LinkDraft& link = draft_.links[i];
      NamePorts(link, ends[i]);
      const bool whole = !ends[i][0].interface.empty() && !ends[i][1].interface.empty();
      const std::string where = whole ? "link " + Quote(ends[i][0].text() + "--" + ends[i][1].text()) : LinkText(link);
      for (std::size_t side = 0; side < 2; ++side) {
        if (!ends[i][side].interface.empty()) Settle(link, link.ends[side], ends[i][side], where);
      }
      draft_.topology.links.push_back({.a = std::move(ends[i][0]), .b = std::move(ends[i][1]), .at = link.at});
    }
  }

 private:
  /// A name that is not given stays empty, and `bridge` or the host says that it may. Nothing for a refused end.
  std::optional<LinkEnd> FindEnd(const LinkDraft& link, std::size_t side) {
    const EndDraft& end = link.ends[side];
    const std::string where = LinkText(link);
    LinkEnd found;
    found.at = end.at;
    found.interface = end.port;
    found.vlans = end.vlans;
    found.routes = end.routes;
    const auto node = end.form == EndDraft::Form::kBridge ? std::nullopt : names_.FindNode(end.name);
    const auto bridge = end.form == EndDraft::Form::kNode ? std::nullopt : names_.FindBridge(end.name);
    if (end.name == "host" && end.form != EndDraft::Form::kBridge) {
      found.place = kHost;
    } else if (node) {
      if (!FindNodeEnd(end, where)) return std::nullopt;
      found.place = {.kind = Place::Kind::kNode, .name = end.name};
    } else if (bridge) {
      found.place = draft_.topology.bridges[*bridge].place;
      found.bridge = end.name;
    } else {
      ReportUnknown(end, where);
      return std::nullopt;
    }
    if (!end.routes.empty() && !found.place.is_host()) {
      diagnostics_.Wrong(end.routes_at, where, "\"routes\" go with an end at the host; a node has its own");
    }
    if (!found.interface.empty()) Ensure(found.place, found.interface, end.port_at);
    return found;
  }

  bool FindNodeEnd(const EndDraft& end, const std::string& where) {
    if (end.port.empty()) {
      diagnostics_.Wrong(
          end.at, where,
          fmt::format("the end at node {} needs an interface: {}", Quote(end.name), Quote(end.name + ":IFNAME")));
      return false;
    }
    const auto bridge = names_.FindBridge(end.port);
    if (!bridge) return true;
    const bool has_own = names_.FindInterface({.kind = Place::Kind::kNode, .name = end.name}, end.port) != nullptr;
    const Bridge& named = draft_.topology.bridges[*bridge];
    const bool stands_there = named.place.kind == Place::Kind::kNode && named.place.name == end.name;
    if (has_own && !stands_there) return true;
    diagnostics_.Wrong(
        end.at, where,
        fmt::format("{} is a bridge: a link ends in it by its name alone, {}", Quote(end.port), Quote(end.port)),
        {{.at = named.at, .text = "the bridge"}});
    return false;
  }

  void ReportUnknown(const EndDraft& end, const std::string& where) {
    const bool bridges = end.form != EndDraft::Form::kNode;
    const bool nodes = end.form != EndDraft::Form::kBridge;
    if ((bridges && draft_.bridges_unknown) || (nodes && draft_.nodes_unknown)) return;
    if (!bridges && names_.FindBridge(end.name)) {
      diagnostics_.Wrong(end.at, where,
                         fmt::format("{} is a bridge: write \"bridge\" instead of \"node\"", Quote(end.name)));
      return;
    }
    if (!nodes && names_.FindNode(end.name)) {
      diagnostics_.Wrong(end.at, where,
                         fmt::format("{} is a node: write \"node\" instead of \"bridge\"", Quote(end.name)));
      return;
    }
    std::vector<std::string> candidates;
    if (nodes) candidates = names_.NodeNames();
    if (bridges) {
      const auto more = names_.BridgeNames();
      candidates.insert(candidates.end(), more.begin(), more.end());
    }
    if (nodes) candidates.emplace_back("host");
    const char* kind = !bridges ? "node " : !nodes ? "bridge " : end.port.empty() ? "bridge " : "node ";
    diagnostics_.Wrong(end.at, where, kind + NotDeclared(end.name, candidates));
  }

  static std::string EndText(const EndDraft& end) { return end.port.empty() ? end.name : end.name + ":" + end.port; }
  static std::string LinkText(const LinkDraft& link) {
    return "link " + Quote(EndText(link.ends[0]) + "--" + EndText(link.ends[1]));
  }

  Interface& Ensure(const Place& place, const std::string& name, Mark at) {
    if (Interface* interface = names_.FindInterface(place, name)) return *interface;
    Interface interface;
    interface.name = name;
    interface.at = at;
    return names_.AddInterface(place, std::move(interface));
  }

  /// Ports without a name get one that depends on the lab and the cable, not on its place in the file.
  void NamePorts(LinkDraft& link, std::array<LinkEnd, 2>& ends) {
    const auto nameless = [](const LinkEnd& end, const EndDraft& draft) {
      return end.interface.empty() && (end.place.is_host() || !end.bridge.empty()) && draft.port.empty();
    };
    const bool first = nameless(ends[0], link.ends[0]);
    const bool second = nameless(ends[1], link.ends[1]);
    if (!first && !second) return;
    const std::string a = EndText(link.ends[0]);
    const std::string b = EndText(link.ends[1]);
    const std::string cable = a < b ? a + "--" + b : b + "--" + a;
    const int number = cables_[cable]++;
    for (std::size_t side = 0; side < 2; ++side) {
      if (!(side == 0 ? first : second)) continue;
      std::string seed = fmt::format("{}/{}/{}/{}", draft_.topology.name, cable, number, side == 0 ? a : b);
      if (a == b) seed += side == 0 ? "/0" : "/1";
      std::string name;
      for (int attempt = 0; name.empty() || names_.IsTaken(ends[side].place, name); ++attempt) {
        const std::uint64_t hash = StableHash(attempt == 0 ? seed : fmt::format("{}/+{}", seed, attempt));
        name = fmt::format("tr{:012x}", hash & 0xffffffffffff);
      }
      ends[side].interface = name;
      Ensure(ends[side].place, name, link.ends[side].at);
    }
  }

  /// The settings of the link and of its end go into the interface: narrower wins, the same key twice is refused.
  void Settle(const LinkDraft& link, const EndDraft& draft, const LinkEnd& end, const std::string& where) {
    Interface& interface = *names_.FindInterface(end.place, end.interface);
    // A second link at the same interface is told by the cross-checks.
    if (!settled_.emplace(end.place, end.interface).second) return;
    if (!std::holds_alternative<Given>(interface.type)) {
      diagnostics_.Wrong(end.at, where,
                         fmt::format("interface {} is made by its \"type\": no link can end in it", Quote(end.text())),
                         {{.at = interface.type_at, .text = "its type"}});
      return;
    }
    const auto refuse = [&](const char* key, Position at, Position other) {
      diagnostics_.Wrong(at, where,
                         fmt::format("{} is given at the end and at its interface {}", Quote(key), Quote(end.text())),
                         {{.at = other, .text = "at the interface"}});
    };
    if (!draft.addresses.empty()) {
      if (interface.addresses.empty()) {
        interface.addresses = draft.addresses;
      } else {
        refuse("addresses", draft.addresses.front().at, interface.addresses.front().at);
      }
    }
    if (draft.mtu && interface.mtu) refuse("mtu", draft.mtu->at, interface.mtu->at);
    if (draft.mac && interface.mac) refuse("mac", draft.mac->at, interface.mac->at);
    if (draft.impair && interface.impair) refuse("impair", draft.impair->at, interface.impair->at);
    if (!interface.mtu) interface.mtu = draft.mtu ? draft.mtu : link.mtu;
    if (!interface.mac) interface.mac = draft.mac;
    if (!interface.up) interface.up = link.up;
    if (!interface.impair) interface.impair = draft.impair ? draft.impair : LinkImpair(link, draft, end);
  }

  static std::optional<Impairment> LinkImpair(const LinkDraft& link, const EndDraft& draft, const LinkEnd& end) {
    for (const std::string& name : {draft.name + ":" + end.interface, draft.name}) {
      for (const auto& [key, impair] : link.end_impairs) {
        if (key == name) return impair;
      }
    }
    return link.impair;
  }

  Draft& draft_;
  NameIndex& names_;
  Diagnostics& diagnostics_;
  std::map<std::string, int> cables_;
  std::set<std::pair<Place, std::string>> settled_;
};

}  // namespace

void ResolveBridges(Draft& draft, NameIndex& names, Diagnostics& diagnostics) {
  for (std::size_t i = 0; i < draft.topology.bridges.size(); ++i) {
    Bridge& bridge = draft.topology.bridges[i];
    BridgeDraft& from = draft.bridges[i];
    const std::string where = "bridge " + Quote(bridge.name);
    if (const auto node = names.FindNode(bridge.name)) {
      diagnostics.Wrong(bridge.at, where, "a node has the same name; a node and a bridge don't share one",
                        {{.at = draft.topology.nodes[*node].at, .text = "the node"}});
      from.refused = true;
    }
    if (!from.node) continue;
    if (from.node->value == "host") {
      bridge.place = kHost;
    } else if (names.FindNode(from.node->value)) {
      bridge.place = {.kind = Place::Kind::kNode, .name = from.node->value};
    } else {
      std::vector<std::string> candidates = names.NodeNames();
      candidates.emplace_back("host");
      if (!draft.nodes_unknown) {
        diagnostics.Wrong(from.node->at, where, "node " + NotDeclared(from.node->value, candidates));
      }
      from.refused = from.prefix_refused = true;
    }
  }
}

void ResolveLinks(Draft& draft, NameIndex& names, Diagnostics& diagnostics) {
  LinkResolver(draft, names, diagnostics).Resolve();
  // Where a handed out address may be missing, routes cannot be judged.
  const auto damage = [&](const LinkEnd& end) {
    if (end.place.kind != Place::Kind::kNode) return;
    if (const auto node = names.FindNode(end.place.name)) draft.nodes[*node].l3_damaged = true;
  };
  for (std::size_t i = 0; i < draft.links.size(); ++i) {
    const Link& link = draft.topology.links[i];
    bool refused = draft.links[i].prefix_refused;
    for (const LinkEnd* end : {&link.a, &link.b}) {
      const auto bridge = names.FindBridge(end->bridge);
      refused = refused || (bridge && draft.bridges[*bridge].prefix_refused);
    }
    if (!refused) continue;
    damage(link.a);
    damage(link.b);
  }
}

}  // namespace runner
