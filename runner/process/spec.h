// What a node's keeper is asked to hold, and what it tells: plain values that it and the runner's side exchange as
// JSON.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json_fwd.h"

namespace runner::process {

struct BindSpec {
  std::string host_path = {};
  std::string path = {};
  bool read_only = false;
  friend bool operator==(const BindSpec&, const BindSpec&) = default;
};

/// One node's keeper.
struct KeeperSpec {
  std::string lab = {};
  std::string node = {};
  std::string state_folder = {};  // its socket, its log and the logs of its processes are made in it
  std::string node_files = {};    // the folder of what `ip netns exec` lays over /etc
  std::vector<BindSpec> binds = {};
  std::vector<std::string> tmpfs = {};
  std::vector<std::string> files = {};  // paths; what they hold comes later

  Json ToJson() const;
  static Result<KeeperSpec> FromJson(const Json& json);
  friend bool operator==(const KeeperSpec&, const KeeperSpec&) = default;
};

struct HealthSpec {
  std::string kind = {};  // test, tcp, udp, http, file, log
  std::vector<std::string> test = {};
  std::string target = {};
  std::int64_t interval_ms = 0;
  std::int64_t timeout_ms = 0;
  std::int64_t start_period_ms = 0;
  int retries = 0;
  friend bool operator==(const HealthSpec&, const HealthSpec&) = default;
};

struct ProcessSpec {
  std::string name = {};
  std::vector<std::string> command = {};
  std::vector<std::string> environment = {};  // NAME=VALUE
  std::string working_dir = {};
  std::string user = {};
  std::optional<HealthSpec> healthcheck = {};
  std::string restart = "no";  // no, on-failure, always
  std::string stop_signal = "SIGTERM";
  std::int64_t stop_grace_period_ms = 5000;

  Json ToJson() const;
  static Result<ProcessSpec> FromJson(const Json& json);
  friend bool operator==(const ProcessSpec&, const ProcessSpec&) = default;
};

enum class Phase {
  kStarting,   // forked, not yet become its command
  kRunning,    // it, or what it left behind, runs
  kWaiting,    // it ended, and is started again after a pause
  kStopping,   // it was told to stop
  kCompleted,  // it ended with 0
  kFailed,     // it ended otherwise, or could not be started
  kStopped     // it was stopped, or killed by hand with nothing to start it again
};
/// As `ps` prints it: "running".
const char* NameOf(Phase phase);

enum class Health { kNone, kStarting, kHealthy, kUnhealthy };
/// "starting"; empty without a healthcheck.
const char* NameOf(Health health);

struct ProcessState {
  ProcessSpec spec = {};
  Phase phase = Phase::kStopped;
  Health health = Health::kNone;
  int pid = 0;                          // in the node; 0 while it does not run
  bool has_completed = false;           // its main process ended with 0 since it was last started
  std::optional<int> exit_status = {};  // of its last end, as a shell gives it
  int restarts = 0;
  std::string since = {};   // when it came into this phase
  std::string reason = {};  // why it is unhealthy: what the last check said

  /// Whether the keeper has it in hand: it need not be started.
  bool is_there() const;
  Json ToJson() const;
  static Result<ProcessState> FromJson(const Json& json);
};

/// The number of "SIGTERM"; nothing for no signal that the language knows.
std::optional<int> SignalNumber(const std::string& name);

/// The file in the state folder that the process' output goes to; the older half of it has ".1" behind.
std::string LogPath(const std::string& state_folder, const std::string& node, const std::string& process);
std::string KeeperLogPath(const std::string& state_folder, const std::string& node);
std::string SocketName(const std::string& node);

}  // namespace runner::process
