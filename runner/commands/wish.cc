#include "commands/wish.h"

#include <ctime>
#include <optional>
#include <set>

#include "commands/nat_networks.h"
#include "commands/wireguard_keys.h"
#include "kernel/boot.h"
#include "machine/machine.h"
#include "plan/names.h"
#include "topology/load.h"

namespace runner {
namespace {

std::string Now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char buffer[32];
  return {buffer, std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

Result<LabHeader> MakeHeader(const Context& context, const WantedLab& wanted, const Journal& journal) {
  const LabHeader& before = journal.header();
  const std::string boot = TRY(BootId());
  LabHeader header;
  header.lab = wanted.topology.name;
  header.is_copy = wanted.is_copy;
  header.file = wanted.source.path;
  header.set = wanted.set;
  header.digest = wanted.source.digest;
  header.boot_id = boot;
  header.host_namespace = TRY(HostNamespaceId());
  header.is_rootless = context.ground == Ground::kHolder;
  header.since = before.since.empty() || before.boot_id != boot ? Now() : before.since;
  header.nat_networks = TRY(NatNetworksFor(context, wanted.topology, before.nat_networks));
  return header;
}

Error SlowerUplink(const Node& node, const machine::Feature& tap) {
  Error warning = Fail(tap.detail, "it works over a packet socket instead, more slowly under load; " + tap.remedy);
  warning.where = "uplink " + node.name;
  warning.severity = Severity::kWarning;
  warning.at = node.uplink->at;
  return warning;
}

/// The nodes of GraphInputs::without_tap: those that have none by the record, and new ones where none can be opened.
std::set<std::string> NodesWithoutTap(const Topology& topology, const Record& record, WithoutTap without_tap,
                                      Errors& warnings) {
  std::set<ResourceId> recorded;
  for (const RecordEntry& entry : record) recorded.insert(entry.resource.id);
  std::optional<machine::Feature> probed;
  std::set<std::string> nodes;
  for (const Node& node : topology.nodes) {
    if (!node.uplink || node.uplink->type != Uplink::Type::kSlirp) continue;
    if (recorded.contains({.kind = Kind::kNamespace, .name = PacketEndPlace(node.name).name})) nodes.insert(node.name);
    const ResourceId tap{.kind = Kind::kTap, .name = node.name + ":" + node.uplink->interface};
    if (nodes.contains(node.name) || recorded.contains(tap) || without_tap == WithoutTap::kNothing) continue;
    if (!probed) probed = machine::ProbeTap();
    if (probed->level != machine::Level::kLimited) continue;
    nodes.insert(node.name);
    warnings.push_back(SlowerUplink(node, *probed));
  }
  return nodes;
}

}  // namespace

Result<Wish, Errors> MakeWish(const Context& context, const WantedLab& wanted, const Journal& journal, NewKeys new_keys,
                              WithoutTap without_tap) {
  if (Errors unbuilt = FindUnbuilt(wanted.topology); !unbuilt.empty()) return unbuilt;
  auto header = MakeHeader(context, wanted, journal);
  if (!header.ok()) return Errors{std::move(header).error()};
  GraphInputs inputs{.nat_networks = header->nat_networks, .without_tap = {}};
  TRY(ReadWireguardKeys(context, wanted, journal.record(), new_keys, inputs));
  Errors warnings;
  inputs.without_tap = NodesWithoutTap(wanted.topology, journal.record(), without_tap, warnings);
  auto graph = BuildGraph(wanted.topology, inputs);
  if (!graph.ok()) return Errors{std::move(graph).error()};
  return Wish{.graph = std::move(*graph), .header = std::move(*header), .warnings = std::move(warnings)};
}

}  // namespace runner
