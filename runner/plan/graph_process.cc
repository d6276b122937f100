// A node's own view of the file system, the files in it, and the processes that run in it.
#include <set>
#include <utility>

#include <fmt/format.h>

#include "plan/file_content.h"
#include "plan/graph_builder.h"

namespace runner {
namespace {

using Strength = DependsOn::Strength;
using Condition = Dependency::Condition;

ResourceId ViewId(const std::string& node) { return {.kind = Kind::kView, .name = node}; }

ResourceId ProcessId(const std::string& node, const std::string& process) {
  return {.kind = Kind::kProcess, .name = node + "/" + process};
}

const char* NameOf(Condition condition) { return condition == Condition::kCompleted ? "completed" : "healthy"; }

ResourceId ConditionId(const std::string& node, const std::string& process, Condition condition) {
  return {.kind = Kind::kCondition, .name = node + "/" + process + "/" + NameOf(condition)};
}

/// An id has no white space.
std::string InId(const std::string& path) {
  std::string out;
  for (const char c : path) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '%') {
      out += fmt::format("%{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

bool HasView(const Node& node) {
  return !node.files.empty() || !node.binds.empty() || !node.tmpfs.empty() || !node.processes.empty();
}

HealthcheckAttributes AttributesOf(const Healthcheck& check) {
  constexpr const char* kKinds[] = {"test", "tcp", "udp", "http", "file", "log"};
  return {.kind = kKinds[static_cast<int>(check.kind)],
          .test = check.test,
          .target = check.target,
          .interval_ms = check.interval_ms,
          .timeout_ms = check.timeout_ms,
          .start_period_ms = check.start_period_ms,
          .retries = check.retries};
}

std::string RestartName(Process::Restart restart) {
  constexpr const char* kNames[] = {"no", "on-failure", "always"};
  return kNames[static_cast<int>(restart)];
}

}  // namespace

void GraphBuilder::AddView(const Node& node) {
  if (!HasView(node)) return;
  const Place place = NodePlace(node);
  ViewAttributes view{.ns = NamespaceOf(place), .node = node.name, .binds = {}, .tmpfs = {}, .files = {}};
  for (const Bind& bind : node.binds) {
    const bool absolute = bind.host_path.starts_with('/');
    view.binds.push_back({.host_path = absolute ? bind.host_path : inputs_.folder + "/" + bind.host_path,
                          .path = bind.path,
                          .read_only = bind.read_only});
  }
  for (const At<std::string>& path : node.tmpfs) view.tmpfs.push_back(path.value);
  for (const NodeFile& file : node.files) view.files.push_back(file.path);
  std::vector<DependsOn> on = {{.id = NamespaceId(place)}};
  // It shows the node's hosts and resolver.
  for (const char* file : {"/hosts", "/resolv.conf"}) {
    on.push_back({.id = {.kind = Kind::kFile, .name = node.name + file}, .strength = Strength::kAfter});
  }
  Add(Kind::kView, node.name, view, node.at, on);
  for (const NodeFile& file : node.files) {
    const auto source = inputs_.sources.find(file.source);
    const std::string bytes = file.content                      ? *file.content
                              : source == inputs_.sources.end() ? std::string()
                                                                : source->second;
    FileContent content = EncodeContent(bytes);
    Add(Kind::kContent, node.name + ":" + InId(file.path),
        ContentAttributes{.ns = view.ns,
                          .node = node.name,
                          .path = file.path,
                          .content = std::move(content.text),
                          .is_hex = content.is_hex,
                          .mode = fmt::format("{:04o}", file.mode)},
        file.at, {{.id = ViewId(node.name)}, {.id = NamespaceId(place)}});
  }
}

void GraphBuilder::AddProcess(const Node& node, const Process& process) {
  ProcessAttributes attributes{.ns = NamespaceOf(NodePlace(node)), .node = node.name, .name = process.name};
  attributes.command = process.command;
  for (const auto& [name, value] : process.environment) attributes.environment.push_back(name + "=" + value);
  attributes.working_dir = process.working_dir;
  attributes.user = process.user;
  if (process.healthcheck) attributes.healthcheck = AttributesOf(*process.healthcheck);
  attributes.restart = RestartName(process.restart);
  attributes.stop_signal = process.stop_signal;
  attributes.stop_grace_period_ms = process.stop_grace_period_ms;
  std::vector<DependsOn> on = {{.id = ViewId(node.name)}, {.id = NamespaceId(NodePlace(node))}};
  for (const NodeFile& file : node.files) {
    on.push_back(
        {.id = {.kind = Kind::kContent, .name = node.name + ":" + InId(file.path)}, .strength = Strength::kAfter});
  }
  for (const Dependency& dependency : process.depends_on) {
    on.push_back({.id = ProcessId(dependency.node, dependency.process), .strength = Strength::kAfter});
    if (dependency.condition == Condition::kStarted) continue;
    on.push_back(
        {.id = ConditionId(dependency.node, dependency.process, dependency.condition), .strength = Strength::kAfter});
  }
  Add(Kind::kProcess, ProcessId(node.name, process.name).name, attributes, process.at, on);
}

void GraphBuilder::AddConditions() {
  std::set<std::pair<std::string, std::string>> awaited;  // to be completed
  for (const Node& node : topology_.nodes) {
    for (const Process& process : node.processes) {
      for (const Dependency& on : process.depends_on) {
        if (on.condition == Condition::kCompleted) awaited.emplace(on.node, on.process);
      }
    }
  }
  const auto add = [this](const Node& node, const Process& process, Condition condition, Position at) {
    Add(Kind::kCondition, ConditionId(node.name, process.name, condition).name,
        ConditionAttributes{.ns = NamespaceOf(NodePlace(node)),
                            .node = node.name,
                            .process = process.name,
                            .condition = NameOf(condition)},
        at, {{.id = ProcessId(node.name, process.name)}, {.id = NamespaceId(NodePlace(node))}});
  };
  for (const Node& node : topology_.nodes) {
    for (const Process& process : node.processes) {
      if (process.healthcheck) add(node, process, Condition::kHealthy, process.healthcheck->at);
      if (awaited.contains({node.name, process.name})) add(node, process, Condition::kCompleted, process.at);
    }
  }
}

}  // namespace runner
