// Uplinks against their node and each other, and published ports against each other.
#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "topology/validate_index.h"

namespace runner::validate {
namespace {

constexpr std::uint32_t kSmallestIpv6Mtu = 1280;

void CheckNetwork(const PlaceDevices& place, const IpPrefix& network, Findings& findings) {
  const Uplink& uplink = *place.node->uplink;
  for (const Device& device : place.devices) {
    if (device.interface == nullptr) continue;
    for (const Address& address : device.interface->addresses) {
      const IpPrefix other = (address.peer ? *address.peer : address.prefix).Masked();
      if (!other.Overlaps(network)) continue;
      findings.Wrong(uplink.at, PlaceName(place.place), "uplink",
                     fmt::format("its network {} overlaps {} of interface {}; choose another `{}`", network.text(),
                                 other.text(), Quote(device.name), network.is_ipv6() ? "ipv6" : "cidr"),
                     {{address.at, "the other network", {}}});
      return;
    }
  }
}

void CheckUplink(const PlaceDevices& place, Findings& findings) {
  const Uplink& uplink = *place.node->uplink;
  const std::string where = PlaceName(place.place);
  if (uplink.cidr) CheckNetwork(place, *uplink.cidr, findings);
  if (uplink.ipv6) CheckNetwork(place, *uplink.ipv6, findings);
  if (uplink.ipv6 && uplink.mtu < kSmallestIpv6Mtu) {
    findings.Wrong(uplink.at, where, "uplink",
                   fmt::format("mtu {} is below {}, the least that IPv6 works with", uplink.mtu, kSmallestIpv6Mtu));
  }
  if (uplink.from == place.place) {
    findings.Wrong(uplink.at, where, "uplink", "`from` names the uplink's own node");
  }
}

/// `from` makes one node need another: following it must end at the host.
void CheckCircles(const Topology& topology, const Index& index, Findings& findings) {
  enum class State { kUnseen, kOpen, kDone };
  std::unordered_map<const Node*, State> states;
  for (const Node& start : topology.nodes) {
    std::vector<const Node*> path;
    const Node* node = &start;
    while (node != nullptr && node->uplink && states[node] == State::kUnseen) {
      states[node] = State::kOpen;
      path.push_back(node);
      const Place& from = node->uplink->from;
      node = from.kind == Place::Kind::kNode ? index.FindNode(from.name) : nullptr;
    }
    const auto first = std::ranges::find(path, node);
    // A circle of one is told by the uplink's own check.
    if (node != nullptr && first != path.end() && path.end() - first > 1) {
      std::string circle;
      for (auto i = first; i != path.end(); ++i) circle += Quote((*i)->name) + " from ";
      findings.Wrong((*first)->uplink->at, "node " + Quote((*first)->name), "uplink",
                     "the uplinks need each other in a circle: " + circle + Quote((*first)->name));
    }
    for (const Node* done : path) states[done] = State::kDone;
  }
}

// ---- Published ports

/// What may clash: the namespace that binds, the protocol, the family.
using BindKey = std::tuple<Place, Protocol, Family>;
struct Binding {
  const Node* node;
  const PublishedPort* port;
};

std::string PortText(const PublishedPort& port) {
  std::string text = std::to_string(port.host_port.first);
  if (port.host_port.last != port.host_port.first) text += "-" + std::to_string(port.host_port.last);
  return text + (port.protocol == Protocol::kTcp ? "/tcp" : "/udp");
}

void ReportClash(const Binding& one, const Binding& two, Findings& findings) {
  const bool in_order = one.port->at <= two.port->at;
  const Binding& first = in_order ? one : two;
  const Binding& second = in_order ? two : one;
  findings.Wrong(second.port->at, "node " + Quote(second.node->name), "port " + PortText(*second.port),
                 first.node == second.node ? "the port is published already"
                                           : "the port is published by node " + Quote(first.node->name) + " already",
                 {{first.port->at, "published here", {}}});
}

/// Bindings of one address (or of none), sorted; tells overlaps and keeps, for a range's first port, who holds it.
std::vector<Binding> SortAndCheck(std::vector<Binding> bindings, Findings& findings) {
  std::ranges::stable_sort(bindings, {}, [](const Binding& b) { return b.port->host_port.first; });
  std::vector<Binding> apart;
  for (const Binding& binding : bindings) {
    if (!apart.empty() && apart.back().port->host_port.last >= binding.port->host_port.first) {
      ReportClash(apart.back(), binding, findings);
      if (apart.back().port->host_port.last >= binding.port->host_port.last) continue;
      apart.back() = binding;
      continue;
    }
    apart.push_back(binding);
  }
  return apart;
}

void CheckBindings(const std::vector<Binding>& bindings, Findings& findings) {
  std::vector<Binding> any;
  std::map<IpAddress, std::vector<Binding>> by_address;
  for (const Binding& binding : bindings) {
    const auto& address = binding.port->host_address;
    if (address && !address->is_unspecified()) {
      by_address[*address].push_back(binding);
    } else {
      any.push_back(binding);
    }
  }
  any = SortAndCheck(std::move(any), findings);
  for (auto& [address, list] : by_address) {
    for (const Binding& binding : SortAndCheck(std::move(list), findings)) {
      // `any` is sorted and its ranges are apart: only the last that begins before this one's end can meet it.
      const auto after = std::ranges::upper_bound(any, binding.port->host_port.last, {},
                                                  [](const Binding& b) { return b.port->host_port.first; });
      if (after == any.begin()) continue;
      const Binding& other = *std::prev(after);
      if (other.port->host_port.last >= binding.port->host_port.first) ReportClash(other, binding, findings);
    }
  }
}

/// A client's address stays as it is, so the answer must find its way from the node to the uplink.
void CheckWayBack(const Node& node, const PublishedPort& port, const Index& index, Findings& findings) {
  if (port.uplink == node.name || node.attach) return;
  const bool has_default = std::ranges::any_of(node.routes, [&](const Route& route) {
    return !route.label && route.to.is_default() && route.to.family() == port.family &&
           route.type == RouteType::kUnicast;
  });
  const std::string where = "node " + Quote(node.name);
  const std::string tried = "port " + PortText(port);
  const std::string_view family = port.family == Family::kIpv4 ? "IPv4" : "IPv6";
  if (node.uplink) {
    findings.Warn(port.at, where, tried,
                  fmt::format("it comes in by the uplink of {} while the node's own uplink is its way out: answers may "
                              "not come back",
                              Quote(port.uplink)));
  } else if (!has_default) {
    findings.Warn(port.at, where, tried,
                  fmt::format("the node has no {} default route towards the uplink of {}: answers find no way back",
                              family, Quote(port.uplink)));
  }
  const Node* router = index.FindNode(port.uplink);
  if (router == nullptr || router->attach) return;
  const auto& forwarding = port.family == Family::kIpv4 ? router->forwarding.ipv4 : router->forwarding.ipv6;
  const bool by_sysctl = std::ranges::any_of(router->sysctls, [&](const Sysctl& sysctl) {
    return sysctl.value == "1" && (port.family == Family::kIpv4 ? sysctl.key == "net.ipv4.ip_forward" ||
                                                                      sysctl.key == "net.ipv4.conf.all.forwarding"
                                                                : sysctl.key == "net.ipv6.conf.all.forwarding");
  });
  if (!by_sysctl && (!forwarding || !forwarding->value)) {
    findings.Warn(
        port.at, where, tried,
        fmt::format("node {}, whose uplink it comes through, does not forward {}: say `forwarding: true` there",
                    Quote(port.uplink), family));
  }
}

}  // namespace

void CheckUplinks(const Topology& topology, const Index& index, Findings& findings) {
  for (const PlaceDevices& place : index.places()) {
    if (place.node != nullptr && place.node->uplink) CheckUplink(place, findings);
  }
  CheckCircles(topology, index, findings);
}

void CheckPorts(const Topology& topology, const Index& index, Findings& findings) {
  std::map<BindKey, std::vector<Binding>> bindings;
  for (const Node& node : topology.nodes) {
    for (const PublishedPort& port : node.ports) {
      const Node* through = index.FindNode(port.uplink);
      const Place from =
          through != nullptr && through->uplink ? through->uplink->from : Place{.kind = Place::Kind::kHost, .name = {}};
      bindings[{from, port.protocol, port.family}].push_back({&node, &port});
      CheckWayBack(node, port, index, findings);
    }
  }
  for (const auto& [key, list] : bindings) CheckBindings(list, findings);
}

}  // namespace runner::validate
