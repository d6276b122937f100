#include "picture/drawing.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/json.h"
#include "plan/names.h"
#include "topology/print.h"

namespace runner {
namespace {

std::string UplinkBox(const std::string& node) { return "uplink of " + node; }

/// "delay 20ms loss 1%"
std::string ImpairmentText(const Impairment& impairment) {
  std::string text;
  const Json printed = print::OfImpairment(impairment);
  for (const auto& [key, value] : printed.items()) {
    const std::string word = value.is_string() ? value.get<std::string>() : value.dump();
    text += (text.empty() ? "" : " ") + key + " " + word;
  }
  return text;
}

/// A node's entry as the file has it, filled in, a line each: "mtu: 1400" below "eth0:".
void AddDeclared(const Json& value, const std::string& indent, std::vector<std::string>& lines) {
  const auto is_plain = [](const Json& inner) { return !inner.is_structured() || inner.empty(); };
  const auto word = [](const Json& inner) { return inner.is_string() ? inner.get<std::string>() : inner.dump(); };
  for (const auto& [key, inner] : value.items()) {
    const std::string name = value.is_array() ? "-" : key + ":";
    if (is_plain(inner)) {
      lines.push_back(fmt::format("{}{} {}", indent, name, word(inner)));
    } else if (inner.is_array() && std::all_of(inner.begin(), inner.end(), is_plain)) {
      std::string all;
      for (const Json& item : inner) all += (all.empty() ? "" : ", ") + word(item);
      lines.push_back(fmt::format("{}{} [{}]", indent, name, all));
    } else {
      lines.push_back(indent + name);
      AddDeclared(inner, indent + "  ", lines);
    }
  }
}

class TopologyDrawer {
 public:
  explicit TopologyDrawer(const Topology& topology) : topology_(topology) {}

  Drawing Draw() {
    drawing_.lab = topology_.name;
    for (const Node& node : topology_.nodes) AddNode(node);
    for (const Bridge& bridge : topology_.bridges) {
      if (bridge.is_switch()) drawing_.boxes.push_back({.name = bridge.name, .kind = DrawnBox::Kind::kSwitch});
    }
    if (UsesHost()) AddHost();
    for (const Link& link : topology_.links) {
      drawing_.cables.push_back({.a = link.a.place.text(),
                                 .b = link.b.place.text(),
                                 .a_label = LabelOf(link.a),
                                 .b_label = LabelOf(link.b),
                                 .lines = LinesOf(link)});
    }
    for (const Node& node : topology_.nodes) AddUplink(node);
    return std::move(drawing_);
  }

 private:
  static void AddLines(const Interface& interface, std::vector<std::string>& lines) {
    const Json printed = print::OfInterface(interface);
    const std::string type = printed.contains("type") ? " (" + printed["type"].get<std::string>() + ")" : "";
    for (const Address& address : interface.addresses) {
      lines.push_back(interface.name + type + " " + address.prefix.text());
    }
    if (!type.empty() && interface.addresses.empty()) lines.push_back(interface.name + type);
  }
  void AddBridgesOf(const Place& place, std::vector<std::string>& lines) const {
    for (const Bridge& bridge : topology_.bridges) {
      if (bridge.place == place) AddLines(bridge.interface, lines);
    }
  }
  std::vector<std::string> LinesOf(const Link& link) const {
    const Interface* a = topology_.FindInterface(link.a.place, link.a.interface);
    const Interface* b = topology_.FindInterface(link.b.place, link.b.interface);
    std::vector<std::string> lines;
    if (a != nullptr && a->mtu) lines.push_back(fmt::format("mtu {}", a->mtu->value));
    const std::string from_a = a != nullptr && a->impair ? ImpairmentText(*a->impair) : "";
    const std::string from_b = b != nullptr && b->impair ? ImpairmentText(*b->impair) : "";
    if (from_a == from_b) {
      if (!from_a.empty()) lines.push_back(from_a);
      return lines;
    }
    if (!from_a.empty()) lines.push_back(link.a.place.text() + ": " + from_a);
    if (!from_b.empty()) lines.push_back(link.b.place.text() + ": " + from_b);
    return lines;
  }
  static std::string LabelOf(const LinkEnd& end) {
    return end.bridge.empty() || end.place.kind == Place::Kind::kSwitch ? end.interface : end.interface + " in " + end.bridge;
  }

  void AddNode(const Node& node) {
    DrawnBox box{.name = node.name};
    for (const Interface& interface : node.interfaces) AddLines(interface, box.lines);
    AddBridgesOf({.kind = Place::Kind::kNode, .name = node.name}, box.lines);
    DrawnSection declared{.title = "as declared"};
    AddDeclared(print::OfNode(node), "", declared.lines);
    if (!declared.lines.empty()) box.sections.push_back(std::move(declared));
    drawing_.boxes.push_back(std::move(box));
  }
  void AddHost() {
    DrawnBox box{.name = "host", .kind = DrawnBox::Kind::kHost};
    for (const Interface& interface : topology_.host_interfaces) AddLines(interface, box.lines);
    AddBridgesOf({.kind = Place::Kind::kHost, .name = {}}, box.lines);
    drawing_.boxes.push_back(std::move(box));
  }
  bool UsesHost() const {
    const auto at_host = [](const auto& thing) { return thing.place.is_host(); };
    return std::ranges::any_of(topology_.bridges, at_host) ||
           std::ranges::any_of(topology_.links, [&](const Link& l) { return at_host(l.a) || at_host(l.b); }) ||
           std::ranges::any_of(topology_.nodes,
                               [](const Node& n) { return n.uplink && n.uplink->type == Uplink::Type::kNat; });
  }

