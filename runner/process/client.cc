#include "process/client.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "kernel/mirror.h"
#include "process/keeper.h"
#include "uplink/control.h"

namespace runner::process {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr int kStartLimit = 15'000;  // milliseconds
constexpr int kAskLimit = 5000;
constexpr int kKillLimit = 10'000;
constexpr milliseconds kMargin{2000};
// Between two questions; nobody announces what a process comes to.
constexpr milliseconds kBetween{10};

std::string Where(const std::string& node) { return "node " + Quote(node); }

Result<Fd> MemoryFile(const char* name, std::string_view text) {
  Fd file(memfd_create(name, MFD_CLOEXEC));
  if (!file.is_open()) return SystemError(errno, "make a file in memory");
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t written = write(file.get(), text.data() + at, text.size() - at);
    if (written < 0) return SystemError(errno, "write a file in memory");
    at += static_cast<std::size_t>(written);
  }
  if (lseek(file.get(), 0, SEEK_SET) != 0) return SystemError(errno, "write a file in memory");
  return file;
}

void Tell(int fd, const Json& json) {
  const std::string line = JsonText(json) + "\n";
  if (write(fd, line.data(), line.size()) < 0) _exit(1);  // Whoever started this is gone.
}

struct Inherited {
  int orders;
  int ready;
  int holder;
  int log;
};

/// In the process that becomes the keeper: returns only to fail. `ready` follows its pipe to where it is placed.
Status Become(const KeeperSpec& spec, const Inherited& inherited, int program, int& ready) {
  const Fd null = TRY(OpenFile("/dev/null", O_RDWR));
  const int holder = inherited.holder < 0 ? null.get() : inherited.holder;
  const std::array<int, kKeeperFds> wanted = {null.get(),       null.get(),      inherited.log,
                                              inherited.orders, inherited.ready, holder};
  std::array<int, kKeeperFds> high = {};
  // Through high numbers: the sources may stand on the targets.
  for (std::size_t i = 0; i < wanted.size(); ++i) high[i] = fcntl(wanted[i], F_DUPFD, 64);
  const int program_fd = fcntl(program, F_DUPFD_CLOEXEC, 64);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (high[i] < 0 || dup2(high[i], static_cast<int>(i)) < 0)
      return SystemError(errno, "hand descriptors to the keeper");
  }
  ready = kKeeperReadyFd;
  if (chdir("/") != 0) return SystemError(errno, "chdir to /");
  syscall(SYS_close_range, static_cast<unsigned>(kKeeperFds), static_cast<unsigned>(program_fd) - 1, 0U);
  syscall(SYS_close_range, static_cast<unsigned>(program_fd) + 1, ~0U, 0U);
  for (int number = 1; number < NSIG; ++number) std::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  // Each as a word of its own, for `ps` and for FindKeepers.
  std::array<std::string, 5> words = {"toporun", kKeeperCommand, spec.lab, spec.node, spec.state_folder};
  std::array<char*, 6> arguments = {};
  for (std::size_t i = 0; i < words.size(); ++i) arguments[i] = words[i].data();
  fexecve(program_fd, arguments.data(), environ);
  return SystemError(errno, "start the keeper");
}

/// In the first fork, whose end lets the keeper be a child of init.
Status Launch(const KeeperSpec& spec, const Inherited& inherited, int netns, int program, int& ready) {
  setsid();
  if (setns(netns, CLONE_NEWNET) != 0) return SystemError(errno, "enter the node's network namespace");
  if (unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID) != 0) {
    Error error = SystemError(errno, "make mount, host name and process namespaces");
    if (error.code == ENOSPC) error.why += "; see sysctl user.max_pid_namespaces, user.max_mnt_namespaces";
    return error;
  }
  const pid_t keeper = fork();
  if (keeper < 0) return SystemError(errno, "fork the keeper");
  if (keeper == 0) return Become(spec, inherited, program, ready);
  Tell(ready, {{"pid", keeper}});
  _exit(0);
}

struct Answer {
  pid_t pid = 0;
  bool ready = false;
  std::optional<Error> error;
  // Who forked the keeper tells its number, the keeper that it is ready: on a busy machine in either order.
  bool is_done() const { return error.has_value() || (ready && pid != 0); }
};

void TakeLine(std::string_view line, Answer& answer) {
  const auto json = ParseJson(line);
  // From our own program, or from what an interrupted write left of it.
  if (!json.ok() || !json->is_object()) return;
  const auto number = [&json](const char* key) {
    return json->contains(key) && (*json)[key].is_number_integer() ? (*json)[key].get<int>() : 0;
  };
  if (json->contains("pid")) answer.pid = number("pid");
  if (json->contains("ready")) answer.ready = true;
  if (json->contains("error") && (*json)["error"].is_string()) {
    answer.error = Fail((*json)["error"].get<std::string>());
    answer.error->code = number("code");
  }
}

