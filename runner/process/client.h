// The runner's side of keepers: starts one, asks it, tells it what to do, ends it. A keeper is known by pid, start time
// and command line, and found without a record.
//
// For whoever changes a process in passing (a test's `{process: NODE/NAME, set: …}`): ReadKeeper tells what is,
// ChangeProcess does it, Await waits until it shows. What is done so is no change of the lab: `status` calls it
// drift, and `up` starts again what is not running.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/process.h"
#include "process/spec.h"

namespace runner::process {

struct KeeperProcess {
  std::string node = {};
  kernel::ProcessIdentity identity = {};
  friend bool operator==(const KeeperProcess&, const KeeperProcess&) = default;
};

/// The keepers of the lab with this name and state folder that we may have started.
std::vector<KeeperProcess> FindKeepers(const std::string& lab, const std::string& state_folder);

/// Starts the keeper, detached, in the network namespace `netns`, and waits until it serves. With a `holder` it ends
/// with that process. Nothing of a failed start is left running.
Result<KeeperProcess> StartKeeper(const KeeperSpec& spec, int netns, const kernel::ProcessIdentity& holder,
                                  const std::string& executable);

/// What a keeper says of itself.
struct KeeperState {
  enum class Life {
    kGone,    // nobody answers
    kSilent,  // the process lives and does not answer on its socket
    kServing
  };
  Life life = Life::kGone;
  KeeperProcess keeper = {};  // kServing, kSilent
  KeeperSpec spec = {};       // kServing
  std::vector<ProcessState> processes = {};
  const ProcessState* Find(const std::string& process) const;
};
KeeperState ReadKeeper(const std::string& lab, const std::string& state_folder, const std::string& node);

/// A pidfd on the keeper of a node, for kernel::EnterSpec::view_fd; an error when it is gone.
Result<Fd> OpenKeeper(const std::string& lab, const std::string& state_folder, const std::string& node);

/// Ends it, with all that is in the node's process namespace: its processes are stopped as they ask for, the rest is
/// killed. Gone already is fine.
Status StopKeeper(const std::string& state_folder, const KeeperProcess& keeper);

/// The node and process that a request is about.
struct Target {
  std::string state_folder = {};
  std::string node = {};
  std::string process = {};
};

/// Returns when it is asked for; ReadKeeper shows what comes of it.
Status StartProcess(const std::string& state_folder, const std::string& node, const ProcessSpec& spec);
Status RedefineProcess(const std::string& state_folder, const std::string& node, const ProcessSpec& spec);
enum class Change {
  kKill,   // SIGKILL to it and all that it started, as a crash: its restart policy applies
  kStop,   // its stop signal, its grace period, the end; it stays stopped
  kStart,  // as it is defined; what of it runs is stopped before
};
Status ChangeProcess(const Target& target, Change change);

Status PutFile(const std::string& state_folder, const std::string& node, const std::string& path,
               std::string_view content, mode_t mode);
/// The node's hosts and resolver were written anew.
Status RefreshFiles(const std::string& state_folder, const std::string& node);

struct ViewFile {
  std::string content = {};
  mode_t mode = 0;
};
/// A file as the node sees it; nothing when it is not there.
Result<std::optional<ViewFile>> ReadFileIn(const KeeperProcess& keeper, const std::string& path);

/// Asks again until `done` says so or fails, or `interrupted` is set; an error when the keeper is gone.
Status Await(const Target& target, const std::function<Result<bool>(const ProcessState&)>& done,
             const volatile int* interrupted = nullptr, std::optional<std::chrono::milliseconds> limit = {});

/// The last lines of what the process printed.
std::vector<std::string> LastLines(const Target& target, std::size_t count);

/// The processes of the keeper's node by the numbers that they have there: the caller's numbers of them.
std::map<int, pid_t> NumbersIn(const KeeperProcess& keeper);

/// Why it ended, or does not hold, in words: "exit status 3".
std::string Describe(const ProcessState& state);

}  // namespace runner::process
