#include "commands/wish.h"

#include <ctime>

#include "commands/nat_networks.h"
#include "kernel/boot.h"
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

}  // namespace

Result<Wish, Errors> MakeWish(const Context& context, const WantedLab& wanted, const Journal& journal) {
  if (Errors unbuilt = FindUnbuilt(wanted.topology); !unbuilt.empty()) return unbuilt;
  auto header = MakeHeader(context, wanted, journal);
  if (!header.ok()) return Errors{std::move(header).error()};
  auto graph = BuildGraph(wanted.topology, {.nat_networks = header->nat_networks});
  if (!graph.ok()) return Errors{std::move(graph).error()};
  return Wish{.graph = std::move(*graph), .header = std::move(*header)};
}

}  // namespace runner
