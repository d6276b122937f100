#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/fd.h"
#include "base/json.h"
#include "base/report.h"
#include "topology/load.h"

namespace runner {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> Environment(const std::string& name) {
  if (name == "PID") return "4711";
  return std::nullopt;
}

/// The topology, or none and the reason as a test's failure.
std::optional<Topology> TryLoad(const std::string& text, const std::string& file = "lab.yaml") {
  auto result = LoadTopology(text, {.file = file, .set = {}, .environment = Environment});
  for (const Error& error : result.errors) {
    if (error.severity == Severity::kError) ADD_FAILURE() << RenderError(error, Colour::kOff) << text;
  }
  return std::move(result.topology);
}

std::vector<std::string> Shipped() {
  std::vector<std::string> files;
  const fs::path root = TOPORUN_SOURCE_DIR;
  for (const fs::path& folder :
       {root / "topologies", root / "examples", root / "tests" / "collections", root / "tests" / "gallery" / "good"}) {
    if (!fs::exists(folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.path().extension() == ".yaml") files.push_back(fs::relative(entry.path(), root));
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

class PrintFile : public testing::TestWithParam<std::string> {};

TEST_P(PrintFile, LoadsToAnEqualTopology) {
  auto text = ReadFile(fs::path(TOPORUN_SOURCE_DIR) / GetParam());
  ASSERT_TRUE(text.ok());
  const auto topology = TryLoad(*text, GetParam());
  ASSERT_TRUE(topology);
  const std::string yaml = PrintYaml(*topology);
  const auto again = TryLoad(yaml);
  ASSERT_TRUE(again);
  EXPECT_EQ(PrintYaml(*again), yaml);
  EXPECT_TRUE(*again == *topology) << yaml;
  const auto from_json = TryLoad(PrintJson(*topology));
  ASSERT_TRUE(from_json);
  EXPECT_TRUE(*from_json == *topology) << PrintJson(*topology);
}

TEST_P(PrintFile, IsJson) {
  auto text = ReadFile(fs::path(TOPORUN_SOURCE_DIR) / GetParam());
  ASSERT_TRUE(text.ok());
  const auto topology = TryLoad(*text, GetParam());
  ASSERT_TRUE(topology);
  EXPECT_TRUE(ParseJson(PrintJson(*topology)).ok());
}

INSTANTIATE_TEST_SUITE_P(Shipped, PrintFile, testing::ValuesIn(Shipped()),
                         [](const testing::TestParamInfo<std::string>& file) {
                           std::string name = file.param;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return std::isalnum(c) == 0; }, '_');
                           return name;
                         });

TEST(Print, WritesWhatWasHandedOut) {
  const auto topology = TryLoad(R"(
name: two
nodes: {a: , b: }
links:
  - endpoints: ["a:eth0", "b:eth0"]
    prefix: 10.0.0.0/30
    mtu: 1400
)");
  ASSERT_TRUE(topology);
  EXPECT_EQ(PrintYaml(*topology), R"(name: two
nodes:
  a:
    interfaces:
      eth0: {addresses: [10.0.0.1/30], mtu: 1400, mac: ")" +
                                      topology->nodes[0].interfaces[0].mac->value.text() + R"("}
  b:
    interfaces:
      eth0: {addresses: [10.0.0.2/30], mtu: 1400, mac: ")" +
                                      topology->nodes[1].interfaces[0].mac->value.text() + R"("}
links:
  - {endpoints: ["a:eth0", "b:eth0"]}
)");
}

TEST(Print, QuotesWhatIsNoPlainString) {
  const auto topology = TryLoad(R"(
name: "1"
nodes:
  "2":
    exec: [[a, "true", "1", "1.5", "null", "x: y", "$$HOME", ""]]
)");
  ASSERT_TRUE(topology);
  EXPECT_EQ(PrintYaml(*topology), R"(name: "1"
nodes:
  "2":
    exec: [[a, "true", "1", "1.5", "null", "x: y", "$$HOME", ""]]
)");
}

TEST(Print, KeepsABlockOfText) {
  const auto topology = TryLoad("name: x\nnodes:\n  a:\n    nftables: |\n      table inet t {\n      }\n");
  ASSERT_TRUE(topology);
  EXPECT_EQ(PrintYaml(*topology), "name: x\nnodes:\n  a:\n    nftables: |\n      table inet t {\n      }\n");
}

}  // namespace
}  // namespace runner
