// What the YAML layer refuses, and how it types and places what it takes.
#include "topology/yaml.h"

#include "tests/unit/topology/load_support.h"

namespace runner {
namespace {

struct Case {
  std::string text;
  std::string told;
};

TEST(Yaml, TellsWhatItRefuses) {
  const std::vector<Case> cases = {
      {"", "1:1: the file is empty\n"},
      {"# nothing\n", "1:1: the file is empty\n"},
      {"[a]", "1:1: the file must be a map, not a list\n"},
      {"name: a\nname: b\n", "2:1: key \"name\" is given twice\n  1:1: first here\n"},
      {"nodes: {a: , a: }\n", "1:14: key \"a\" is given twice\n  1:9: first here\n"},
      {"name: a\n---\nname: b\n", "2:1: one document a file: a second one begins here\n"},
      {"x-a: &a [*a]\n", "1:10: the alias stands inside of what it is an alias of: a cycle\n"},
      {"x-a: *b\n", "1:6: this is no YAML: the referenced anchor is not defined\n"},
      {"x-a: !foo 1\n", "1:11: the tag \"!foo\" is not known here\n"},
      {"x-a: !foo {}\n", "1:11: the tag \"!foo\" is not known here\n"},
      {"x-a: {[a]: b}\n", "1:7: a key must be a word, not a list or a map\n"},
      {std::string("name: a\0b", 9), "1:8: a NUL byte: this is no text\n"},
      {"name: \xff", "1:7: this is not UTF-8\n"},
      {"name: \xc0\xaf", "1:7: this is not UTF-8\n"},
      {"name: \xed\xa0\x80", "1:7: this is not UTF-8\n"},
      {"name: a\x04\n", "1:8: a control character that YAML does not allow\n"},
      {"name: \"a\n", "1:7: this is no YAML: the quote is not closed\n"},
      {"name: 'a''\n", "1:7: this is no YAML: the quote is not closed\n"},
      {"nodes: {a: [1, 2\n", "2:1: this is no YAML: end of sequence flow not found\n"},
      {"nodes: {a: 1]\n", "1:13: this is no YAML: illegal flow end\n"},
      {"nodes: a: b\n", "1:9: this is no YAML: illegal map value\n"},
      {"nodes:\n\ta: 1\n", "2:1: a tab in the indentation: YAML indents with blanks only\n"},
      {"nodes: {a: {interfaces: {eth0: {mtu: ${MTU}}}}}\n",
       "1:38: `${…}` must be in quotes here: in {} and [] YAML takes the brace for its own\n"},
      {"x-a: &a 1\nname: {<<: *a}\n",
       "2:7: \"name\" must be text, not a map\n2:12: \"<<\" takes a map or a list of maps\n"},
  };
  for (const Case& one : cases) EXPECT_EQ(Told(one.text), one.told) << one.text;
}

TEST(Yaml, RefusesDepthAndSizeBeforeTheyHurt) {
  std::string deep = "x-a: ";
  for (int i = 0; i < 70; ++i) deep += "[";
  for (int i = 0; i < 70; ++i) deep += "]";
  EXPECT_EQ(Told(deep), "1:69: nested more than 64 deep\n");

  std::string laughs = "x-0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
  for (int i = 1; i < 9; ++i) {
    laughs += "x-" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) laughs += (j > 0 ? ", *a" : "*a") + std::to_string(i - 1);
    laughs += "]\n";
  }
  EXPECT_EQ(Told(laughs), "6:46: more than a million nodes, with what aliases stand for\n");

