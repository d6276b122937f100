// The schema and the loader know the same keys, in every map of the language, both ways: each map is offered every
// word that either of them knows, and the loader must call exactly those unknown that the schema does not list.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"
#include "topology/load.h"

namespace runner {
namespace {

namespace fs = std::filesystem;
using Words = std::set<std::string>;

std::string Read(const fs::path& path) {
  auto text = ReadFile(path);
  EXPECT_TRUE(text.ok()) << path;
  return text.ok() ? std::move(text).value() : std::string();
}

class Schema {
 public:
  Schema() {
    auto json = ParseJson(Read(fs::path(TOPORUN_SOURCE_DIR) / "schema" / "topology.schema.json"));
    EXPECT_TRUE(json.ok());
    if (json.ok()) root_ = std::move(json).value();
  }

  /// The map at `path`: names of keys, `*` for any key or item. Of several that may stand there, the one with `with`.
  const Json* Find(const std::string& path, const std::string& with) const {
    std::vector<const Json*> here = Alternatives(root_);
    for (const auto step : Split(path, '/')) {
      if (step.empty()) continue;
      std::vector<const Json*> next;
      for (const Json* schema : here) {
        if (const Json* inner = Step(*schema, std::string(step))) {
          for (const Json* alternative : Alternatives(*inner)) next.push_back(alternative);
        }
      }
      here = std::move(next);
    }
    for (const Json* schema : here) {
      if (!schema->contains("properties")) continue;
      if (with.empty() || schema->at("properties").contains(with)) return schema;
    }
    return nullptr;
  }

  /// Every map with fixed keys.
  std::set<const Json*> Maps() const {
    std::set<const Json*> maps;
    Collect(root_, maps);
    return maps;
  }

  Words AllKeys() const {
    Words keys;
    for (const Json* map : Maps()) {
      for (const auto& [key, value] : map->at("properties").items()) keys.insert(key);
    }
    return keys;
  }

 private:
  const Json* Step(const Json& schema, const std::string& step) const {
    if (step != "*") {
      return schema.contains("properties") && schema["properties"].contains(step) ? &schema["properties"][step]
                                                                                  : nullptr;
    }
    if (schema.contains("items")) return &schema["items"];
    const bool is_map = schema.contains("additionalProperties") && schema["additionalProperties"].is_object();
    return is_map ? &schema["additionalProperties"] : nullptr;
  }

  std::vector<const Json*> Alternatives(const Json& schema) const {
    if (schema.contains("$ref")) {
      const std::string name = schema["$ref"].get<std::string>().substr(std::string("#/$defs/").size());
      return Alternatives(root_["$defs"][name]);
    }
    std::vector<const Json*> out{&schema};
    if (!schema.contains("anyOf")) return out;
    for (const Json& alternative : schema["anyOf"]) {
      for (const Json* one : Alternatives(alternative)) out.push_back(one);
    }
    return out;
  }

  static void Collect(const Json& json, std::set<const Json*>& maps) {
    if (json.is_object() && json.contains("properties") && json.contains("additionalProperties")) maps.insert(&json);
    if (!json.is_structured()) return;
    for (const Json& value : json) Collect(value, maps);
  }

  Json root_;
};

/// Every word in double quotes of the decoder's sources: whatever key it knows is among them.
Words DecoderWords() {
  Words words;
  for (const auto& entry : fs::directory_iterator(fs::path(TOPORUN_SOURCE_DIR) / "runner" / "topology")) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("decode") || entry.path().extension() != ".cc") continue;
    const std::string text = Read(entry.path());
    // What stands between two quotes need not be a string: more words than there are do no harm.
    for (const std::string_view part : Split(text, '"')) {
      const bool is_key = part.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos;
      if (!part.empty() && is_key) words.emplace(part);
    }
  }
  return words;
}

