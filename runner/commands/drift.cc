#include "commands/drift.h"

#include <fmt/format.h>

#include "base/json.h"
#include "commands/record.h"
#include "commands/run.h"
#include "commands/wish.h"
#include "exec/executor.h"
#include "kernel/boot.h"

namespace runner {
namespace {

/// What is recorded is what is wished for, on this boot: no file is read.
Result<Wish> RecordedWish(const Context& context, const std::string& lab) {
  const Journal journal = TRY(OpenRecord(context, lab, Access::kLook));
  std::vector<Resource> resources;
  for (const RecordEntry& entry : journal.record()) resources.push_back(entry.resource);
  Wish wish{.graph = TRY(Graph::Make(std::move(resources))), .header = journal.header(), .warnings = {}};
  wish.header.boot_id = TRY(BootId());
  wish.header.host_namespace = TRY(HostNamespaceId());
  return wish;
}

const char* GoneText(Kind kind) {
  if (kind == Kind::kProcess) return "is dead";
  if (kind == Kind::kCondition) return "does not hold";
  return "is gone";
}

}  // namespace

Result<std::vector<Drift>> DriftOf(const Context& inside, const std::string& lab, const Record& record) {
  const auto backend = TRY(inside.open_backend(inside.backend_options(lab)));
  return FindDrift(record, TRY(backend->Observe(Graph(), record)));
}

std::vector<std::string> DriftRow(const Drift& drift) {
  if (drift.gone) return {"- ", drift.id.text(), GoneText(drift.id.kind)};  // the sign as wide as in a plan
  std::string differences;
  for (const Difference& difference : drift.differences) {
    differences += (differences.empty() ? "" : ", ") + difference.text();
  }
  return {"~ ", drift.id.text(), differences};
}

std::vector<std::string> HolderGoneRow() {
  return {"- ", "holder", "is gone: the process that held the lab's namespaces"};
}

Json DriftJson(const Drift& drift) {
  Json differences = Json::array();
  for (const Difference& difference : drift.differences) {
    differences.push_back({{"field", difference.field}, {"recorded", difference.before}, {"found", difference.after}});
  }
  return {{"id", drift.id.text()}, {"gone", drift.gone}, {"differences", std::move(differences)}};
}

Errors Heal(const Context& context, const std::string& lab, WhenInterrupted interrupted) {
  ChangingRun run(context);
  auto wish = RecordedWish(context, lab);
  if (!wish.ok()) return {std::move(wish).error()};
  auto journal = OpenRecord(context, lab, Access::kWrite);
  if (!journal.ok()) return {std::move(journal).error()};
  auto backend = run.OpenBackend(lab);
  if (!backend.ok()) return {std::move(backend).error()};
  Hooks hooks = run.hooks();
  if (interrupted == WhenInterrupted::kGoOn) hooks.interrupted = [] { return false; };
  const Outcome outcome =
      Converge(wish->graph, Purpose::kUp, **backend, *journal, wish->header, AfterFailure::kRollBack, hooks);
  run.EndProgress();
  if (outcome.report.ok() && outcome.changed) {
    Say(context, fmt::format("{} is healed: {} ({})", lab, run.tally(), Seconds(run.elapsed())));
  }
  return ErrorsOf(outcome);
}

}  // namespace runner
