// Processes that wait for each other, and tests that name what the lab has.
#include <regex.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <functional>

#include <fmt/format.h>

#include "base/comparison.h"
#include "base/text.h"
#include "topology/measures.h"
#include "topology/validate_index.h"

namespace runner::validate {
namespace {

using ProcessKey = std::pair<std::string_view, std::string_view>;  // node, process

std::string KeyText(const ProcessKey& key) { return std::string(key.first) + "/" + std::string(key.second); }

/// The processes of a node by name, as candidates for a near name.
std::string NearProcess(const Node& node, std::string_view name) {
  std::vector<std::string> names;
  for (const Process& process : node.processes) names.push_back(process.name);
  return DidYouMean(name, names);
}

class ProcessGraph {
 public:
  ProcessGraph(const Topology& topology, const Index& index, Findings& findings)
      : topology_(topology), index_(index), findings_(findings) {
    for (const Node& node : topology.nodes) {
      for (const Process& process : node.processes) processes_.emplace(ProcessKey(node.name, process.name), &process);
    }
  }

  void CheckEach() {
    for (const Node& node : topology_.nodes) {
      for (const Process& process : node.processes) {
        if (process.healthcheck) CheckHealth(node, process, *process.healthcheck);
        for (const Dependency& dependency : process.depends_on) CheckDependency(node, process, dependency);
      }
    }
  }

  void CheckCircles();

 private:
  void CheckHealth(const Node& node, const Process& process, const Healthcheck& check);
  void CheckDependency(const Node& node, const Process& process, const Dependency& dependency);
  void ReportCircle(const std::vector<ProcessKey>& path, const ProcessKey& key);

  enum class State { kUnseen, kOpen, kDone };
  const Topology& topology_;
  const Index& index_;
  Findings& findings_;
  std::map<ProcessKey, const Process*> processes_;
  std::map<ProcessKey, State> states_;
};

/// Why the text is no extended regular expression; empty when it is one.
std::string WhatIsWrongWith(const std::string& expression) {
  regex_t compiled;
  const int failed = regcomp(&compiled, expression.c_str(), REG_EXTENDED | REG_NOSUB);
  if (failed == 0) {
    regfree(&compiled);
    return "";
  }
  std::array<char, 256> text = {};
  regerror(failed, &compiled, text.data(), text.size());
  std::string why(text.data());
  if (!why.empty()) why[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(why[0])));
  return why;
}

void ProcessGraph::CheckHealth(const Node& node, const Process& process, const Healthcheck& check) {
  const std::string where = fmt::format("process \"{}/{}\"", node.name, process.name);
  if (check.kind == Healthcheck::Kind::kHttp && !check.target.starts_with("http://")) {
    findings_.Wrong(check.at, where, "healthcheck: http " + Quote(check.target),
                    "it is no http:// URL; a `test` with a program of yours can ask for anything else");
  }
  if (check.kind != Healthcheck::Kind::kLog) return;
  const std::string why = WhatIsWrongWith(check.target);
  if (!why.empty()) findings_.Wrong(check.at, where, "healthcheck: log " + Quote(check.target), why);
}

void ProcessGraph::CheckDependency(const Node& node, const Process& process, const Dependency& dependency) {
  const std::string where = fmt::format("process \"{}/{}\"", node.name, process.name);
  const std::string tried = "depends_on " + Quote(dependency.node + "/" + dependency.process);
  const auto found = processes_.find(ProcessKey(dependency.node, dependency.process));
  if (found == processes_.end()) {
    const Node* other = index_.FindNode(dependency.node);
    if (other == nullptr) {
      findings_.Wrong(dependency.at, where, tried, "there is no node " + Quote(dependency.node));
    } else {
      findings_.Wrong(dependency.at, where, tried,
                      fmt::format("node {} has no process {}{}", Quote(dependency.node), Quote(dependency.process),
                                  NearProcess(*other, dependency.process)));
    }
    return;
  }
  const Process& other = *found->second;
  if (dependency.condition == Dependency::Condition::kHealthy && !other.healthcheck) {
    findings_.Wrong(dependency.at, where, tried, "it never becomes healthy: it has no healthcheck",
                    {{other.at, "the process", {}}});
  }
  if (dependency.condition == Dependency::Condition::kCompleted && other.restart == Process::Restart::kAlways) {
    findings_.Wrong(dependency.at, where, tried, "it never completes: `restart: always`",
                    {{other.at, "the process", {}}});
  }
}

void ProcessGraph::ReportCircle(const std::vector<ProcessKey>& path, const ProcessKey& key) {
  const auto first = std::ranges::find(path, key);
  std::string circle;
  for (auto i = first; i != path.end(); ++i) circle += KeyText(*i) + " waits for ";
  findings_.Wrong(processes_.at(key)->at, "process " + Quote(KeyText(key)), "depends_on",
                  "a circle: " + circle + KeyText(key));
}

void ProcessGraph::CheckCircles() {
  struct Frame {
    ProcessKey key;
    std::size_t next;
  };
  // A stack of our own: a chain of dependencies may be as long as the file.
  for (const auto& [start, process] : processes_) {
    if (states_[start] != State::kUnseen) continue;
    std::vector<Frame> frames{{start, 0}};
    std::vector<ProcessKey> path{start};
    states_[start] = State::kOpen;
    while (!frames.empty()) {
      Frame& frame = frames.back();
      const auto& dependencies = processes_.at(frame.key)->depends_on;
      if (frame.next == dependencies.size()) {
        states_[frame.key] = State::kDone;
        frames.pop_back();
        path.pop_back();
        continue;
      }
      const Dependency& dependency = dependencies[frame.next++];
      const ProcessKey next(dependency.node, dependency.process);
      if (processes_.count(next) == 0 || states_[next] == State::kDone) continue;
      if (states_[next] == State::kOpen) {
        ReportCircle(path, next);
        continue;
      }
      states_[next] = State::kOpen;
      frames.push_back({next, 0});
      path.push_back(next);
    }
  }
}

/// Tells the steps of one test.
class TestChecks {
 public:
  TestChecks(const Topology& topology, const Index& index, const Test& test, Findings& findings)
      : topology_(topology), index_(index), findings_(findings), where_("test " + Quote(test.name)) {}

