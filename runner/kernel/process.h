// The processes of a network namespace: found by the namespace of each of their threads, ended by pidfd so that a
// reused pid is never hit.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace runner::kernel {

/// A process for as long as the machine runs: a pid comes again, with another start time.
struct ProcessIdentity {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  // clock ticks since boot, field 22 of /proc/PID/stat
  friend auto operator<=>(const ProcessIdentity&, const ProcessIdentity&) = default;
};

/// Nothing when there is no such process.
std::optional<ProcessIdentity> ReadProcessIdentity(pid_t pid);
bool IsRunning(const ProcessIdentity& process);  // false for a zombie too
/// A pidfd on exactly this process; ESRCH when it has gone.
Result<Fd> OpenProcess(const ProcessIdentity& process);

struct ProcessInfo {
  ProcessIdentity identity;
  std::string comm;
  std::string command_line;  // words quoted as for a shell; empty for a kernel thread
};

/// What /proc tells of the process now.
ProcessInfo DescribeProcess(const ProcessIdentity& process);

/// A namespace as stat(2) tells it.
struct NamespaceInode {
  dev_t device = 0;
  ino_t inode = 0;
  friend auto operator<=>(const NamespaceInode&, const NamespaceInode&) = default;
};

Result<NamespaceInode> ReadNamespaceInode(int ns_fd);
/// The network namespace that the process is in.
Result<NamespaceInode> IdentifyProcess(pid_t pid);

/// Processes with a thread in the network namespace, by pid. One that ends meanwhile is left out, and so is one that
/// the caller may not look at.
Result<std::vector<ProcessInfo>> FindProcesses(const NamespaceInode& network);
Result<std::vector<ProcessInfo>> FindProcesses(int ns_fd);
/// All processes by the namespace of their main thread and of each other one that is elsewhere: one walk through /proc,
/// for whoever asks for many namespaces.
std::map<NamespaceInode, std::vector<ProcessInfo>> FindProcessesByNamespace();

struct SignalOptions {
  std::chrono::milliseconds grace{2000};  // from SIGTERM to SIGKILL
  std::chrono::milliseconds limit{5000};  // from SIGKILL to giving up
};

/// SIGTERM, the grace, SIGKILL to those left; returns when all have ended. The caller and its ancestors are passed
/// over and returned; a process that cannot be signalled or does not end is an error that names it.
Result<std::vector<ProcessIdentity>> SignalAndWait(const std::vector<ProcessIdentity>& processes,
                                                   const SignalOptions& options = {});

/// Ends whatever is in the network namespace, what its processes start meanwhile too; returns those that were ended.
Result<std::vector<ProcessInfo>> EndProcesses(int ns_fd, const SignalOptions& options = {});

}  // namespace runner::kernel
