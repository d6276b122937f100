#include "topology/measures.h"

#include <map>

namespace runner {

const std::vector<Measure>& MeasuresOf(std::string_view kind) {
  static const std::map<std::string_view, std::vector<Measure>> kMeasures = {
      {"ping", {{"loss", Quantity::kShare}, {"rtt", Quantity::kTime}, {"mtu", Quantity::kNumber}}},
      {"tcp", {{"rtt", Quantity::kTime}}},
      {"udp", {{"rtt", Quantity::kTime}}},
      {"http",
       {{"code", Quantity::kNumber},
        {"status", Quantity::kNumber},
        {"rtt", Quantity::kTime},
        {"stdout", std::nullopt}}},
      {"dns", {{"answer", std::nullopt}, {"rtt", Quantity::kTime}}},
      {"run",
       {{"status", Quantity::kNumber},
        {"code", Quantity::kNumber},
        {"stdout", std::nullopt},
        {"stderr", std::nullopt}}},
      {"route", {{"via", std::nullopt}, {"dev", std::nullopt}, {"mtu", Quantity::kNumber}}},
      {"path", {{"via", std::nullopt}, {"mtu", Quantity::kNumber}}},
      {"throughput", {{"throughput", Quantity::kRate}}},
  };
  static const std::vector<Measure> kNone;
  const auto found = kMeasures.find(kind);
  return found == kMeasures.end() ? kNone : found->second;
}

const Measure* FindMeasure(std::string_view kind, std::string_view name) {
  name = name.substr(0, name.find('.'));
  for (const Measure& measure : MeasuresOf(kind)) {
    if (measure.name == name) return &measure;
  }
  return nullptr;
}

}  // namespace runner
