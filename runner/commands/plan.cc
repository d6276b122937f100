#include "plan/plan.h"
#include "base/json.h"

#include "commands/commands.h"
#include "commands/ground.h"
#include "commands/inside.h"
#include "commands/lab.h"
#include "commands/record.h"
#include "commands/wish.h"
#include "exec/script.h"

namespace runner {
namespace {

struct Decision {
  Graph wish;
  Record record;
  Plan plan;
};

/// Without a lock: what is read may change meanwhile, and nothing is written.
Result<Decision, Errors> Decide(const Context& context, const WantedLab& wanted, const PlanOptions& options) {
  const auto journal = OpenRecord(context, wanted.topology.name, Access::kPlan);
  if (!journal.ok()) return Errors{journal.error()};
  // The script's slirp4netns has to have a tap.
  const WithoutTap without_tap = options.script ? WithoutTap::kNothing : WithoutTap::kPacketSocket;
  Wish wish = TRY(MakeWish(context, wanted, *journal, NewKeys::kLeftOpen, without_tap));
  PrintWarnings(context, WithExcerpts(wish.warnings, wanted.source));
  const auto backend = OpenLinuxBackend(context.backend_options(wanted.topology.name));
  if (!backend.ok()) return Errors{backend.error()};
  Decision decision{.wish = std::move(wish.graph), .record = journal->record(), .plan = {}};
  const auto observed = (*backend)->Observe(decision.wish, decision.record);
  if (!observed.ok()) return Errors{observed.error()};
  decision.plan = MakePlan(decision.wish, decision.record, *observed, Purpose::kUp);
  if (!decision.plan.conflicts.empty()) return std::move(decision.plan.conflicts);
  if (Errors errors = (*backend)->Check(decision.plan); !errors.empty()) return errors;
  return decision;
}

/// The sign of a line in its colour, as diff(1) has them.
std::string Coloured(const Context& context, const std::string& line) {
  if (context.out_colour == Colour::kOff || line.empty()) return line;
  const std::size_t end = std::min<std::size_t>(3, line.size());
  const char* code = line.starts_with("-/+") ? "\033[35m"
                     : line[0] == '+'        ? "\033[32m"
                     : line[0] == '-'        ? "\033[31m"
                                             : "\033[33m";
  return code + line.substr(0, end) + "\033[0m" + line.substr(end);
}

Status Print(const Context& context, const std::string& lab, const PlanOptions& options, const Decision& decision) {
  const Plan& plan = decision.plan;
  const std::vector<std::string> why = options.why.empty()
                                           ? std::vector<std::string>()
                                           : TRY(ExplainObject(decision.wish, decision.record, plan, options.why));
  const std::string script = options.script ? TRY(ScriptOf(plan, decision.wish)) : "";
  if (context.json()) {
    Json json = {{"lab", lab}, {"changes", plan.changes_anything()}};
    json.update(PlanJson(plan));
    if (!options.why.empty()) json["why"] = why;
    if (options.script) json["script"] = script;
    PrintJson(context, json);
    return {};
  }
  for (const std::string& line : why) *context.out << line << "\n";
  *context.out << script;
  if (!options.why.empty() || options.script) return {};
  for (const std::string& line : DescribePlan(plan)) *context.out << Coloured(context, line) << "\n";
  *context.out << lab << ": " << SummarizePlan(plan) << "\n";
  return {};
}

}  // namespace

Ending ShowPlan(const Context& context, const PlanOptions& options) {
  TRY(CheckPrivilege(context));
  const WantedLab wanted = TRY(ReadWantedLab(context, options.lab));
  PrintWarnings(context, wanted.warnings);
  TRY(CheckGround(context, wanted));
  return InLab(context, wanted.topology.name, Entry::kLook, [&](const Context& inside) -> Ending {
    auto decision = Decide(inside, wanted, options);
    if (!decision.ok()) return WithExcerpts(std::move(decision).error(), wanted.source);
    PrintWarnings(inside, WithExcerpts(decision->plan.notes, wanted.source));
    TRY(Print(inside, wanted.topology.name, options, *decision));
    return options.exit_code && decision->plan.changes_anything() ? kExitDiffers : kExitDone;
  });
}

}  // namespace runner