  void AddUplink(const Node& node) {
    if (!node.uplink) return;
    const Uplink& uplink = *node.uplink;
    if (uplink.type == Uplink::Type::kNat) {
      drawing_.cables.push_back(
          {.a = node.name, .b = uplink.from.text(), .a_label = uplink.interface, .b_label = "nat"});
      return;
    }
    DrawnBox box{.name = UplinkBox(node.name), .kind = DrawnBox::Kind::kUplink, .lines = {"slirp"}};
    if (uplink.cidr) box.lines.front() += " " + uplink.cidr->text();
    if (uplink.ipv6) box.lines.push_back(uplink.ipv6->text());
    drawing_.boxes.push_back(std::move(box));
    drawing_.cables.push_back({.a = node.name, .b = UplinkBox(node.name), .a_label = uplink.interface});
    if (!uplink.from.is_host()) drawing_.cables.push_back({.a = UplinkBox(node.name), .b = uplink.from.name});
  }

  const Topology& topology_;
  Drawing drawing_;
};

class RecordDrawer {
 public:
  RecordDrawer(std::string lab, const Record& record) : record_(record) { drawing_.lab = std::move(lab); }

  Drawing Draw() {
    for (const RecordEntry& entry : record_) {
      if (const auto* ns = std::get_if<NamespaceAttributes>(&entry.resource.attributes)) AddNamespace(*ns);
    }
    for (const RecordEntry& entry : record_) {
      const Attributes& attributes = entry.resource.attributes;
      if (const auto* veth = std::get_if<VethAttributes>(&attributes)) AddVeth(*veth);
      if (const auto* address = std::get_if<AddressAttributes>(&attributes)) AddAddress(*address);
      if (const auto* uplink = std::get_if<UplinkAttributes>(&attributes)) AddUplink(*uplink);
    }
    return std::move(drawing_);
  }

 private:
  void AddNamespace(const NamespaceAttributes& ns) {
    // Within an uplink: its box stands for all of it.
    if (NodeOfPacketEnd(ns.node)) return;
    places_[ns.name] = drawing_.boxes.size();
    const auto kind = ns.is_switch ? DrawnBox::Kind::kSwitch : DrawnBox::Kind::kNode;
    drawing_.boxes.push_back({.name = ns.node, .kind = kind});
  }
  DrawnBox& Box(const NamespaceName& ns) {
    const auto [found, fresh] = places_.emplace(ns, drawing_.boxes.size());
    if (fresh) {
      // Only the host has no namespace of the lab's.
      drawing_.boxes.push_back({.name = "host", .kind = DrawnBox::Kind::kHost});
    }
    return drawing_.boxes[found->second];
  }
  void AddVeth(const VethAttributes& veth) {
    if (NodeOfPacketEnd(veth.b.ns)) return;
    const std::string a = Box(veth.a.ns).name;
    drawing_.cables.push_back({.a = a, .b = Box(veth.b.ns).name, .a_label = veth.a.name, .b_label = veth.b.name});
  }
  void AddAddress(const AddressAttributes& address) {
    Box(address.ns).lines.push_back(address.dev + " " + address.prefix.text());
  }
  void AddUplink(const UplinkAttributes& uplink) {
    // One of type nat is a veth, which is drawn as such.
    if (uplink.relay_only) return;
    DrawnBox box{.name = UplinkBox(uplink.node), .kind = DrawnBox::Kind::kUplink, .lines = {"slirp"}};
    if (uplink.cidr) box.lines.front() += " " + uplink.cidr->text();
    if (uplink.ipv6) box.lines.push_back(uplink.ipv6->text());
    drawing_.cables.push_back({.a = uplink.node, .b = box.name, .a_label = uplink.interface});
    if (!uplink.from.empty()) drawing_.cables.push_back({.a = box.name, .b = Box(uplink.from).name});
    drawing_.boxes.push_back(std::move(box));
  }

  const Record& record_;
  std::map<NamespaceName, std::size_t> places_;
  Drawing drawing_;
};

}  // namespace

bool ShowsLabel(DrawnBox::Kind kind) { return kind == DrawnBox::Kind::kNode || kind == DrawnBox::Kind::kHost; }

Drawing DrawTopology(const Topology& topology) { return TopologyDrawer(topology).Draw(); }

Drawing DrawRecord(const std::string& lab, const Record& record) { return RecordDrawer(lab, record).Draw(); }

}  // namespace runner
