#include <algorithm>

#include <fmt/format.h>

#include "base/json.h"
#include "commands/commands.h"
#include "commands/table.h"
#include "machine/machine.h"

namespace runner {
namespace {

using machine::Feature;
using machine::Level;

std::string Word(Level level) {
  switch (level) {
    case Level::kWorks:
      return "works";
    case Level::kLimited:
      return "limited";
    case Level::kMissing:
      return "missing";
  }
  return "";
}

Json ToJson(const Feature& feature) {
  return {{"feature", feature.name},
          {"state", Word(feature.level)},
          {"detail", feature.detail},
          {"remedy", feature.remedy}};
}

}  // namespace

Ending Diagnose(const Context& context) {
  const machine::Features found = machine::Probe();
  if (context.json()) {
    Json features = Json::array();
    for (const Feature& feature : found) features.push_back(ToJson(feature));
    PrintJson(context, {{"features", std::move(features)}});
    return kExitDone;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Feature& feature : found) rows.push_back({feature.name, Word(feature.level), feature.detail});
  *context.out << Table(rows);
  for (const Feature& feature : found) {
    if (!feature.remedy.empty()) *context.out << feature.name << ": " << feature.remedy << "\n";
  }
  return kExitDone;
}

}  // namespace runner
