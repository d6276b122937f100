// Processes and tests in the words of the language.
#include <functional>

#include "base/json.h"
#include "topology/print.h"

namespace runner::print {
namespace {

std::string_view ConditionName(Dependency::Condition condition) {
  switch (condition) {
    case Dependency::Condition::kStarted:
      return "started";
    case Dependency::Condition::kHealthy:
      return "healthy";
    case Dependency::Condition::kCompleted:
      return "completed";
  }
  return "started";
}

std::string_view RestartName(Process::Restart restart) {
  switch (restart) {
    case Process::Restart::kNo:
      return "no";
    case Process::Restart::kOnFailure:
      return "on-failure";
    case Process::Restart::kAlways:
      return "always";
  }
  return "no";
}

void AddProbe(const Healthcheck& check, Json& out) {
  switch (check.kind) {
    case Healthcheck::Kind::kTest:
      out["test"] = Words(check.test);
      return;
    case Healthcheck::Kind::kTcp:
      out["tcp"] = Scalar(check.target);
      return;
    case Healthcheck::Kind::kUdp:
      out["udp"] = Scalar(check.target);
      return;
    case Healthcheck::Kind::kHttp:
      out["http"] = Escaped(check.target);
      return;
    case Healthcheck::Kind::kFile:
      out["file"] = Escaped(check.target);
      return;
    case Healthcheck::Kind::kLog:
      out["log"] = Escaped(check.target);
      return;
  }
}

Json OfHealthcheck(const Healthcheck& check) {
  Json out = Json::object();
  AddProbe(check, out);
  out["interval"] = Milliseconds(check.interval_ms);
  out["timeout"] = Milliseconds(check.timeout_ms);
  out["retries"] = check.retries;
  out["start_period"] = Milliseconds(check.start_period_ms);
  return out;
}

/// Strings of a document within the document, and its keys, as the loader reads them back.
Json EscapedJson(const Json& json) {
  if (json.is_string()) return Escaped(json.get_ref<const std::string&>());
  if (!json.is_structured()) return json;
  Json out = json.is_object() ? Json::object() : Json::array();
  for (const auto& [key, value] : json.items()) {
    if (json.is_object()) {
      out[Escaped(key)] = EscapedJson(value);
    } else {
      out.push_back(EscapedJson(value));
    }
  }
  return out;
}

/// What is measured has dotted names ("stdout.matches"); a `json` subset is kept as JSON text.
Json OfMeasured(const std::map<std::string, std::string>& measured) {
  Json out = Json::object();
  for (const auto& [name, value] : measured) {
    const std::size_t dot = name.find('.');
    if (dot == std::string::npos) {
      out[name] = Scalar(value);
      continue;
    }
    const std::string key = name.substr(dot + 1);
    Json& inner = out[name.substr(0, dot)][key];
    inner = Escaped(value);
    if (key != "json") continue;
    if (auto json = ParseJson(value)) inner = EscapedJson(*json);
  }
  return out;
}

Json OfExpectation(const Expectation& expect) {
  switch (expect.kind) {
    case Expectation::Kind::kReachable:
      return "reachable";
    case Expectation::Kind::kUnreachable:
      return "unreachable";
    case Expectation::Kind::kMeasured:
      return OfMeasured(expect.measured);
  }
  return "reachable";
}

class StepWriter {
 public:
  Json operator()(const Check& check) const {
    Json out = Json::object();
    out["from"] = check.from;
    if (check.kind == "run") {
      out["run"] = Words(check.run);
    } else {
      out[check.kind] = Escaped(check.target);
    }
    if (check.family) out["family"] = FamilyName(*check.family);
    if (check.count) out["count"] = *check.count;
    out["expect"] = OfExpectation(check.expect);
    if (check.within_ms) out["within"] = Milliseconds(*check.within_ms);
    return out;
  }
  Json operator()(const LinkChange& change) const {
    Json out = Json::object();
    out["link"] = change.node + ":" + change.interface;
    if (const bool* up = std::get_if<bool>(&change.set)) {
      out["set"] = *up ? "up" : "down";
    } else {
      out["set"] = OfImpairment(std::get<Impairment>(change.set));
    }
    return out;
  }
  Json operator()(const NodeChange& change) const {
    return {{"node", change.node}, {"set", change.up ? "up" : "down"}};
  }
  Json operator()(const ProcessChange& change) const {
    return {{"process", change.node + "/" + change.process}, {"set", change.set}};
  }
  Json operator()(const Wait& wait) const { return {{"wait", Milliseconds(wait.ms)}}; }
};

}  // namespace

Json OfProcess(const Process& process) {
  Json out = Json::object();
  out["command"] = Words(process.command);
  for (const auto& [name, value] : process.environment) out["environment"][Escaped(name)] = Escaped(value);
  if (!process.working_dir.empty()) out["working_dir"] = Escaped(process.working_dir);
  if (!process.user.empty()) out["user"] = Escaped(process.user);
  for (const Dependency& dependency : process.depends_on) {
    out["depends_on"][dependency.node + "/" + dependency.process]["condition"] = ConditionName(dependency.condition);
  }
  if (process.healthcheck) out["healthcheck"] = OfHealthcheck(*process.healthcheck);
  out["restart"] = RestartName(process.restart);
  out["stop_signal"] = process.stop_signal;
  out["stop_grace_period"] = Milliseconds(process.stop_grace_period_ms);
  return out;
}

Json OfTest(const Test& test) {
  if (test.steps.size() == 1 && std::holds_alternative<Check>(test.steps.front())) {
    return StepWriter()(std::get<Check>(test.steps.front()));
  }
  Json out = Json::object();
  out["steps"] = Json::array();
  for (const TestStep& step : test.steps) out["steps"].push_back(std::visit(StepWriter(), step));
  return out;
}

}  // namespace runner::print
