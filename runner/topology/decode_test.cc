// Tests of a file: checks and changes.
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "topology/decode.h"

namespace runner {
namespace {

const std::vector<std::string> kCheckKinds = {"ping", "tcp",   "udp",  "http",      "dns",
                                              "run",  "route", "path", "throughput"};
const std::vector<std::string> kCheckKeys = {"from",  "ping", "tcp",        "udp",    "http",   "dns",    "run",
                                             "route", "path", "throughput", "expect", "within", "family", "count"};
const std::vector<std::string> kMeasures = {"status", "stdout",     "stderr", "code", "answer", "loss",
                                            "rtt",    "throughput", "mtu",    "via",  "dev"};

Json ToJson(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return nullptr;
    case YamlNode::Kind::kSequence: {
      Json list = Json::array();
      for (const YamlNode* item : node.items) list.push_back(ToJson(*item));
      return list;
    }
    case YamlNode::Kind::kMap: {
      Json map = Json::object();
      for (const YamlEntry& entry : node.entries) map[entry.key->text] = ToJson(*entry.value);
      return map;
    }
    case YamlNode::Kind::kScalar:
      break;
  }
  switch (TypeOf(node)) {
    case ScalarType::kNull:
      return nullptr;
    case ScalarType::kBool:
      return node.text[0] == 't' || node.text[0] == 'T';
    case ScalarType::kInteger:
      if (const auto number = ParseInteger(node.text)) return *number;
      return node.text;
    case ScalarType::kFloat:
      // What JSON has no word for (.inf, a leading dot) stays text.
      if (auto number = ParseJson(node.text); number.ok()) return *number;
      return node.text;
    case ScalarType::kString:
      break;
  }
  return node.text;
}

void DecodeOutput(const YamlNode& value, const std::string& key, Expectation& expect, const Reporter& reporter) {
  if (value.is_scalar()) {
    expect.measured[key + ".equals"] = value.text;
    return;
  }
  const Fields fields(value, key, reporter, {"equals", "contains", "matches", "json"});
  for (const char* how : {"equals", "contains", "matches"}) {
    const YamlNode* text = fields.Find(how);
    if (text == nullptr) continue;
    if (auto read = ReadScalar(*text, how, reporter)) expect.measured[key + "." + how] = std::move(*read);
  }
  if (const YamlNode* json = fields.Find("json")) expect.measured[key + ".json"] = JsonText(ToJson(*json));
}

Expectation DecodeExpect(const YamlNode& value, const Reporter& reporter) {
  Expectation expect;
  if (value.is_scalar()) {
    const auto word = ReadWord(value, "expect", {"reachable", "unreachable"}, reporter);
    if (word == 1) expect.kind = Expectation::Kind::kUnreachable;
    return expect;
  }
  expect.kind = Expectation::Kind::kMeasured;
  const Fields fields(value, "expect", reporter, kMeasures);
  for (const std::string& key : kMeasures) {
    const YamlNode* measure = fields.Find(key);
    if (measure == nullptr) continue;
    if (key == "stdout" || key == "stderr") {
      DecodeOutput(*measure, key, expect, reporter);
    } else if (measure->is_sequence() && (key == "via" || key == "answer" || key == "dev")) {
      expect.measured[key] = Join(ReadEach<std::string>(*measure, key, reporter, ReadName), ",");
    } else if (auto text = ReadScalar(*measure, key, reporter)) {
      expect.measured[key] = std::move(*text);
    }
  }
  return expect;
}

std::optional<Check> DecodeCheck(const YamlNode& map, const Reporter& reporter) {
  const std::size_t before = reporter.diagnostics().error_count();
  const Fields fields(map, "check", reporter, kCheckKeys);
  if (!fields.is_map()) return std::nullopt;
  Check check;
  check.at = map.at;
  if (const YamlNode* from = fields.Require("from")) {
    check.from = ReadName(*from, "from", reporter).value_or("");
  }
  int kinds = 0;
  for (const std::string& kind : kCheckKinds) {
    const YamlNode* value = fields.Find(kind);
    if (value == nullptr) continue;
    ++kinds;
    check.kind = kind;
    if (kind == "run") {
      check.run = ReadCommand(*value, kind, reporter).value_or(Command{});
    } else {
      check.target = ReadName(*value, kind, reporter).value_or("");
    }
    const bool has_port = check.target.find(':') != std::string::npos &&
                          ParsePorts(check.target.substr(check.target.rfind(':') + 1)).has_value();
    if ((kind == "tcp" || kind == "udp") && !check.target.empty() && !has_port) {
      reporter.WrongValue(*value, kind, "HOST:PORT");
    }
  }
  if (kinds != 1 && !(kinds == 0 && fields.has_unknown())) {
    reporter.Wrong(map.at, "a check has exactly one of " + Join(kCheckKinds, ", "));
  }
  if (const auto family = fields.Word("family", {"ipv4", "ipv6"})) {
    check.family = *family == 0 ? Family::kIpv4 : Family::kIpv6;
  }
  check.count = fields.Number<int>("count", 1);
  if (const YamlNode* expect = fields.Find("expect")) check.expect = DecodeExpect(*expect, reporter);
  check.within_ms = fields.Get<std::int64_t>("within", ReadMilliseconds);
  if (reporter.diagnostics().error_count() != before) return std::nullopt;
  return check;
}

std::optional<TestStep> DecodeChange(const YamlNode& map, const Reporter& reporter) {
  const auto is = [&](std::string_view key) { return map.Find(key) != nullptr; };
  if (is("wait")) {
    const Fields fields(map, "wait", reporter, {"wait"});
    const auto ms = fields.Get<std::int64_t>("wait", ReadMilliseconds);
    if (!ms) return std::nullopt;
    return Wait{*ms};
  }
  const std::string what = is("link") ? "link" : is("node") ? "node" : "process";
  const Fields fields(map, what, reporter, {what, "set"});
  const auto name = fields.Name(what);
  const YamlNode* set = fields.Require("set");
  if (!name || set == nullptr) return std::nullopt;
  const YamlNode& target = *fields.Find(what);
  if (what == "node") {
    const auto word = ReadWord(*set, "set", {"down", "up"}, reporter);
    if (!word) return std::nullopt;
    NodeChange change;
    change.node = *name;
    change.up = *word == 1;
    change.at = target.at;
    return change;
  }
  if (what == "link") {
    const auto parts = SplitReference(*name);
    if (!parts) {
      reporter.WrongValue(target, "link", "NODE:IFNAME");
      return std::nullopt;
    }
    LinkChange change;
    change.node = parts->first;
    change.interface = parts->second;
    change.at = target.at;
    if (set->is_map()) {
      auto impair = DecodeImpairment(*set, reporter);
      if (!impair) return std::nullopt;
      change.set = std::move(*impair);
      return change;
    }
    const auto word = ReadWord(*set, "set", {"down", "up"}, reporter);
    if (!word) return std::nullopt;
    change.set = *word == 1;
    return change;
  }
  const std::size_t slash = name->find('/');
  if (slash == std::string::npos) {
    reporter.WrongValue(target, "process", "NODE/NAME");
    return std::nullopt;
  }
  const std::vector<std::string> states = {"killed", "stopped", "started"};
  const auto word = ReadWord(*set, "set", states, reporter);
  if (!word) return std::nullopt;
  ProcessChange change;
  change.node = name->substr(0, slash);
  change.process = name->substr(slash + 1);
  change.set = states[*word];
  change.at = target.at;
  return change;
}

std::optional<TestStep> DecodeStep(const YamlNode& map, const Reporter& reporter) {
  if (!map.is_map()) {
    reporter.WrongValue(map, "steps", "a list of checks and changes");
    return std::nullopt;
  }
  for (const char* key : {"link", "node", "process", "wait"}) {
    if (map.Find(key) != nullptr) return DecodeChange(map, reporter);
  }
  auto check = DecodeCheck(map, reporter);
  if (!check) return std::nullopt;
  return TestStep(std::move(*check));
}

}  // namespace

void DecodeTests(const YamlNode& map, Draft& draft, Diagnostics& diagnostics) {
  if (!map.is_map()) return Reporter(diagnostics, "").WrongValue(map, "tests", "a map of tests by name");
  for (const YamlEntry& entry : map.entries) {
    const Reporter reporter(diagnostics, "test " + Quote(entry.key->text));
    Test test;
    test.name = entry.key->text;
    test.at = entry.key->at;
    const YamlNode& value = *entry.value;
    if (!value.is_map()) {
      reporter.WrongValue(value, entry.key->text, "a check or a map with \"steps\"");
    } else if (const YamlNode* steps = value.Find("steps")) {
      const Fields fields(value, "test", reporter, {"steps"});
      ReadList(*steps, "steps", reporter, [&](const YamlNode& item) {
        if (auto step = DecodeStep(item, reporter)) test.steps.push_back(std::move(*step));
      });
    } else if (auto check = DecodeCheck(value, reporter)) {
      test.steps.emplace_back(std::move(*check));
    }
    draft.topology.tests.push_back(std::move(test));
  }
}

}  // namespace runner
