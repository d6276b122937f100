#include "commands/wish.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <map>
#include <optional>
#include <set>

#include "base/fd.h"
#include "base/stopwatch.h"
#include "base/text.h"
#include "commands/nat_networks.h"
#include "commands/wireguard_keys.h"
#include "kernel/boot.h"
#include "machine/machine.h"
#include "plan/names.h"
#include "topology/load.h"

namespace runner {
namespace {

constexpr off_t kMostOfFile = off_t{1} << 20;  // all of it is in the record

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

/// Relative paths of a file begin where it stands; those of one from standard input, here.
std::string FolderOf(const Source& source) {
  const std::string path = source.path == "-" ? AbsolutePath("./-") : source.path;
  return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
}

Result<std::string> ReadNodeFile(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return SystemError(errno, "read " + Quote(path));
  if (!S_ISREG(info.st_mode)) return Fail("read " + Quote(path), "it is no file; `binds` shows a folder");
  if (info.st_size > kMostOfFile) return Fail("read " + Quote(path), "it is larger than 1 MiB; `binds` shows it");
  return ReadFile(path);
}

/// What the nodes' `files` take from the host.
Result<std::map<std::string, std::string>, Errors> ReadSources(const Topology& topology, const std::string& folder) {
  std::map<std::string, std::string> sources;
  Errors errors;
  const auto tell = [&errors](const Node& node, const NodeFile& file, Error error) {
    error.where = "node " + Quote(node.name) + ": file " + Quote(file.path);
    error.failure = Failure::kTopology;
    error.at = file.at;
    errors.push_back(std::move(error));
  };
  for (const Node& node : topology.nodes) {
    for (const NodeFile& file : node.files) {
      if (file.content && static_cast<off_t>(file.content->size()) > kMostOfFile) {
        tell(node, file, Fail("its content is larger than 1 MiB; `binds` shows a file of any size"));
      }
      if (file.content || sources.contains(file.source)) continue;
      auto content = ReadNodeFile(file.source.starts_with('/') ? file.source : folder + "/" + file.source);
      if (!content.ok()) {
        tell(node, file, std::move(content).error());
      } else {
        sources.emplace(file.source, std::move(*content));
      }
    }
  }
  if (!errors.empty()) return errors;
  return sources;
}

}  // namespace

Result<Wish, Errors> MakeWish(const Context& context, const WantedLab& wanted, const Journal& journal, NewKeys new_keys,
                              WithoutTap without_tap) {
  const Stopwatch watch("make the graph of objects");
  auto header = MakeHeader(context, wanted, journal);
  if (!header.ok()) return Errors{std::move(header).error()};
  GraphInputs inputs;
  inputs.nat_networks = header->nat_networks;
  inputs.folder = FolderOf(wanted.source);
  inputs.sources = TRY(ReadSources(wanted.topology, inputs.folder));
  TRY(ReadWireguardKeys(context, wanted, journal.record(), new_keys, inputs));
  Errors warnings;
  inputs.without_tap = NodesWithoutTap(wanted.topology, journal.record(), without_tap, warnings);
  auto graph = BuildGraph(wanted.topology, inputs);
  if (!graph.ok()) return Errors{std::move(graph).error()};
  return Wish{.graph = std::move(*graph), .header = std::move(*header), .warnings = std::move(warnings)};
}

}  // namespace runner