/// A document with one map in which the offered keys go, at `@`.
struct SchemaMap {
  std::string path;                               // in the schema
  std::string document;                           // `@` is the inside of a flow map
  std::map<std::string, std::string> fixed = {};  // values that lead the decoder to this map
  Words absent = {};                              // keys that would lead it elsewhere
  std::string with = {};                          // a key that tells alternatives of the schema apart
  Words expected = {};                            // of an interface's type; else the schema's properties
};

const std::string kNode = "nodes: {a: {";
const std::string kEnd = "}}\n";

std::string WithinNode(const std::string& inner) { return kNode + inner + kEnd; }

std::string WithinInterface(const std::string& inner) { return WithinNode("interfaces: {i: {" + inner + "}}"); }

std::vector<SchemaMap> Places() {
  const std::string links = "nodes: {a: , b: }\nlinks: [{";
  const Words step = {"link", "node", "process", "wait", "steps"};
  return {
      {"", "{@}"},
      {"nodes/*", WithinNode("@")},
      {"nodes/*/interfaces/*/addresses/*", WithinInterface("addresses: [{@}]"), {{"address", "10.0.0.1/24"}}},
      {"nodes/*/interfaces/*/impair", WithinInterface("impair: {@}")},
      {"nodes/*/interfaces/*/fdb/*", WithinInterface("type: vxlan, id: 1, fdb: [{@}]")},
      {"nodes/*/interfaces/*/peers/*", WithinInterface("type: wireguard, peers: [{@}]")},
      {"nodes/*/routes/*", WithinNode("routes: [{@}]")},
      {"nodes/*/routes/*/to", WithinNode("routes: [{to: {@}, dev: lo}]")},
      {"nodes/*/routes/*/nexthops/*", WithinNode("routes: [{to: 10.0.0.0/8, nexthops: [{@}]}]")},
      {"nodes/*/routes/*/encap", WithinNode("routes: [{to: 10.0.0.0/8, dev: lo, encap: {@}}]")},
      {"nodes/*/routes/*/encap/seg6", WithinNode("routes: [{to: 10.0.0.0/8, dev: lo, encap: {seg6: {@}}}]")},
      {"nodes/*/routes/*/encap/seg6local", WithinNode("routes: [{to: 10.0.0.0/8, dev: lo, encap: {seg6local: {@}}}]")},
      {"nodes/*/rules/*", WithinNode("rules: [{@}]")},
      {"nodes/*/neighbours/*", WithinNode("neighbours: [{@}]")},
      {"nodes/*/forwarding", WithinNode("forwarding: {@}")},
      {"nodes/*/nat/*", WithinNode("nat: [{@}]")},
      {"nodes/*/nat/*/masquerade", WithinNode("nat: [{masquerade: {@}}]")},
      {"nodes/*/nat/*/snat", WithinNode("nat: [{snat: {@}}]")},
      {"nodes/*/nat/*/forward", WithinNode("nat: [{forward: {@}}]")},
      {"nodes/*/uplink", WithinNode("uplink: {@}")},
      {"nodes/*/ports/*", WithinNode("ports: [{@}]")},
      {"nodes/*/dns", WithinNode("dns: {@}")},
      {"nodes/*/attach", WithinNode("attach: {@}")},
      {"nodes/*/processes/*", WithinNode("processes: {p: {@}}")},
      {"nodes/*/processes/*/depends_on/*", WithinNode("processes: {p: {command: x, depends_on: {q: {@}}}}")},
      {"nodes/*/processes/*/healthcheck", WithinNode("processes: {p: {command: x, healthcheck: {@}}}")},
      {"nodes/*/files/*", WithinNode("files: {/f: {@}}")},
      {"bridges/*", "bridges: {lan: {@}}\n"},
      {"links/*", links + "@}]\n"},
      {"links/*/endpoints/*", links + "endpoints: [{@}, \"b:eth0\"]}]\n"},
      {"links/*/endpoints/*/vlans", links + "endpoints: [{node: a, interface: i, vlans: {@}}, \"b:eth0\"]}]\n"},
      {"links/*/prefix", links + "endpoints: [\"a:i\", \"b:i\"], prefix: {@}}]\n"},
      {"tests/*", "tests: {t: {@}}\n", {}, step, "ping"},
      {"tests/*", "tests: {t: {@}}\n", {{"steps", "[]"}}, {}, "steps"},
      {"tests/*/expect", "tests: {t: {from: outside, ping: a, expect: {@}}}\n"},
      {"tests/*/expect/stdout", "tests: {t: {from: outside, ping: a, expect: {stdout: {@}}}}\n"},
      {"tests/*/expect/stderr", "tests: {t: {from: outside, ping: a, expect: {stderr: {@}}}}\n"},
      {"tests/*/steps/*", "tests: {t: {steps: [{@}]}}\n", {}, {"wait"}, "link"},
      {"tests/*/steps/*", "tests: {t: {steps: [{@}]}}\n", {}, {"wait", "link"}, "node"},
      {"tests/*/steps/*", "tests: {t: {steps: [{@}]}}\n", {}, {"wait", "link", "node"}, "process"},
      {"tests/*/steps/*", "tests: {t: {steps: [{@}]}}\n", {}, {}, "wait"},
  };
}

