#include "kernel/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>
#include <set>
#include <string_view>

#include "base/text.h"

namespace runner::kernel {
namespace {

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

/// The entries of a /proc folder that are numbers; nothing when the process has gone.
std::vector<pid_t> NumberedEntries(const std::string& path) {
  std::vector<pid_t> numbers;
  const std::unique_ptr<DIR, CloseFolder> folder(opendir(path.c_str()));
  if (folder == nullptr) return numbers;
  while (const dirent* entry = readdir(folder.get())) {
    if (const auto number = ParseInteger(entry->d_name)) numbers.push_back(static_cast<pid_t>(*number));
  }
  return numbers;
}

std::string ProcPath(pid_t pid) { return "/proc/" + std::to_string(pid); }

std::optional<NamespaceInode> InodeOf(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return std::nullopt;
  return NamespaceInode{.device = info.st_dev, .inode = info.st_ino};
}

/// The fields of /proc/PID/stat from the third on: the second, in parentheses, may hold anything.
struct Stat {
  std::string comm;
  std::string content;
  std::vector<std::string_view> fields;  // of `content`; [0] is the state, [1] the parent, [19] the start time
};

std::optional<Stat> ReadStat(pid_t pid) {
  auto content = ReadFile(ProcPath(pid) + "/stat");
  // Gone meanwhile.
  if (!content) return std::nullopt;
  Stat stat{.comm = "", .content = std::move(content).value(), .fields = {}};
  const std::size_t open = stat.content.find('(');
  const std::size_t close = stat.content.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open || close + 2 >= stat.content.size()) {
    return std::nullopt;
  }
  stat.comm = stat.content.substr(open + 1, close - open - 1);
  stat.fields = Split(std::string_view(stat.content).substr(close + 2), ' ');
  if (stat.fields.size() < 20) return std::nullopt;
  return stat;
}

std::optional<std::int64_t> Field(const Stat& stat, std::size_t index) { return ParseInteger(stat.fields[index]); }

bool IsIn(pid_t pid, const NamespaceInode& network) {
  const std::string tasks = ProcPath(pid) + "/task";
  // Any thread may have gone to a namespace of its own, not only the first.
  for (const pid_t task : NumberedEntries(tasks)) {
    if (InodeOf(tasks + "/" + std::to_string(task) + "/ns/net") == network) return true;
  }
  return false;
}

std::string CommandLine(pid_t pid) {
  const auto content = ReadFile(ProcPath(pid) + "/cmdline");
  if (!content || content->empty()) return "";
  std::string_view words = *content;
  if (words.ends_with('\0')) words.remove_suffix(1);
  std::vector<std::string> quoted;
  for (const std::string_view word : Split(words, '\0')) quoted.push_back(ShellQuote(word));
  return Join(quoted, " ");
}

/// The caller and all that it runs under: ending those would end the run, or the shell it was typed in.
std::vector<pid_t> CallerAndAncestors() {
  std::vector<pid_t> line;
  std::int64_t pid = getpid();
  while (pid > 0) {
    line.push_back(static_cast<pid_t>(pid));
    const auto stat = ReadStat(static_cast<pid_t>(pid));
    pid = stat ? Field(*stat, 1).value_or(0) : 0;
  }
  return line;
}

struct Victim {
  ProcessIdentity identity;
  Fd fd;
};

int SendSignal(const Victim& victim, int signal_number) {
  if (syscall(SYS_pidfd_send_signal, victim.fd.get(), signal_number, nullptr, 0) == 0) return 0;
  // Ended, but not yet waited for by its parent: as good as gone.
  return errno == ESRCH ? 0 : errno;
}

/// Waits until all have ended or the time is over; those that have ended leave the list.
void WaitForEnds(std::vector<Victim>& victims, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!victims.empty()) {
    std::vector<pollfd> waiting;
    for (const Victim& victim : victims) waiting.push_back({.fd = victim.fd.get(), .events = POLLIN, .revents = 0});
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    const int ready = poll(waiting.data(), waiting.size(), static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return;
    std::vector<Victim> still;
    for (std::size_t i = 0; i < victims.size(); ++i) {
      if (waiting[i].revents == 0) still.push_back(std::move(victims[i]));
    }
    victims = std::move(still);
  }
}

std::string NameOf(pid_t pid) {
  const auto stat = ReadStat(pid);
  return stat ? fmt::format("process {} ({})", pid, stat->comm) : fmt::format("process {}", pid);
}

}  // namespace

std::optional<ProcessIdentity> ReadProcessIdentity(pid_t pid) {
  const auto stat = ReadStat(pid);
  if (!stat) return std::nullopt;
  const auto start = Field(*stat, 19);
  if (!start) return std::nullopt;
  return ProcessIdentity{.pid = pid, .start_time = static_cast<std::uint64_t>(*start)};
}

bool IsRunning(const ProcessIdentity& process) {
  const auto stat = ReadStat(process.pid);
  if (!stat) return false;
  const char state = stat->fields[0].empty() ? 'X' : stat->fields[0][0];
  return static_cast<std::uint64_t>(Field(*stat, 19).value_or(0)) == process.start_time && state != 'Z' && state != 'X';
}

