#include "process/spec.h"

#include <array>
#include <csignal>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace runner::process {
namespace {

constexpr std::array<const char*, 7> kPhases = {"starting",  "running", "restarting", "stopping",
                                                "completed", "failed",  "stopped"};
constexpr std::array<const char*, 4> kHealths = {"", "starting", "healthy", "unhealthy"};

/// Reads members of one object; remembers the first that is missing or of another type.
class Members {
 public:
  explicit Members(const Json& json) : json_(json) {}

  void Take(const char* key, std::string& to) { Take(key, to, &Json::is_string); }
  void Take(const char* key, bool& to) { Take(key, to, &Json::is_boolean); }
  void Take(const char* key, int& to) { Take(key, to, &Json::is_number_integer); }
  void Take(const char* key, std::int64_t& to) { Take(key, to, &Json::is_number_integer); }
  void Take(const char* key, std::vector<std::string>& to) {
    const Json* list = Find(key, &Json::is_array);
    if (list == nullptr) return;
    for (const Json& item : *list) {
      if (!item.is_string()) return Miss(key);
      to.push_back(item.get<std::string>());
    }
  }
  template <std::size_t N, class T>
  void Take(const char* key, const std::array<const char*, N>& names, T& to) {
    std::string name;
    Take(key, name);
    for (std::size_t i = 0; i < N; ++i) {
      if (name == names[i]) {
        to = static_cast<T>(i);
        return;
      }
    }
    Miss(key);
  }
  /// Nothing where it is absent or null.
  const Json* Optional(const char* key) const {
    if (!json_.is_object()) return nullptr;
    const auto found = json_.find(key);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }
  const Json* Find(const char* key, bool (Json::*is)() const noexcept) {
    const Json* found = Optional(key);
    if (found != nullptr && (found->*is)()) return found;
    Miss(key);
    return nullptr;
  }
  void Miss(const char* key) {
    if (missing_.empty()) missing_ = key;
  }
  Status Check(const char* what) const {
    if (missing_.empty()) return {};
    return Fail(fmt::format("read {}", what), fmt::format("\"{}\" is missing or of another type", missing_));
  }

 private:
  template <class T>
  void Take(const char* key, T& to, bool (Json::*is)() const noexcept) {
    if (const Json* found = Find(key, is)) to = found->get<T>();
  }
  const Json& json_;
  std::string missing_;
};

Json ToJson(const HealthSpec& health) {
  return {{"kind", health.kind},
          {"test", health.test},
          {"target", health.target},
          {"interval_ms", health.interval_ms},
          {"timeout_ms", health.timeout_ms},
          {"start_period_ms", health.start_period_ms},
          {"retries", health.retries}};
}

Result<HealthSpec> HealthFromJson(const Json& json) {
  HealthSpec health;
  Members members(json);
  members.Take("kind", health.kind);
  members.Take("test", health.test);
  members.Take("target", health.target);
  members.Take("interval_ms", health.interval_ms);
  members.Take("timeout_ms", health.timeout_ms);
  members.Take("start_period_ms", health.start_period_ms);
  members.Take("retries", health.retries);
  TRY(members.Check("a healthcheck"));
  return health;
}

/// Of a name that is too long for a file the front, and a hash.
std::string FilePart(const std::string& name) {
  constexpr std::size_t kLongest = 100;
  if (name.size() <= kLongest) return name;
  return fmt::format("{}~{:016x}", name.substr(0, kLongest), StableHash(name));
}

}  // namespace

Json KeeperSpec::ToJson() const {
  Json json = {{"lab", lab}, {"node", node}, {"state_folder", state_folder}, {"node_files", node_files}};
  json["binds"] = Json::array();
  for (const BindSpec& bind : binds) {
    json["binds"].push_back({{"host_path", bind.host_path}, {"path", bind.path}, {"read_only", bind.read_only}});
  }
  json["tmpfs"] = tmpfs;
  json["files"] = files;
  return json;
}

Result<KeeperSpec> KeeperSpec::FromJson(const Json& json) {
  KeeperSpec spec;
  Members members(json);
  members.Take("lab", spec.lab);
  members.Take("node", spec.node);
  members.Take("state_folder", spec.state_folder);
  members.Take("node_files", spec.node_files);
  members.Take("tmpfs", spec.tmpfs);
  members.Take("files", spec.files);
  if (const Json* binds = members.Find("binds", &Json::is_array)) {
    for (const Json& one : *binds) {
      BindSpec bind;
      Members of_bind(one);
      of_bind.Take("host_path", bind.host_path);
      of_bind.Take("path", bind.path);
      of_bind.Take("read_only", bind.read_only);
      TRY(of_bind.Check("a bind"));
      spec.binds.push_back(std::move(bind));
    }
  }
  TRY(members.Check("a keeper's orders"));
  return spec;
}