/// An interface knows the keys of its type only; the schema says so by conditions.
std::vector<SchemaMap> InterfaceTypes(const Schema& schema) {
  std::vector<SchemaMap> places;
  const Json* interface = schema.Find("nodes/*/interfaces/*", {});
  if (interface == nullptr) return places;
  for (const Json& condition : interface->at("allOf")) {
    Words keys;
    for (const Json& key : condition["then"]["propertyNames"]["anyOf"][0]["enum"]) keys.insert(key.get<std::string>());
    for (const Json& type : condition["if"]["properties"]["type"]["enum"]) {
      const auto name = type.get<std::string>();
      places.push_back({"nodes/*/interfaces/*", WithinInterface("@"), {{"type", name}}, {}, {}, keys});
    }
  }
  return places;
}

/// The keys that the loader calls unknown in the document.
Words Unknown(const std::string& document) {
  Words unknown;
  const auto result = LoadTopology(document, {.file = "lab.yaml"});
  for (const Error& error : result.errors) {
    constexpr std::string_view kBegin = "unknown key \"";
    if (!error.why.starts_with(kBegin)) continue;
    const std::size_t end = error.why.find('"', kBegin.size());
    unknown.insert(error.why.substr(kBegin.size(), end - kBegin.size()));
  }
  return unknown;
}

TEST(Schema, KnowsTheKeysThatTheLoaderKnows) {
  const Schema schema;
  Words offered = DecoderWords();
  offered.merge(schema.AllKeys());
  ASSERT_GT(offered.size(), 200u);
  offered.insert("surely_no_key");

  std::vector<SchemaMap> places = Places();
  for (SchemaMap& place : InterfaceTypes(schema)) places.push_back(std::move(place));
  std::set<const Json*> seen;
  for (const SchemaMap& place : places) {
    SCOPED_TRACE(place.path + " " + place.document + " " + place.with);
    const Json* map = schema.Find(place.path, place.with);
    ASSERT_NE(map, nullptr);
    seen.insert(map);
    Words known = place.expected;
    if (known.empty()) {
      for (const auto& [key, value] : map->at("properties").items()) known.insert(key);
    }
    std::string inside;
    Words expected;
    for (const std::string& key : offered) {
      if (place.absent.contains(key)) continue;
      const auto fixed = place.fixed.find(key);
      inside += (inside.empty() ? "" : ", ") + key + ": " + (fixed == place.fixed.end() ? "1" : fixed->second);
      if (!known.contains(key)) expected.insert(key);
    }
    std::string document = place.document;
    document.replace(document.find('@'), 1, inside);
    EXPECT_EQ(Unknown(document), expected);
  }
  for (const Json* map : schema.Maps()) {
    EXPECT_TRUE(seen.contains(map)) << "no document leads to this map: " << JsonText(*map).substr(0, 200);
  }
}

}  // namespace
}  // namespace runner