  EXPECT_EQ(Told(std::string(kMaxTextBytes + 1, ' ')), "the file is larger than 16 MiB\n");
}

TEST(Yaml, DepthCountsThroughAliases) {
  std::string text = "x-a: &a " + std::string(40, '[') + std::string(40, ']') + "\nx-b: " + std::string(40, '[') +
                     "*a" + std::string(40, ']') + "\n";
  EXPECT_EQ(Told(text), "2:46: nested more than 64 deep\n");
}

TEST(Yaml, TypesScalarsByTheCoreSchemaOfYaml12) {
  const std::vector<std::pair<std::string, ScalarType>> cases = {
      {"true", ScalarType::kBool},    {"False", ScalarType::kBool},
      {"yes", ScalarType::kString},   {"on", ScalarType::kString},
      {"no", ScalarType::kString},    {"12", ScalarType::kInteger},
      {"-7", ScalarType::kInteger},   {"0x1F", ScalarType::kInteger},
      {"0o17", ScalarType::kInteger}, {"0b1", ScalarType::kString},
      {"1_000", ScalarType::kString}, {"1.5", ScalarType::kFloat},
      {"1e3", ScalarType::kFloat},    {".inf", ScalarType::kFloat},
      {"1:30", ScalarType::kString},  {"02:00:00:00:00:01", ScalarType::kString},
      {"~", ScalarType::kNull},       {"null", ScalarType::kNull},
      {"1.2.3", ScalarType::kString}, {"", ScalarType::kNull},
      {"0x", ScalarType::kString}};
  for (const auto& [text, type] : cases) {
    YamlNode node;
    node.kind = YamlNode::Kind::kScalar;
    node.text = text;
    EXPECT_EQ(TypeOf(node), type) << text;
    node.style = YamlNode::Style::kQuoted;
    EXPECT_EQ(TypeOf(node), ScalarType::kString) << text;
  }
}

TEST(Yaml, TakesAByteOrderMarkAndCarriageReturns) {
  EXPECT_EQ(Told("\xef\xbb\xbfname: lab\r\nnodes:\r\n  a:\r\n"), "");
  EXPECT_EQ(Told("\xef\xbb\xbfnmae: lab\r\n"), "1:1: unknown key \"nmae\" (did you mean \"name\"?)\n");
}

TEST(Yaml, CountsColumnsInCharacters) {
  EXPECT_EQ(Told("x-a: {ä: 東京, b: 1}\nnodes: {a: {x-ä: 1, grup: 1}}\n"),
            "2:21: node \"a\": unknown key \"grup\" (did you mean \"group\"?)\n");
}

TEST(Yaml, PlacesAnAliasWhereItStands) {
  EXPECT_EQ(Told("x-m: &m 3\nnodes: {a: {interfaces: {d: {type: dummy, mtu: *m}}}}\n"),
            "2:48: interface \"a:d\": \"mtu\" must be a whole number from 68 to 65535, not \"3\"\n");
}

TEST(Yaml, MergesKeysWithTheNearerFirst) {
  const Topology topology = Loaded(
      "x-a: &a {type: dummy, mtu: 1400, txqueuelen: 5}\n"
      "x-b: &b {mtu: 1300, state: down}\n"
      "nodes:\n"
      "  n:\n"
      "    interfaces:\n"
      "      d0: {<<: *a}\n"
      "      d1: {<<: [*b, *a], txqueuelen: 9}\n");
  const Node& node = topology.nodes[0];
  EXPECT_EQ(node.interfaces[0].mtu->value, 1400U);
  EXPECT_EQ(node.interfaces[1].mtu->value, 1300U);
  EXPECT_EQ(node.interfaces[1].txqueuelen->value, 9U);
  EXPECT_FALSE(node.interfaces[1].is_up());
}

TEST(Yaml, HintsAtForgottenQuotes) {
  EXPECT_EQ(Told("nodes: {a: {dns: {nameservers: [fd00::]}}}\n"),
            "1:33: node \"a\": \"nameservers\" must be an address or NODE:IFNAME, not a map; put \"fd00::\" in quotes: "
            "YAML reads a colon there as a map\n");
  EXPECT_EQ(Told("nodes: {\"h[1-2]\": {interfaces: {d: {type: dummy, mtu: {n}}}}}\n"),
            "1:55: interface \"h1:d\": \"mtu\" must be a whole number from 68 to 65535, not a map; put \"{n}\" in "
            "quotes: YAML reads braces as a map\n");
}

}  // namespace
}  // namespace runner
