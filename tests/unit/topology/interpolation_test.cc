#include "topology/interpolation.h"

#include "tests/unit/topology/load_support.h"

namespace runner {
namespace {

LoadOptions With(std::vector<std::pair<std::string, std::string>> set) {
  LoadOptions options = TestOptions();
  options.set = std::move(set);
  options.environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "FROM_ENV") return "env";
    if (name == "EMPTY") return "";
    return std::nullopt;
  };
  return options;
}

std::string NameOf(const std::string& value, const LoadOptions& options) {
  return Loaded("name: " + value + "\n", options).name;
}

TEST(Interpolation, TakesSetBeforeTheEnvironmentBeforeTheDefault) {
  EXPECT_EQ(NameOf("${FROM_ENV}", With({})), "env");
  EXPECT_EQ(NameOf("${FROM_ENV}", With({{"FROM_ENV", "set"}})), "set");
  EXPECT_EQ(NameOf("${FROM_ENV}", With({{"FROM_ENV", "a"}, {"FROM_ENV", "b"}})), "b");
  EXPECT_EQ(NameOf("${NONE:-default}", With({})), "default");
  EXPECT_EQ(NameOf("${EMPTY:-default}", With({})), "default");
  EXPECT_EQ(NameOf("a${NONE:-b${FROM_ENV}c}d", With({})), "abenvcd");
}

TEST(Interpolation, TypesTheResultAsIfPlain) {
  const std::string text = "nodes: {a: {forwarding: \"${F}\", interfaces: {d: {type: dummy, mtu: \"${M:-1400}\"}}}}\n";
  const Topology topology = Loaded(text, With({{"F", "true"}}));
  EXPECT_TRUE(topology.nodes[0].forwarding.ipv4->value);
  EXPECT_EQ(topology.nodes[0].interfaces[0].mtu->value, 1400U);
  EXPECT_FALSE(Loaded(text, With({{"F", "true"}, {"M", "null"}})).nodes[0].interfaces[0].mtu);
}

TEST(Interpolation, ReachesKeysAndLeavesBareDollars) {
  const Topology topology =
      Loaded("nodes: {\"${N}\": {exec: [[sh, -c, \"echo $HOME $$X $${Y}\"]]}}\n", With({{"N", "web"}}));
  EXPECT_EQ(topology.nodes[0].name, "web");
  EXPECT_EQ(topology.nodes[0].exec[0].command[2], "echo $HOME $X ${Y}");
}

TEST(Interpolation, TellsWhatIsWrong) {
  EXPECT_EQ(Told("name: ${NAME}\n", With({})),
            "1:7: \"NAME\" is not set: give --set NAME=VALUE, or a default: ${NAME:-VALUE}\n");
  EXPECT_EQ(Told("name: ${NAME:?say which}\n", With({})), "1:7: \"NAME\": say which\n");
  EXPECT_EQ(Told("name: ${NAME\n", With({})), "1:7: `${` without its `}`; write `$$` for a dollar sign\n");
  EXPECT_EQ(Told("name: ${NAME-x}\n", With({})),
            "1:7: `${NAME-x}` is no reference: write ${NAME}, ${NAME:-default} or ${NAME:?message}, or $$ for a dollar "
            "sign\n");
  EXPECT_EQ(Told("name: ${HOSTS:-a}\n", With({{"HOST", "3"}})),
            "--set: \"HOST\" is not used in the file (did you mean \"HOSTS\"?)\n");
}

TEST(Interpolation, ARefusedValueIsNotMissed) {
  EXPECT_EQ(Told("nodes: {a: {uplink: {type: \"${T}\"}}}\n", With({})),
            "1:28: \"T\" is not set: give --set T=VALUE, or a default: ${T:-VALUE}\n");
}

}  // namespace
}  // namespace runner
