// A plan in words: what `toporun plan` prints.
#include <fmt/format.h>

#include <unordered_set>

#include "base/json.h"
#include "plan/plan.h"

namespace runner {
namespace {

const char* Sign(const Action& action) {
  if (action.replaces) return "-/+";
  switch (action.verb) {
    case Verb::kCreate:
      return "+";
    case Verb::kChange:
      return "~";
    case Verb::kRemove:
      return "-";
    case Verb::kAdopt:
      return "=";
    case Verb::kForget:
      return "·";
  }
  return "?";
}

const char* VerbName(Verb verb) {
  constexpr const char* kNames[] = {"create", "change", "remove", "adopt", "forget"};
  return kNames[static_cast<int>(verb)];
}

/// The second half of a pair stands for both; what goes with its namespace is told by the namespace's own line.
bool IsShown(const Action& action) {
  if (action.verb == Verb::kForget || action.verb == Verb::kAdopt) return false;
  return !(action.replaces && action.verb == Verb::kRemove);
}

std::string Details(const Action& action) {
  std::string out;
  for (const Difference& difference : action.differences) out += (out.empty() ? "" : ", ") + difference.text();
  if (!action.reason.empty()) out += (out.empty() ? "" : "; ") + action.reason;
  return out;
}

}  // namespace

std::vector<std::string> DescribePlan(const Plan& plan) {
  std::vector<std::string> lines;
  for (const Action& action : plan.actions) {
    if (!IsShown(action)) continue;
    const std::string details = Details(action);
    lines.push_back(
        fmt::format("{:<3} {}{}{}", Sign(action), action.resource.id.text(), details.empty() ? "" : "  ", details));
  }
  return lines;
}

std::string SummarizePlan(const Plan& plan) {
  int create = 0;
  int change = 0;
  int replace = 0;
  int remove = 0;
  for (const Action& action : plan.actions) {
    if (!IsShown(action)) continue;
    if (action.replaces) {
      ++replace;
    } else if (action.verb == Verb::kCreate) {
      ++create;
    } else if (action.verb == Verb::kChange) {
      ++change;
    } else {
      ++remove;
    }
  }
  if (create + change + replace + remove == 0) return "nothing to do";
  std::string out;
  for (const auto& [count, word] : {std::pair(create, "to create"), std::pair(change, "to change"),
                                    std::pair(replace, "to replace"), std::pair(remove, "to remove")}) {
    if (count > 0) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, word);
  }
  return out;
}

Json PlanJson(const Plan& plan) {
  Json actions = Json::array();
  for (const Action& action : plan.actions) {
    if (!IsShown(action)) continue;
    Json one = {{"action", action.replaces ? "replace" : VerbName(action.verb)},
                {"kind", Traits(action.resource.kind()).name},
                {"id", action.resource.id.text()}};
    Json differences = Json::array();
    for (const Difference& d : action.differences) {
      differences.push_back({{"field", d.field}, {"before", d.before}, {"after", d.after}});
    }
    one["differences"] = std::move(differences);
    one["reason"] = action.reason;
    if (action.resource.at.known()) {
      one["line"] = action.resource.at.line;
      one["column"] = action.resource.at.column;
    }
    actions.push_back(std::move(one));
  }
  return {{"actions", std::move(actions)}, {"summary", SummarizePlan(plan)}};
}

}  // namespace runner