Json ProcessSpec::ToJson() const {
  return {{"name", name},
          {"command", command},
          {"environment", environment},
          {"working_dir", working_dir},
          {"user", user},
          {"healthcheck", healthcheck ? process::ToJson(*healthcheck) : Json()},
          {"restart", restart},
          {"stop_signal", stop_signal},
          {"stop_grace_period_ms", stop_grace_period_ms}};
}

Result<ProcessSpec> ProcessSpec::FromJson(const Json& json) {
  ProcessSpec spec;
  Members members(json);
  members.Take("name", spec.name);
  members.Take("command", spec.command);
  members.Take("environment", spec.environment);
  members.Take("working_dir", spec.working_dir);
  members.Take("user", spec.user);
  members.Take("restart", spec.restart);
  members.Take("stop_signal", spec.stop_signal);
  members.Take("stop_grace_period_ms", spec.stop_grace_period_ms);
  TRY(members.Check("a process"));
  if (const Json* health = members.Optional("healthcheck")) spec.healthcheck = TRY(HealthFromJson(*health));
  if (spec.name.empty() || spec.command.empty()) return Fail("read a process", "it has no name or no command");
  return spec;
}

const char* NameOf(Phase phase) { return kPhases[static_cast<std::size_t>(phase)]; }
const char* NameOf(Health health) { return kHealths[static_cast<std::size_t>(health)]; }

bool ProcessState::is_there() const {
  switch (phase) {
    case Phase::kStarting:
    case Phase::kRunning:
    case Phase::kWaiting:
    case Phase::kCompleted:
      return true;
    case Phase::kStopping:
    case Phase::kFailed:
    case Phase::kStopped:
      return false;
  }
  return false;
}

Json ProcessState::ToJson() const {
  return {{"spec", spec.ToJson()},
          {"phase", NameOf(phase)},
          {"health", NameOf(health)},
          {"pid", pid},
          {"has_completed", has_completed},
          {"exit_status", exit_status ? Json(*exit_status) : Json()},
          {"restarts", restarts},
          {"since", since},
          {"reason", reason}};
}

Result<ProcessState> ProcessState::FromJson(const Json& json) {
  ProcessState state;
  Members members(json);
  members.Take("phase", kPhases, state.phase);
  members.Take("health", kHealths, state.health);
  members.Take("pid", state.pid);
  members.Take("has_completed", state.has_completed);
  members.Take("restarts", state.restarts);
  members.Take("since", state.since);
  members.Take("reason", state.reason);
  const Json* spec = members.Find("spec", &Json::is_object);
  TRY(members.Check("the state of a process"));
  state.spec = TRY(ProcessSpec::FromJson(*spec));
  if (const Json* status = members.Optional("exit_status"); status != nullptr && status->is_number_integer()) {
    state.exit_status = status->get<int>();
  }
  return state;
}

std::optional<int> SignalNumber(const std::string& name) {
  constexpr std::array<std::pair<std::string_view, int>, 14> kSignals = {{{"SIGHUP", SIGHUP},
                                                                          {"SIGINT", SIGINT},
                                                                          {"SIGQUIT", SIGQUIT},
                                                                          {"SIGABRT", SIGABRT},
                                                                          {"SIGKILL", SIGKILL},
                                                                          {"SIGUSR1", SIGUSR1},
                                                                          {"SIGUSR2", SIGUSR2},
                                                                          {"SIGPIPE", SIGPIPE},
                                                                          {"SIGALRM", SIGALRM},
                                                                          {"SIGTERM", SIGTERM},
                                                                          {"SIGCONT", SIGCONT},
                                                                          {"SIGSTOP", SIGSTOP},
                                                                          {"SIGTSTP", SIGTSTP},
                                                                          {"SIGWINCH", SIGWINCH}}};
  for (const auto& [known, number] : kSignals) {
    if (name == known) return number;
  }
  return std::nullopt;
}

std::string LogPath(const std::string& state_folder, const std::string& node, const std::string& process) {
  return fmt::format("{}/process-{}.{}.log", state_folder, node, FilePart(process));
}

std::string KeeperLogPath(const std::string& state_folder, const std::string& node) {
  return fmt::format("{}/keeper-{}.log", state_folder, node);
}

std::string SocketName(const std::string& node) { return fmt::format("keeper-{}.sock", node); }

}  // namespace runner::process
