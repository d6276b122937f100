// The view of a lab as text in the words of ip(8), and as JSON.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "base/text.h"
#include "commands/inspect.h"
#include "commands/table.h"

namespace runner {
namespace {

const char* KindName(PlaceView::Kind kind) {
  switch (kind) {
    case PlaceView::Kind::kNode:
      return "node";
    case PlaceView::Kind::kSwitch:
      return "switch";
    case PlaceView::Kind::kHost:
      return "host";
  }
  return "node";
}

const char* RouteTypeName(std::uint8_t type) {
  switch (type) {
    case RTN_UNICAST:
      return "unicast";
    case RTN_LOCAL:
      return "local";
    case RTN_BLACKHOLE:
      return "blackhole";
    case RTN_UNREACHABLE:
      return "unreachable";
    case RTN_PROHIBIT:
      return "prohibit";
    case RTN_THROW:
      return "throw";
    default:
      return "other";
  }
}

std::string DestinationText(const RouteInfo& route) { return route.to.is_default() ? "default" : route.to.text(); }

std::string StateText(const LinkInfo& link) {
  if (!link.up) return "down";
  return link.carrier ? "up" : "no carrier";
}

std::string HopText(const RouteNextHop& hop, const std::vector<LinkInfo>& links) {
  std::string out;
  if (hop.via) out += " via " + hop.via->text();
  if (hop.oif != 0) out += " dev " + LinkName(links, hop.oif);
  return out;
}

std::string ActionText(const RuleInfo& rule) {
  switch (rule.action) {
    case FR_ACT_TO_TBL:
      return rule.table == RT_TABLE_MAIN ? "lookup main" : fmt::format("lookup {}", rule.table);
    case FR_ACT_BLACKHOLE:
      return "blackhole";
    case FR_ACT_UNREACHABLE:
      return "unreachable";
    case FR_ACT_PROHIBIT:
      return "prohibit";
    default:
      return fmt::format("action {}", rule.action);
  }
}

Json InterfaceJson(const PlaceView& place, const LinkInfo& link) {
  Json addresses = Json::array();
  for (const AddressInfo& address : place.addresses) {
    if (address.index != link.index) continue;
    Json one = {{"address", address.prefix.text()}};
    if (address.peer) one["peer"] = address.peer->text();
    if (address.tentative) one["tentative"] = true;
    addresses.push_back(std::move(one));
  }
  Json json = {{"name", link.name},
               {"kind", link.kind},
               {"state", StateText(link)},
               {"mac", link.mac.text()},
               {"mtu", link.mtu}};
  if (link.master != 0) json["master"] = LinkName(place.links, link.master);
  json["addresses"] = std::move(addresses);
  return json;
}

Json RouteJson(const RouteInfo& route, const std::vector<LinkInfo>& links) {
  Json hops = Json::array();
  for (const RouteNextHop& hop : route.nexthops) {
    Json one = Json::object();
    if (hop.via) one["via"] = hop.via->text();
    if (hop.oif != 0) one["dev"] = LinkName(links, hop.oif);
    if (route.nexthops.size() > 1) one["weight"] = hop.weight;
    hops.push_back(std::move(one));
  }
  Json json = {{"to", route.to.text()},
               {"type", RouteTypeName(route.type)},
               {"table", route.table},
               {"metric", route.metric},
               {"nexthops", std::move(hops)}};
  if (route.prefsrc) json["from"] = route.prefsrc->text();
  json["ours"] = route.protocol == kProtocol;
  return json;
}

Json PlaceJson(const PlaceView& place) {
  Json interfaces = Json::array();
  for (const LinkInfo& link : place.links) interfaces.push_back(InterfaceJson(place, link));
  Json routes = Json::array();
  for (const RouteInfo& route : place.routes) routes.push_back(RouteJson(route, place.links));
  Json rules = Json::array();
  for (const RuleInfo& rule : place.rules) {
    rules.push_back({{"family", FamilyName(rule.family)}, {"priority", rule.priority}, {"rule", RuleText(rule)}});
  }
  return {{"node", place.node},        {"kind", KindName(place.kind)},        {"namespace", place.ns_name},
          {"gone", place.is_gone},     {"interfaces", std::move(interfaces)}, {"routes", std::move(routes)},
          {"rules", std::move(rules)}, {"processes", place.processes}};
}

Json UplinkJson(const UplinkView& uplink) {
  Json json = {{"node", uplink.node},
               {"type", uplink.is_nat ? "nat" : "slirp"},
               {"interface", uplink.interface},
               {"cidr", uplink.cidr ? Json(uplink.cidr->text()) : Json()},
               {"state", LifeName(uplink.state.life)}};
  if (uplink.state.life != UplinkState::Life::kGone) json["pid"] = uplink.state.process.pid;
  return json;
}

std::string AddressText(const AddressInfo& address) {
  return address.prefix.text() + (address.peer ? " peer " + address.peer->text() : "") +
         (address.tentative ? " tentative" : "");
}

/// A row for the interface and its first address, and one for each further address.
void AddInterfaceRows(const PlaceView& place, const LinkInfo& link, std::vector<std::vector<std::string>>& rows) {
  const std::string mac = link.mac.is_zero() ? "-" : link.mac.text();
  std::vector<std::string> row = {link.name,
                                  StateText(link),
                                  std::to_string(link.mtu),
                                  mac,
                                  link.kind.empty() ? "-" : link.kind,
                                  link.master == 0 ? "-" : LinkName(place.links, link.master),
                                  "-"};
  for (const AddressInfo& address : place.addresses) {
    if (address.index != link.index) continue;
    row.back() = AddressText(address);
    rows.push_back(std::exchange(row, std::vector<std::string>(row.size())));
  }
  if (!row.front().empty()) rows.push_back(std::move(row));
}

std::string Indented(const std::string& table) {
  std::string out;
  for (const std::string_view line : Split(table, '\n')) {
    if (!line.empty()) out += "  " + std::string(line) + "\n";
  }
  return out;
}

std::string RangeText(const PortRange& range) {
  return std::to_string(range.first) + (range.count() > 1 ? "-" + std::to_string(range.last) : "");
}
std::string HostAddressText(const ForwardAttributes& port) {
  if (port.host_address) return port.host_address->text();
  return port.family == Family::kIpv6 ? "::" : "0.0.0.0";
}
const char* ProtocolName(Protocol protocol) { return protocol == Protocol::kTcp ? "tcp" : "udp"; }

Json PortJson(const ForwardAttributes& port) {
  return {{"protocol", ProtocolName(port.protocol)},
          {"host_address", HostAddressText(port)},
          {"host_port", RangeText(port.host_port)},
          {"target", port.target.text()},
          {"port", RangeText(port.port)},
          {"uplink", port.node}};
}

void AddPlaceText(const PlaceView& place, std::string& out) {
  out += fmt::format("\n{} {}", KindName(place.kind), place.node);
  if (!place.ns_name.empty()) out += "  (namespace " + place.ns_name + ")";
  if (place.is_gone) {
    out += "\n  is gone\n";
    return;
  }
  if (place.processes > 0) {
    out += fmt::format("  {} process{}", place.processes, place.processes == 1 ? "" : "es");
  }
  out += "\n";
  std::vector<std::vector<std::string>> rows = {{"INTERFACE", "STATE", "MTU", "MAC", "KIND", "PORT OF", "ADDRESSES"}};
  for (const LinkInfo& link : place.links) AddInterfaceRows(place, link, rows);
  out += Indented(Table(rows));
  for (const RouteInfo& route : place.routes) out += "  route " + RouteText(route, place.links) + "\n";
  for (const RuleInfo& rule : place.rules) out += fmt::format("  rule {}\n", RuleText(rule));
}

}  // namespace

std::string PlaceText(const PlaceView& place) {
  std::string out;
  AddPlaceText(place, out);
  return out;
}

const char* LifeName(UplinkState::Life life) {
  switch (life) {
    case UplinkState::Life::kGone:
      return "dead";
    case UplinkState::Life::kSilent:
      return "silent";
    case UplinkState::Life::kServing:
      return "serving";
  }
  return "dead";
}

std::string LinkName(const std::vector<LinkInfo>& links, int index) {
  const auto found = std::ranges::find(links, index, &LinkInfo::index);
  return found == links.end() ? fmt::format("if{}", index) : found->name;
}

std::string RouteText(const RouteInfo& route, const std::vector<LinkInfo>& links) {
  std::string out = route.type == RTN_UNICAST ? "" : std::string(RouteTypeName(route.type)) + " ";
  out += DestinationText(route);
  // Two families share the word: an IPv6 default without a gateway would look like one of IPv4.
  if (route.to.is_default() && route.family() == Family::kIpv6) out = "-6 " + out;
  if (route.nexthops.size() == 1) out += HopText(route.nexthops.front(), links);
  if (route.table != RT_TABLE_MAIN) out += fmt::format(" table {}", route.table);
  if (route.prefsrc) out += " src " + route.prefsrc->text();
  if (route.metric != 0) out += fmt::format(" metric {}", route.metric);
  if (route.mtu) out += fmt::format(" mtu {}", *route.mtu);
  if (route.nexthops.size() > 1) {
    for (const RouteNextHop& hop : route.nexthops) {
      out += " nexthop" + HopText(hop, links) + fmt::format(" weight {}", hop.weight);
    }
  }
  return out;
}

std::string RuleText(const RuleInfo& rule) {
  std::string out = fmt::format("{}{}: from {}", rule.family == Family::kIpv6 ? "-6 " : "", rule.priority,
                                rule.from ? rule.from->text() : "all");
  if (rule.to) out += " to " + rule.to->text();
  if (!rule.iif.empty()) out += " iif " + rule.iif;
  if (!rule.oif.empty()) out += " oif " + rule.oif;
  if (rule.fwmark) out += fmt::format(" fwmark {:#x}", *rule.fwmark);
  if (rule.fwmask) out += fmt::format("/{:#x}", *rule.fwmask);
  return out + " " + ActionText(rule);
}

Json LabViewJson(const LabView& view) {
  Json places = Json::array();
  for (const PlaceView& place : view.places) places.push_back(PlaceJson(place));
  Json links = Json::array();
  for (const CableView& cable : view.cables) links.push_back({{"id", cable.id}, {"a", cable.a}, {"b", cable.b}});
  Json uplinks = Json::array();
  for (const UplinkView& uplink : view.uplinks) uplinks.push_back(UplinkJson(uplink));
  Json processes = Json::array();
  for (const ProcessView& process : view.processes) processes.push_back(ProcessJson(process));
  Json ports = Json::array();
  for (const ForwardAttributes& port : view.ports) ports.push_back(PortJson(port));
  return {{"lab", view.lab},           {"file", view.file},
          {"since", view.since},       {"nodes", std::move(places)},
          {"links", std::move(links)}, {"uplinks", std::move(uplinks)},
          {"ports", std::move(ports)}, {"processes", std::move(processes)}};
}

std::string LabViewText(const LabView& view) {
  std::string out = fmt::format("lab {}  ({}, since {})\n", view.lab, view.file, view.since);
  for (const PlaceView& place : view.places) AddPlaceText(place, out);
  if (!view.cables.empty()) out += "\nlinks\n";
  for (const CableView& cable : view.cables) out += fmt::format("  {} -- {}\n", cable.a, cable.b);
  std::vector<std::vector<std::string>> uplinks = {{"UPLINK", "TYPE", "NETWORK", "STATE", "PID"}};
  for (const UplinkView& uplink : view.uplinks) {
    const bool lives = uplink.state.life != UplinkState::Life::kGone;
    uplinks.push_back({uplink.node + ":" + uplink.interface, uplink.is_nat ? "nat" : "slirp",
                       uplink.cidr ? uplink.cidr->text() : "-", LifeName(uplink.state.life),
                       lives ? std::to_string(uplink.state.process.pid) : "-"});
  }
  if (uplinks.size() > 1) out += "\n" + Table(uplinks);
  std::vector<std::vector<std::string>> ports = {{"PUBLISHED", "PORT", "PROTOCOL", "TARGET", "PORT", "THROUGH"}};
  for (const ForwardAttributes& port : view.ports) {
    ports.push_back({HostAddressText(port), RangeText(port.host_port), ProtocolName(port.protocol), port.target.text(),
                     RangeText(port.port), port.node});
  }
  if (ports.size() > 1) out += "\n" + Table(ports);
  if (!view.processes.empty()) out += "\n" + Table(ProcessRows(view.processes));
  return out;
}

}  // namespace runner