  void operator()(const Check& check) {
    if (check.from != "outside") CheckNode(check.from, check.at, "from");
    if (check.kind == "ping" || check.kind == "path" || check.kind == "throughput") CheckHost(check.target, check.at);
    if (check.kind == "http" && !check.target.starts_with("http://")) {
      findings_.Wrong(check.at, where_, "http " + Quote(check.target),
                      "a URL begins with http://; for https use `run: [curl, …]`");
    }
    for (const auto& [name, expected] : check.expect.measured) CheckMeasure(check, name, expected);
  }
  void operator()(const LinkChange& change) {
    if (change.node == "host" || index_.FindBridge(change.node) != nullptr) return;
    if (CheckNode(change.node, change.at, "link")) CheckInterface(change.node, change.interface, change.at);
  }
  void operator()(const NodeChange& change) { CheckNode(change.node, change.at, "node"); }
  void operator()(const ProcessChange& change) {
    if (!CheckNode(change.node, change.at, "process")) return;
    const Node& node = *index_.FindNode(change.node);
    if (std::ranges::find(node.processes, change.process, &Process::name) != node.processes.end()) return;
    findings_.Wrong(change.at, where_, "process " + Quote(change.node + "/" + change.process),
                    "there is no such process" + NearProcess(node, change.process));
  }
  void operator()(const Wait& /*wait*/) {}

 private:
  void CheckMeasure(const Check& check, const std::string& name, const std::string& expected) {
    const Measure* measure = FindMeasure(check.kind, name);
    if (measure == nullptr) {
      std::vector<std::string> known;
      for (const Measure& one : MeasuresOf(check.kind)) known.emplace_back(one.name);
      findings_.Wrong(check.at, where_, "expect " + name.substr(0, name.find('.')),
                      fmt::format("a {} measures {}", check.kind, Join(known, ", ")));
    } else if (measure->quantity && !Comparison::Parse(expected, *measure->quantity)) {
      findings_.Wrong(check.at, where_, "expect " + name,
                      fmt::format("{} is not {}", Quote(expected), QuantityExample(*measure->quantity)));
    }
    if (!name.ends_with(".matches")) return;
    regex_t compiled;
    const int failure = regcomp(&compiled, expected.c_str(), REG_EXTENDED | REG_NEWLINE | REG_NOSUB);
    if (failure == 0) return regfree(&compiled);
    std::array<char, 256> why = {};
    regerror(failure, &compiled, why.data(), why.size());
    findings_.Wrong(check.at, where_, "expect " + name, fmt::format("{}: {}", Quote(expected), why.data()));
  }

  bool CheckNode(const std::string& name, const Mark& at, std::string_view key) {
    if (index_.FindNode(name) != nullptr) return true;
    std::vector<std::string> names;
    for (const Node& node : topology_.nodes) names.push_back(node.name);
    findings_.Wrong(at, where_, std::string(key) + " " + Quote(name),
                    "there is no such node" + DidYouMean(name, names));
    return false;
  }

  void CheckInterface(const std::string& node, std::string_view interface, const Mark& at) {
    const PlaceDevices* place = index_.Find({.kind = Place::Kind::kNode, .name = node});
    if (place == nullptr || !place->knows_all() || place->Find(interface) != nullptr) return;
    findings_.Wrong(at, where_, Quote(node + ":" + std::string(interface)),
                    "the node has no such interface" + place->Near(interface));
  }

  /// A name may be anything that a resolver knows; only NODE:IFNAME is ours for sure.
  void CheckHost(const std::string& host, const Mark& at) {
    const auto parts = Split(host, ':');
    if (parts.size() != 2) return;
    const std::string node(parts[0]);
    if (CheckNode(node, at, "host")) CheckInterface(node, parts[1], at);
  }

  const Topology& topology_;
  const Index& index_;
  Findings& findings_;
  std::string where_;
};

}  // namespace

void CheckProcesses(const Topology& topology, const Index& index, Findings& findings) {
  ProcessGraph graph(topology, index, findings);
  graph.CheckEach();
  graph.CheckCircles();
}

void CheckTests(const Topology& topology, const Index& index, Findings& findings) {
  for (const Test& test : topology.tests) {
    TestChecks checks(topology, index, test, findings);
    for (const TestStep& step : test.steps) std::visit(std::ref(checks), step);
  }
}

}  // namespace runner::validate
