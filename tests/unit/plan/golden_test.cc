// tests/golden/CASE: `topology.yaml` is wished; `before.yaml`, where it is there, is recorded and stands, save what
// `drift.txt` says is gone. `plan.txt` is the whole plan. UPDATE_GOLDEN=1 writes it anew: read the difference then.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/fd.h"
#include "base/report.h"
#include "plan/plan.h"
#include "topology/load.h"

namespace runner {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(TOPORUN_SOURCE_DIR) / "tests/golden";

std::vector<std::string> Cases() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

class Golden : public testing::TestWithParam<std::string> {};

Graph GraphOf(const std::filesystem::path& file) {
  LoadOptions options;
  options.file = file.string();
  const LoadResult loaded = LoadTopologyFile(options);
  for (const Error& error : loaded.errors) ADD_FAILURE() << RenderError(error, Colour::kOff);
  if (!loaded.ok()) return {};
  auto graph = BuildGraph(*loaded.topology);
  EXPECT_TRUE(graph.ok());
  return graph.ok() ? std::move(graph).value() : Graph();
}

/// "gone: KIND NAME" a line; what is in a namespace that is gone is gone too.
void Drift(const std::filesystem::path& file, Observation& seen) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    const auto id = ResourceId::Parse(std::string_view(line).substr(std::string_view("gone: ").size()));
    ASSERT_TRUE(id && seen.contains(*id)) << line;
    if (id->kind == Kind::kNamespace) {
      const NamespaceName ns = NamespaceOf(seen.at(*id).attributes);
      std::erase_if(seen, [&ns](const auto& entry) {
        const auto* veth = std::get_if<VethAttributes>(&entry.second.attributes);
        const bool inside = NamespaceOf(entry.second.attributes) == ns || (veth != nullptr && veth->b.ns == ns);
        return inside && Traits(entry.first.kind).dies_with_namespace;
      });
    }
    seen.erase(*id);
  }
}

TEST_P(Golden, PlanIsAsWritten) {
  const std::filesystem::path folder = kFolder / GetParam();
  Record record;
  Observation seen;
  if (std::filesystem::exists(folder / "before.yaml")) {
    const Graph before = GraphOf(folder / "before.yaml");
    for (const Resource& resource : before.resources()) {
      record.push_back({.resource = resource, .former = {}});
      seen[resource.id] = {.attributes = resource.attributes, .owner = Observed::Owner::kOurs};
    }
  }
  if (std::filesystem::exists(folder / "drift.txt")) Drift(folder / "drift.txt", seen);
  const Plan plan = MakePlan(GraphOf(folder / "topology.yaml"), record, seen, Purpose::kUp);
  EXPECT_TRUE(plan.conflicts.empty());
  std::ostringstream text;
  for (const std::string& line : DescribePlan(plan)) text << line << "\n";
  text << SummarizePlan(plan) << "\n";
  if (std::getenv("UPDATE_GOLDEN") != nullptr) std::ofstream(folder / "plan.txt") << text.str();
  const auto expected = ReadFile((folder / "plan.txt").string());
  ASSERT_TRUE(expected.ok());
  EXPECT_EQ(text.str(), *expected);
}

INSTANTIATE_TEST_SUITE_P(All, Golden, testing::ValuesIn(Cases()), [](const auto& tested) {
  std::string name = tested.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace runner
