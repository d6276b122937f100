#include "plan/plan.h"
#include "base/json.h"

#include "commands/commands.h"
#include "commands/lab.h"
#include "commands/record.h"
#include "commands/wish.h"

namespace runner {
namespace {

/// Without a lock: what is read may change meanwhile, and nothing is written.
Result<Plan, Errors> Decide(const Context& context, const WantedLab& wanted) {
  const auto journal = OpenRecord(context, wanted.topology.name, Access::kPlan);
  if (!journal.ok()) return Errors{journal.error()};
  const Wish wish = TRY(MakeWish(context, wanted, *journal));
  const auto backend = OpenLinuxBackend(context.backend_options(wanted.topology.name));
  if (!backend.ok()) return Errors{backend.error()};
  const Record record = journal->record();
  const auto observed = (*backend)->Observe(wish.graph, record);
  if (!observed.ok()) return Errors{observed.error()};
  Plan plan = MakePlan(wish.graph, record, *observed, Purpose::kUp);
  if (!plan.conflicts.empty()) return std::move(plan.conflicts);
  if (Errors errors = (*backend)->Check(plan); !errors.empty()) return errors;
  return plan;
}

void Print(const Context& context, const std::string& lab, const Plan& plan) {
  if (context.json()) {
    Json json = {{"lab", lab}, {"changes", plan.changes_anything()}};
    json.update(PlanJson(plan));
    PrintJson(context, json);
    return;
  }
  for (const std::string& line : DescribePlan(plan)) *context.out << line << "\n";
  *context.out << lab << ": " << SummarizePlan(plan) << "\n";
}

}  // namespace

Ending ShowPlan(const Context& context, const PlanOptions& options) {
  TRY(CheckPrivilege(context));
  const WantedLab wanted = TRY(ReadWantedLab(context, options.lab));
  PrintWarnings(context, wanted.warnings);
  auto plan = Decide(context, wanted);
  if (!plan.ok()) return WithExcerpts(std::move(plan).error(), wanted.source);
  PrintWarnings(context, WithExcerpts(plan->notes, wanted.source));
  Print(context, wanted.topology.name, *plan);
  return options.exit_code && plan->changes_anything() ? kExitDiffers : kExitDone;
}

}  // namespace runner