Result<Fd> OpenProcess(const ProcessIdentity& process) {
  Fd fd(static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0)));
  if (!fd.is_open()) return SystemError(errno, "open").Wrap(fmt::format("process {}", process.pid));
  // The pidfd stands for whoever has the pid now: only the start time tells whether that is still the same one.
  if (ReadProcessIdentity(process.pid) != process) {
    return SystemError(ESRCH, "open").Wrap(fmt::format("process {}", process.pid));
  }
  return fd;
}

ProcessInfo DescribeProcess(const ProcessIdentity& process) {
  const auto stat = ReadStat(process.pid);
  return {.identity = process, .comm = stat ? stat->comm : "", .command_line = CommandLine(process.pid)};
}

Result<NamespaceInode> ReadNamespaceInode(int ns_fd) {
  struct stat info {};
  if (fstat(ns_fd, &info) != 0) return SystemError(errno, "look at the namespace");
  return NamespaceInode{.device = info.st_dev, .inode = info.st_ino};
}

Result<NamespaceInode> IdentifyProcess(pid_t pid) {
  const auto inode = InodeOf(ProcPath(pid) + "/ns/net");
  if (!inode) return SystemError(errno, "read its network namespace").Wrap(fmt::format("process {}", pid));
  return *inode;
}

Result<std::vector<ProcessInfo>> FindProcesses(const NamespaceInode& network) {
  std::vector<ProcessInfo> found;
  for (const pid_t pid : NumberedEntries("/proc")) {
    if (!IsIn(pid, network)) continue;
    const auto stat = ReadStat(pid);
    if (!stat) continue;
    const auto start = Field(*stat, 19);
    if (!start) continue;
    found.push_back({.identity = {.pid = pid, .start_time = static_cast<std::uint64_t>(*start)},
                     .comm = stat->comm,
                     .command_line = CommandLine(pid)});
  }
  std::sort(found.begin(), found.end(),
            [](const ProcessInfo& a, const ProcessInfo& b) { return a.identity < b.identity; });
  return found;
}

std::map<NamespaceInode, std::vector<ProcessInfo>> FindProcessesByNamespace() {
  std::map<NamespaceInode, std::vector<ProcessInfo>> found;
  for (const pid_t pid : NumberedEntries("/proc")) {
    std::set<NamespaceInode> places;
    for (const pid_t thread : NumberedEntries(ProcPath(pid) + "/task")) {
      const auto inode = InodeOf(ProcPath(pid) + "/task/" + std::to_string(thread) + "/ns/net");
      if (inode) places.insert(*inode);
    }
    const auto identity = ReadProcessIdentity(pid);
    const auto stat = ReadStat(pid);
    if (!identity || !stat) continue;
    for (const NamespaceInode& place : places) {
      found[place].push_back({.identity = *identity, .comm = stat->comm, .command_line = CommandLine(pid)});
    }
  }
  return found;
}

Result<std::vector<ProcessInfo>> FindProcesses(int ns_fd) { return FindProcesses(TRY(ReadNamespaceInode(ns_fd))); }

Result<std::vector<ProcessIdentity>> SignalAndWait(const std::vector<ProcessIdentity>& processes,
                                                   const SignalOptions& options) {
  const std::vector<pid_t> spared = CallerAndAncestors();
  std::vector<ProcessIdentity> passed_over;
  std::vector<Victim> victims;
  for (const ProcessIdentity& process : processes) {
    if (process.pid <= 1 || std::find(spared.begin(), spared.end(), process.pid) != spared.end()) {
      passed_over.push_back(process);
      continue;
    }
    auto fd = OpenProcess(process);
    if (!fd && fd.error().code == ESRCH) continue;
    if (!fd) return std::move(fd).error();
    victims.push_back({.identity = process, .fd = std::move(fd).value()});
  }

  for (const auto& [signal_number, limit] : {std::pair{SIGTERM, options.grace}, std::pair{SIGKILL, options.limit}}) {
    for (const Victim& victim : victims) {
      const int code = SendSignal(victim, signal_number);
      if (code != 0) return SystemError(code, "end").Wrap(NameOf(victim.identity.pid));
    }
    WaitForEnds(victims, limit);
  }
  if (!victims.empty()) {
    return Fail("end", "it does not end, although it was killed").Wrap(NameOf(victims.front().identity.pid));
  }
  return passed_over;
}

Result<std::vector<ProcessInfo>> EndProcesses(int ns_fd, const SignalOptions& options) {
  // One that forks faster than it can be found would go on for ever.
  constexpr int kRounds = 20;
  const NamespaceInode network = TRY(ReadNamespaceInode(ns_fd));
  std::vector<ProcessInfo> ended;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<ProcessIdentity> found;
    for (const ProcessInfo& process : TRY(FindProcesses(network))) {
      found.push_back(process.identity);
      ended.push_back(process);
    }
    for (const ProcessIdentity& spared : TRY(SignalAndWait(found, options))) {
      found.erase(std::find(found.begin(), found.end(), spared));
      std::erase_if(ended, [&](const ProcessInfo& process) { return process.identity == spared; });
    }
    if (found.empty()) return ended;
  }
  return Fail("end the processes of the namespace", "they start new ones all the time");
}

}  // namespace runner::kernel