Answer WaitForKeeper(int fd) {
  Answer answer;
  std::string text;
  const auto deadline = Clock::now() + milliseconds(kStartLimit);
  while (!answer.is_done()) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
    pollfd polled = {.fd = fd, .events = POLLIN, .revents = 0};
    if (left <= 0 || poll(&polled, 1, static_cast<int>(left)) == 0) {
      answer.error = Fail(fmt::format("the keeper was not ready after {} seconds", kStartLimit / 1000));
      return answer;
    }
    std::array<char, 4096> buffer = {};
    const ssize_t size = read(fd, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      answer.error = Fail("the keeper ended before it was ready");
      return answer;
    }
    text.append(buffer.data(), static_cast<std::size_t>(size));
    for (std::size_t end = 0; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) {
      TakeLine(std::string_view(text).substr(0, end), answer);
    }
  }
  return answer;
}

bool HasEnded(int pidfd, milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  while (true) {
    const auto left = std::max<std::int64_t>(std::chrono::ceil<milliseconds>(deadline - Clock::now()).count(), 0);
    pollfd polled = {.fd = pidfd, .events = POLLIN, .revents = 0};
    const int ready = poll(&polled, 1, static_cast<int>(std::min<std::int64_t>(left, 3'600'000)));
    if (ready > 0) return true;
    if (ready == 0 && left == 0) return false;
  }
}

Status Signal(int pidfd, int number, pid_t pid) {
  if (syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0) == 0 || errno == ESRCH) return {};
  return SystemError(errno, fmt::format("end the keeper, process {}", pid));
}

/// Of the line that names it in /proc/PID/status; empty when the process has gone.
std::string StatusField(pid_t pid, std::string_view name) {
  const auto text = ReadFile(fmt::format("/proc/{}/status", pid));
  if (!text.ok()) return "";
  for (const std::string_view line : Split(*text, '\n')) {
    if (line.starts_with(name)) return std::string(line.substr(name.size()));
  }
  return "";
}

/// Process 1 of its namespace, and ours by its user.
bool IsKeeper(pid_t pid) {
  return StatusField(pid, "NSpid:").ends_with("\t1") &&
         StatusField(pid, "Uid:").starts_with(fmt::format("\t{}\t{}\t", geteuid(), geteuid()));
}

Status Ask(const std::string& state_folder, const std::string& node, const Json& request,
           std::span<const Fd> files = {}) {
  auto answer = AskControl(state_folder, SocketName(node), request, kAskLimit, nullptr, files);
  if (!answer.ok()) return std::move(answer).error().Wrap(Where(node));
  return {};
}

/// How long its processes may take to stop.
milliseconds GraceOf(const std::string& state_folder, const std::string& node) {
  const auto answer = AskControl(state_folder, SocketName(node), {{"do", "state"}}, kAskLimit);
  std::int64_t longest = 0;
  if (answer.ok() && answer->contains("processes")) {
    for (const Json& json : (*answer)["processes"]) {
      const auto state = ProcessState::FromJson(json);
      if (state.ok()) longest = std::max(longest, state->spec.stop_grace_period_ms);
    }
  }
  return milliseconds(longest) + kMargin;
}

}  // namespace

const ProcessState* KeeperState::Find(const std::string& process) const {
  const auto found =
      std::ranges::find_if(processes, [&](const ProcessState& state) { return state.spec.name == process; });
  return found == processes.end() ? nullptr : &*found;
}

std::vector<KeeperProcess> FindKeepers(const std::string& lab, const std::string& state_folder) {
  std::vector<KeeperProcess> found;
  const auto names = kernel::ListEntries("/proc");
  if (!names.ok()) return found;
  for (const std::string& name : *names) {
    const auto pid = ParseInteger(name);
    if (!pid) continue;
    const auto line = ReadFile("/proc/" + name + "/cmdline");
    if (!line.ok()) continue;  // Gone meanwhile.
    const auto words = Split(*line, '\0');
    if (words.size() < 5 || words[1] != kKeeperCommand || words[2] != lab || words[4] != state_folder) continue;
    if (!IsKeeper(static_cast<pid_t>(*pid))) continue;
    if (const auto identity = kernel::ReadProcessIdentity(static_cast<pid_t>(*pid))) {
      found.push_back({.node = std::string(words[3]), .identity = *identity});
    }
  }
  return found;
}

