// The backend on the running kernel: one session a namespace, a bounded number open at once.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "exec/backend.h"
#include "exec/state.h"
#include "uplink/supervisor.h"

namespace runner {

/// A rootless lab's way to the namespaces that the runner was started in, which uplinks leave by: the run itself is in
/// the lab's own. Empty functions: they are the same.
struct HostSide {
  kernel::ProcessIdentity holder = {};  // an uplink ends with this process
  HelperLauncher launch = {};
  std::function<Status(const std::vector<ForwardSpec>&)> check_ports = {};
};

struct BackendOptions {
  std::string lab;
  StateRoot state;
  std::string namespace_directory = "/run/netns";
  std::string files_base = "/etc/netns";
  std::string executable = "/proc/self/exe";  // what an uplink's helper is started from
  HostSide host_side = {};
  /// Set by the caller's signal handlers to end a command of the lab's that runs; null: nobody asks.
  const volatile int* interrupted = nullptr;
  /// Lines that a lab's `exec` commands print, with their node.
  std::function<void(std::string_view node, std::string_view line)> output = [](std::string_view, std::string_view) {};
  /// Processes that were ended because their namespace was removed: told by name.
  std::function<void(const std::string&)> ended = [](const std::string&) {};
};

/// In the namespace that the calling thread is in, which is the lab's host.
Result<std::unique_ptr<Backend>> OpenLinuxBackend(BackendOptions options);

}  // namespace runner
