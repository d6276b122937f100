// Processes of a node, and its own view of files.
#include <fmt/format.h>

#include "base/text.h"
#include "topology/decode.h"

namespace runner {
namespace {

const std::vector<std::string> kProbes = {"test", "tcp", "udp", "http", "file", "log"};

std::optional<Healthcheck> DecodeHealthcheck(const YamlNode& map, const Reporter& reporter) {
  const Fields fields(map, "healthcheck", reporter,
                      {"test", "tcp", "udp", "http", "file", "log", "interval", "timeout", "retries", "start_period"});
  if (!fields.is_map()) return std::nullopt;
  Healthcheck check;
  check.at = map.at;
  int probes = 0;
  for (std::size_t i = 0; i < kProbes.size(); ++i) {
    const YamlNode* value = fields.Find(kProbes[i]);
    if (value == nullptr) continue;
    ++probes;
    check.kind = static_cast<Healthcheck::Kind>(i);
    if (check.kind == Healthcheck::Kind::kTest) {
      check.test = ReadCommand(*value, kProbes[i], reporter).value_or(Command{});
    } else if (check.kind == Healthcheck::Kind::kTcp || check.kind == Healthcheck::Kind::kUdp) {
      const auto port = ReadNumber<std::uint16_t>(*value, kProbes[i], reporter, 1);
      if (port) check.target = std::to_string(*port);
    } else if (check.kind == Healthcheck::Kind::kFile) {
      check.target = ReadPath(*value, kProbes[i], reporter).value_or("");
    } else {
      check.target = ReadText(*value, kProbes[i], reporter).value_or("");
    }
  }
  if (probes != 1 && !(probes == 0 && fields.has_unknown())) {
    reporter.Wrong(map.at, "a healthcheck has exactly one of " + Join(kProbes, ", "));
  }
  check.interval_ms = fields.Get<std::int64_t>("interval", ReadMilliseconds).value_or(check.interval_ms);
  check.timeout_ms = fields.Get<std::int64_t>("timeout", ReadMilliseconds).value_or(check.timeout_ms);
  check.start_period_ms = fields.Get<std::int64_t>("start_period", ReadMilliseconds).value_or(check.start_period_ms);
  check.retries = fields.Number<int>("retries", 1).value_or(check.retries);
  return check;
}

std::vector<Dependency> DecodeDependencies(const YamlNode& value, const std::string& node, const Reporter& reporter) {
  std::vector<Dependency> out;
  const auto add = [&](const std::string& name, Position at, Dependency::Condition condition) {
    const std::size_t slash = name.find('/');
    Dependency dependency;
    dependency.node = slash == std::string::npos ? node : name.substr(0, slash);
    dependency.process = slash == std::string::npos ? name : name.substr(slash + 1);
    dependency.condition = condition;
    dependency.at = at;
    out.push_back(std::move(dependency));
  };
  if (value.is_map()) {
    for (const YamlEntry& entry : value.entries) {
      const Fields fields(*entry.value, entry.key->text, reporter, {"condition"});
      const auto word = fields.Word("condition", {"started", "healthy", "completed"});
      add(entry.key->text, entry.key->at, static_cast<Dependency::Condition>(word.value_or(0)));
    }
  } else if (value.is_sequence()) {
    for (const YamlNode* item : value.items) {
      if (const auto name = ReadName(*item, "depends_on", reporter)) {
        add(*name, item->at, Dependency::Condition::kStarted);
      }
    }
  } else {
    reporter.WrongValue(value, "depends_on", "a list or a map of processes");
  }
  return out;
}

bool IsSignalName(const std::string& name) {
  static const std::vector<std::string> names = {"SIGHUP",  "SIGINT",  "SIGQUIT", "SIGABRT", "SIGKILL",
                                                 "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM",
                                                 "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGWINCH"};
  for (const std::string& known : names) {
    if (name == known) return true;
  }
  return false;
}

/// `KEY: VALUE` or a list of `KEY=VALUE`, as in Compose.
std::map<std::string, std::string> DecodeEnvironment(const YamlNode& value, const Reporter& reporter) {
  std::map<std::string, std::string> out;
  if (value.is_sequence()) {
    for (const YamlNode* item : value.items) {
      const auto text = ReadText(*item, "environment", reporter);
      if (!text) continue;
      const std::size_t equals = text->find('=');
      if (equals == std::string::npos || equals == 0) {
        reporter.WrongValue(*item, "environment", "NAME=VALUE");
      } else {
        out[text->substr(0, equals)] = text->substr(equals + 1);
      }
    }
  } else if (value.is_map()) {
    for (const YamlEntry& entry : value.entries) {
      if (entry.value->is_null() && !entry.value->refused) {
        out[entry.key->text] = "";
      } else if (auto text = ReadScalar(*entry.value, entry.key->text, reporter)) {
        out[entry.key->text] = std::move(*text);
      }
    }
  } else {
    reporter.WrongValue(value, "environment", "a map or a list of NAME=VALUE");
  }
  return out;
}

}  // namespace

std::optional<std::int64_t> ReadMilliseconds(const YamlNode& node, std::string_view key, const Reporter& reporter) {
  const auto nanoseconds = ReadDuration(node, key, reporter);
  if (!nanoseconds) return std::nullopt;
  return *nanoseconds / 1'000'000;
}

void NodeDecoder::DecodeProcesses(const YamlNode& map) {
  if (!map.is_map()) return reporter_.WrongValue(map, "processes", "a map of processes by name");
  for (const YamlEntry& entry : map.entries) {
    const std::string& name = entry.key->text;
    const std::string where = kind_ == Kind::kNode ? "process " + Quote(node_.name + "/" + name)
                                                   : reporter_.where() + ": process " + Quote(name);
    const Reporter reporter(reporter_.diagnostics(), where);
    if (name.empty() || name.find_first_of("/ \t\n") != std::string::npos) {
      reporter.Wrong(entry.key->at, "a process's name has no blank and no `/`");
      continue;
    }
    const Fields fields(*entry.value, "", reporter,
                        {"command", "environment", "working_dir", "user", "depends_on", "healthcheck", "restart",
                         "stop_signal", "stop_grace_period"});
    Process process;
    process.name = name;
    process.at = entry.key->at;
    if (const YamlNode* command = RequireUnlessFragment(fields, "command")) {
      process.command = ReadCommand(*command, "command", reporter).value_or(Command{});
    }
    if (const YamlNode* environment = fields.Find("environment")) {
      process.environment = DecodeEnvironment(*environment, reporter);
    }
    process.working_dir = fields.Get<std::string>("working_dir", ReadPath).value_or("");
    process.user = fields.Get<std::string>("user", ReadName).value_or("");
    if (const YamlNode* depends = fields.Find("depends_on")) {
      process.depends_on = DecodeDependencies(*depends, node_.name, reporter);
    }
    if (const YamlNode* check = fields.Find("healthcheck")) process.healthcheck = DecodeHealthcheck(*check, reporter);
    if (const auto restart = fields.Word("restart", {"no", "on-failure", "always"})) {
      process.restart = static_cast<Process::Restart>(*restart);
    }
    if (auto signal = fields.Name("stop_signal")) {
      if (IsSignalName(*signal)) {
        process.stop_signal = std::move(*signal);
      } else {
        reporter.WrongValue(*fields.Find("stop_signal"), "stop_signal", "a signal's name (SIGTERM)");
      }
    }
    process.stop_grace_period_ms =
        fields.Get<std::int64_t>("stop_grace_period", ReadMilliseconds).value_or(process.stop_grace_period_ms);
    node_.processes.push_back(std::move(process));
  }
}

void NodeDecoder::DecodeFiles(const YamlNode& map) {
  if (!map.is_map()) return reporter_.WrongValue(map, "files", "a map of files by path");
  for (const YamlEntry& entry : map.entries) {
    NodeFile file;
    file.path = entry.key->text;
    file.at = entry.key->at;
    if (!file.path.starts_with('/')) {
      reporter_.Wrong(entry.key->at, fmt::format("file {} must be an absolute path", Quote(file.path)));
    }
    const Fields fields(*entry.value, file.path, reporter_, {"content", "source", "mode"});
    if (const YamlNode* content = fields.Find("content")) {
      file.content = ReadScalar(*content, "content", reporter_).value_or("");
    }
    file.source = fields.Text("source").value_or("");
    if ((fields.Find("content") != nullptr) == (fields.Find("source") != nullptr) && !fields.has_unknown() &&
        (fields.is_map() || entry.value->is_null())) {
      reporter_.Wrong(entry.key->at, fmt::format("file {} has either \"content\" or \"source\"", Quote(file.path)));
    }
    if (const YamlNode* mode = fields.Find("mode")) {
      // As chmod(1) reads it: octal, with or without quotes, 0o or a leading zero.
      std::string digits = ReadScalar(*mode, "mode", reporter_).value_or("");
      if (digits.starts_with("0o")) digits = digits.substr(2);
      const bool octal =
          !digits.empty() && digits.size() <= 5 && digits.find_first_not_of("01234567") == std::string::npos;
      const unsigned long value = octal ? std::stoul(digits, nullptr, 8) : 010000;
      if (value > 07777) {
        reporter_.WrongValue(*mode, "mode", "an octal mode (0644)");
      } else {
        file.mode = static_cast<std::uint32_t>(value);
      }
    }
    node_.files.push_back(std::move(file));
  }
}

void NodeDecoder::DecodeBind(const YamlNode& value) {
  const auto text = ReadText(value, "binds", reporter_);
  if (!text) return;
  const std::vector<std::string_view> parts = Split(*text, ':');
  const bool well_formed = (parts.size() == 2 || (parts.size() == 3 && (parts[2] == "ro" || parts[2] == "rw"))) &&
                           !parts[0].empty() && parts[1].starts_with('/');
  if (!well_formed) return reporter_.WrongValue(value, "binds", "HOSTPATH:PATH[:ro]");
  Bind bind;
  bind.host_path = std::string(parts[0]);
  bind.path = std::string(parts[1]);
  bind.read_only = parts.size() == 3 && parts[2] == "ro";
  bind.at = value.at;
  node_.binds.push_back(std::move(bind));
}

}  // namespace runner