Result<KeeperProcess> StartKeeper(const KeeperSpec& spec, int netns, const kernel::ProcessIdentity& holder,
                                  const std::string& executable) {
  const Fd orders = TRY(MemoryFile("keeper", JsonText(spec.ToJson())));
  const Fd log =
      TRY(OpenFile(KeeperLogPath(spec.state_folder, spec.node), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0600));
  Fd holder_fd;
  if (holder.pid != 0) holder_fd = TRY(kernel::OpenProcess(holder));
  // "/proc/self/exe" is read while it is still this one.
  const Fd program = TRY(OpenFile(executable, O_PATH));
  std::array<int, 2> ends = {};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return SystemError(errno, "make a pipe to the keeper");
  const Fd ours(ends[0]);
  Fd theirs(ends[1]);
  const pid_t middle = fork();
  if (middle < 0) return SystemError(errno, "fork the keeper");
  if (middle == 0) {
    int ready = theirs.get();
    const Inherited inherited = {
        .orders = orders.get(), .ready = theirs.get(), .holder = holder_fd.get(), .log = log.get()};
    const Status failed = Launch(spec, inherited, netns, program.get(), ready);
    Tell(ready, {{"error", failed.error().text()}, {"code", failed.error().code}});
    _exit(1);
  }
  theirs.Reset();
  Answer answer = WaitForKeeper(ours.get());
  int status = 0;
  while (waitpid(middle, &status, 0) < 0 && errno == EINTR) {
  }
  const auto identity = answer.pid == 0 ? std::nullopt : kernel::ReadProcessIdentity(answer.pid);
  if (answer.ready && identity) return KeeperProcess{.node = spec.node, .identity = *identity};
  if (identity) TRY(StopKeeper(spec.state_folder, {.node = spec.node, .identity = *identity}));
  if (answer.error) return std::move(*answer.error);
  return Fail("the keeper ended at once");
}

KeeperState ReadKeeper(const std::string& lab, const std::string& state_folder, const std::string& node) {
  KeeperState state;
  pid_t peer = 0;
  const auto answer = AskControl(state_folder, SocketName(node), {{"do", "state"}}, kAskLimit, &peer);
  if (!answer.ok()) {
    for (KeeperProcess& keeper : FindKeepers(lab, state_folder)) {
      if (keeper.node != node) continue;
      state.life = KeeperState::Life::kSilent;
      state.keeper = std::move(keeper);
    }
    return state;
  }
  const auto identity = kernel::ReadProcessIdentity(peer);
  if (!identity || !answer->contains("spec") || !answer->contains("processes")) return state;
  auto spec = KeeperSpec::FromJson((*answer)["spec"]);
  if (!spec.ok()) return state;
  for (const Json& json : (*answer)["processes"]) {
    auto process = ProcessState::FromJson(json);
    if (process.ok()) state.processes.push_back(std::move(*process));
  }
  state.life = KeeperState::Life::kServing;
  state.keeper = {.node = node, .identity = *identity};
  state.spec = std::move(*spec);
  return state;
}

Result<Fd> OpenKeeper(const std::string& lab, const std::string& state_folder, const std::string& node) {
  const KeeperState state = ReadKeeper(lab, state_folder, node);
  auto opened = state.life == KeeperState::Life::kGone ? Result<Fd>(SystemError(ESRCH, "open"))
                                                       : kernel::OpenProcess(state.keeper.identity);
  if (opened.ok()) return opened;
  Error error = Fail("enter its view", "the keeper that holds it is gone; `toporun up " + lab + "` makes it anew");
  error.code = ESRCH;
  return std::move(error).Wrap(Where(node));
}

Status StopKeeper(const std::string& state_folder, const KeeperProcess& keeper) {
  const milliseconds grace = GraceOf(state_folder, keeper.node);
  const auto pidfd = kernel::OpenProcess(keeper.identity);
  if (!pidfd.ok() && pidfd.error().code == ESRCH) return {};
  if (!pidfd.ok()) return pidfd.error();
  const pid_t pid = keeper.identity.pid;
  TRY(Signal(pidfd->get(), SIGTERM, pid).Wrap(Where(keeper.node)));
  if (HasEnded(pidfd->get(), grace)) return {};
  TRY(Signal(pidfd->get(), SIGKILL, pid).Wrap(Where(keeper.node)));
  if (HasEnded(pidfd->get(), milliseconds(kKillLimit))) return {};
  return Fail(fmt::format("end the keeper, process {}", pid), "it does not end, although it was killed")
      .Wrap(Where(keeper.node));
}

Status StartProcess(const std::string& state_folder, const std::string& node, const ProcessSpec& spec) {
  return Ask(state_folder, node, {{"do", "start"}, {"process", spec.ToJson()}});
}

