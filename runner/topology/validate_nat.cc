// NAT rules against the devices of their node.
#include <fmt/format.h>

#include "base/text.h"
#include "topology/validate_index.h"

namespace runner::validate {
namespace {

struct Named {
  const char* rule;
  const char* key;
  std::string_view device;
};

Named NameOf(const NatRule& rule) {
  if (const auto* masquerade = std::get_if<Masquerade>(&rule.rule)) return {"masquerade", "out", masquerade->out};
  if (const auto* snat = std::get_if<SourceNat>(&rule.rule)) return {"snat", "out", snat->out};
  return {"forward", "in", std::get<PortForward>(rule.rule).in};
}

bool Overlap(const PortRange& a, const PortRange& b) { return a.first <= b.last && b.first <= a.last; }

/// Of two forwards that take the same packet the second never acts.
void CheckForwards(const PlaceDevices& place, Findings& findings) {
  std::map<std::tuple<std::string_view, Protocol, Family>, std::map<std::uint16_t, const NatRule*>> taken;
  for (const NatRule& rule : place.node->nat) {
    const auto* forward = std::get_if<PortForward>(&rule.rule);
    if (forward == nullptr) continue;
    auto& ports = taken[{forward->in, forward->protocol, forward->to.family()}];
    const auto after = ports.upper_bound(forward->port.last);
    if (after != ports.begin()) {
      const NatRule& other = *std::prev(after)->second;
      if (Overlap(std::get<PortForward>(other.rule).port, forward->port)) {
        findings.Wrong(rule.at, PlaceName(place.place), "nat: forward",
                       fmt::format("port {} is forwarded already", forward->port.first),
                       {{other.at, "by this rule", {}}});
        continue;
      }
    }
    ports.emplace(forward->port.first, &rule);
  }
}

}  // namespace

void CheckNat(const Topology& /*topology*/, const Index& index, Findings& findings) {
  for (const PlaceDevices& place : index.places()) {
    if (place.node == nullptr) continue;
    for (const NatRule& rule : place.node->nat) {
      const Named named = NameOf(rule);
      if (named.device.empty() || !place.knows_all() || place.Find(named.device) != nullptr) continue;
      // nftables matches a name, which what runs in the node may bring later.
      const bool later = !place.node->exec.empty() || !place.node->processes.empty();
      findings.Add(
          later ? Severity::kWarning : Severity::kError, rule.at, PlaceName(place.place),
          fmt::format("nat: {}", named.rule),
          fmt::format("`{}`: there is no interface {}{}", named.key, Quote(named.device), place.Near(named.device)));
    }
    CheckForwards(place, findings);
  }
}

}  // namespace runner::validate
