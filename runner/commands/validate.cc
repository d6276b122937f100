#include "base/json.h"
#include "commands/commands.h"
#include "commands/lab.h"
#include "topology/load.h"

namespace runner {
namespace {

Json Summary(const WantedLab& wanted) {
  Json warnings = Json::array();
  for (const Error& warning : wanted.warnings) {
    warnings.push_back({{"line", warning.at.line}, {"column", warning.at.column}, {"text", warning.text()}});
  }
  const Topology& topology = wanted.topology;
  return {{"name", topology.name},          {"file", wanted.source.shown},
          {"nodes", topology.nodes.size()}, {"bridges", topology.bridges.size()},
          {"links", topology.links.size()}, {"warnings", std::move(warnings)}};
}

}  // namespace

Ending Validate(const Context& context, const ValidateOptions& options) {
  const WantedLab wanted = TRY(ReadWantedLab(context, options.lab));
  PrintWarnings(context, wanted.warnings);
  using Print = ValidateOptions::Print;
  if (options.print == Print::kJson || (context.json() && options.print != Print::kNothing)) {
    *context.out << PrintJson(wanted.topology) << "\n";
  } else if (options.print == Print::kYaml) {
    *context.out << PrintYaml(wanted.topology);
  } else if (context.json()) {
    PrintJson(context, Summary(wanted));
  } else {
    *context.out << wanted.source.shown + ": lab " + wanted.topology.name + ": " +
                        Counted(wanted.topology.nodes.size(), "node") + ", " +
                        Counted(wanted.topology.bridges.size(), "bridge") + ", " +
                        Counted(wanted.topology.links.size(), "link")
                 << "\n";
  }
  return kExitDone;
}

}  // namespace runner