Status RedefineProcess(const std::string& state_folder, const std::string& node, const ProcessSpec& spec) {
  return Ask(state_folder, node, {{"do", "change"}, {"process", spec.ToJson()}});
}

Status ChangeProcess(const Target& target, Change change) {
  constexpr std::array<const char*, 3> kWords = {"kill", "stop", "again"};
  return Ask(target.state_folder, target.node,
             {{"do", kWords[static_cast<std::size_t>(change)]}, {"name", target.process}});
}

Status PutFile(const std::string& state_folder, const std::string& node, const std::string& path,
               std::string_view content, mode_t mode) {
  std::array<Fd, 1> file = {TRY(MemoryFile("content", content))};
  return Ask(state_folder, node, {{"do", "put"}, {"path", path}, {"mode", mode}}, file);
}

Status RefreshFiles(const std::string& state_folder, const std::string& node) {
  return Ask(state_folder, node, {{"do", "refresh"}});
}

Result<std::optional<ViewFile>> ReadFileIn(const KeeperProcess& keeper, const std::string& path) {
  const Fd root = TRY(OpenFile(fmt::format("/proc/{}/root", keeper.identity.pid), O_PATH | O_DIRECTORY));
  open_how how = {};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_IN_ROOT;  // links lead where they lead in the node
  const Fd file(static_cast<int>(syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how)));
  if (!file.is_open()) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<ViewFile>();
    return SystemError(errno, "open " + Quote(path));
  }
  struct stat info {};
  if (fstat(file.get(), &info) != 0) return SystemError(errno, "look at " + Quote(path));
  if (!S_ISREG(info.st_mode)) return std::optional<ViewFile>();
  return std::optional(
      ViewFile{.content = TRY(ReadFile(fmt::format("/proc/self/fd/{}", file.get()))), .mode = info.st_mode & 07777});
}

Status Await(const Target& target, const std::function<Result<bool>(const ProcessState&)>& done,
             const volatile int* interrupted, std::optional<milliseconds> limit) {
  const auto end = Clock::now() + limit.value_or(milliseconds(0));
  while (true) {
    const auto answer = AskControl(target.state_folder, SocketName(target.node), {{"do", "state"}}, kAskLimit);
    if (!answer.ok()) return Error(answer.error()).Wrap(Where(target.node));
    bool is_known = false;
    for (const Json& json : (*answer)["processes"]) {
      const ProcessState state = TRY(ProcessState::FromJson(json));
      if (state.spec.name != target.process) continue;
      is_known = true;
      if (TRY(done(state))) return {};
    }
    if (!is_known) return Fail("the node's keeper does not know it");
    if (interrupted != nullptr && *interrupted != 0) return Fail("interrupted");
    if (limit && Clock::now() >= end) return SystemError(ETIMEDOUT, "wait for it");
    poll(nullptr, 0, kBetween.count());
  }
}

std::vector<std::string> LastLines(const Target& target, std::size_t count) {
  const std::string path = LogPath(target.state_folder, target.node, target.process);
  std::string text;
  for (const std::string& file : {path + ".1", path}) {
    if (const auto part = ReadFile(file); part.ok()) text += *part;
  }
  if (text.ends_with('\n')) text.pop_back();
  if (text.empty()) return {};
  const auto lines = Split(text, '\n');
  const std::size_t first = lines.size() > count ? lines.size() - count : 0;
  return {lines.begin() + static_cast<std::ptrdiff_t>(first), lines.end()};
}

std::map<int, pid_t> NumbersIn(const KeeperProcess& keeper) {
  std::map<int, pid_t> numbers;
  const auto names = kernel::ListEntries("/proc");
  struct stat home {};
  if (!names.ok() || stat(fmt::format("/proc/{}/ns/pid", keeper.identity.pid).c_str(), &home) != 0) return numbers;
  for (const std::string& name : *names) {
    const auto pid = ParseInteger(name);
    struct stat info {};
    if (!pid || stat(("/proc/" + name + "/ns/pid").c_str(), &info) != 0 || info.st_ino != home.st_ino) continue;
    const std::string all = StatusField(static_cast<pid_t>(*pid), "NSpid:");
    const auto inner = ParseInteger(std::string_view(all).substr(all.rfind('\t') + 1));
    if (inner) numbers.emplace(static_cast<int>(*inner), static_cast<pid_t>(*pid));
  }
  return numbers;
}

std::string Describe(const ProcessState& state) {
  if (state.phase == Phase::kStopped) return "it was stopped";
  if (!state.exit_status) return state.reason.empty() ? NameOf(state.phase) : state.reason;
  if (*state.exit_status > 128) return fmt::format("ended by signal {}", *state.exit_status - 128);
  return fmt::format("exit status {}", *state.exit_status);
}

}  // namespace runner::process
