#include "process/minder.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/text.h"
#include "kernel/enter_place.h"
#include "kernel/mirror.h"
#include "kernel/process.h"

namespace runner::process {
namespace {

// Where the minder keeps what it needs; all else is closed.
constexpr int kNullFd = 0;
constexpr int kOutputFd = 1;
constexpr int kEventsFd = 3;
constexpr int kFirstOther = 4;

struct Pipe {
  Fd read_end;
  Fd write_end;
};

Result<Pipe> MakePipe() {
  std::array<int, 2> ends = {};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return SystemError(errno, "make a pipe");
  return Pipe{.read_end = Fd(ends[0]), .write_end = Fd(ends[1])};
}

void TellKeeper(const std::string& line) {
  // Whoever does not listen has been killed, and this process is about to be.
  [[maybe_unused]] const ssize_t written = write(kEventsFd, line.data(), line.size());
}

/// The fields of /proc/PID/stat behind the name: [0] the state, [1] the parent, [6] the flags.
std::vector<std::string> FieldsOf(pid_t pid) {
  const auto text = ReadFile(fmt::format("/proc/{}/stat", pid));
  if (!text.ok()) return {};
  const std::size_t name_end = text->rfind(')');
  if (name_end == std::string::npos || name_end + 2 > text->size()) return {};
  std::vector<std::string> fields;
  for (const std::string_view field : Split(std::string_view(*text).substr(name_end + 2), ' ')) {
    fields.emplace_back(field);
  }
  return fields;
}

/// Whether it runs a program of its own, not the copy of this one that it was forked as.
bool HasBegun(pid_t pid) {
  constexpr std::size_t kFlags = 6;
  constexpr std::int64_t kForkedNoExec = 0x40;  // PF_FORKNOEXEC, include/linux/sched.h
  const auto fields = FieldsOf(pid);
  if (fields.size() <= kFlags) return false;
  return (ParseInteger(fields[kFlags]).value_or(kForkedNoExec) & kForkedNoExec) == 0;
}

[[noreturn]] void BecomeProcess(const kernel::EnterSpec& spec) {
  // Its own session: what the terminal or a shell of the node does to theirs does not reach it.
  setsid();
  if (dup2(kOutputFd, STDERR_FILENO) < 0) _exit(kernel::kExitCannotRun);
  fcntl(kEventsFd, F_SETFD, FD_CLOEXEC);
  // Ignored ones would stay so.
  for (int number = 1; number < NSIG; ++number) std::signal(number, SIG_DFL);
  kernel::EnterAndExec(spec);
}

[[noreturn]] void Mind(const kernel::EnterSpec& spec) {
  // Closed when the process becomes its command, or ends before.
  auto begun = MakePipe();
  if (!begun.ok()) _exit(kernel::kExitCannotRun);
  const pid_t child = fork();
  if (child == 0) BecomeProcess(spec);
  if (child < 0) _exit(kernel::kExitCannotRun);
  // From here on only the process and what it starts can print.
  dup2(kNullFd, kOutputFd);
  TellKeeper(fmt::format("process {}\n", child));
  begun->write_end.Reset();
  char nothing = 0;
  while (read(begun->read_end.get(), &nothing, 1) < 0 && errno == EINTR) {
  }
  if (HasBegun(child)) TellKeeper("began\n");
  while (true) {
    int status = 0;
    const pid_t ended = waitpid(-1, &status, 0);
    if (ended < 0 && errno == EINTR) continue;
    if (ended < 0) _exit(0);
    if (ended == child) TellKeeper(fmt::format("ended {}\n", status));
  }
}

/// In the fork that becomes the minder.
[[noreturn]] void BecomeMinder(const kernel::EnterSpec& spec, int null, int output, int events) {
  prctl(PR_SET_NAME, "toporun-minder");
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) _exit(kernel::kExitCannotRun);
  setsid();
  // Through high numbers: the sources may stand on the targets.
  const std::array<std::pair<int, int>, 4> places = {
      {{null, kNullFd}, {output, kOutputFd}, {null, STDERR_FILENO}, {events, kEventsFd}}};
  std::array<int, 4> high = {};
  for (std::size_t i = 0; i < places.size(); ++i) high[i] = fcntl(places[i].first, F_DUPFD_CLOEXEC, 64);
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (high[i] < 0 || dup2(high[i], places[i].second) < 0) _exit(kernel::kExitCannotRun);
  }
  syscall(SYS_close_range, static_cast<unsigned>(kFirstOther), ~0U, 0U);
  for (int number = 1; number < NSIG; ++number) std::signal(number, SIG_DFL);
  // It ends with the last of its children, or with the keeper.
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) std::signal(number, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  Mind(spec);
}

void Send(const kernel::ProcessIdentity& process, int number) {
  const auto fd = kernel::OpenProcess(process);
  // Gone meanwhile.
  if (!fd.ok()) return;
  syscall(SYS_pidfd_send_signal, fd->get(), number, nullptr, 0);
}

/// Each with the start time that it had when it was found to be one.
std::vector<kernel::ProcessIdentity> Identify(pid_t ancestor) {
  std::vector<kernel::ProcessIdentity> found;
  for (const pid_t pid : DescendantsOf(ancestor)) {
    if (const auto identity = kernel::ReadProcessIdentity(pid)) found.push_back(*identity);
  }
  return found;
}

}  // namespace

Result<Minded> StartMinded(const kernel::EnterSpec& spec) {
  Pipe events = TRY(MakePipe());
  Pipe output = TRY(MakePipe());
  const Fd null = TRY(OpenFile("/dev/null", O_RDWR));
  const pid_t minder = fork();
  if (minder < 0) return SystemError(errno, "start a process");
  if (minder == 0) BecomeMinder(spec, null.get(), output.write_end.get(), events.write_end.get());
  for (const Fd* fd : {&events.read_end, &output.read_end}) fcntl(fd->get(), F_SETFL, O_NONBLOCK);
  return Minded{.minder = minder, .events = std::move(events.read_end), .output = std::move(output.read_end)};
}

std::vector<pid_t> DescendantsOf(pid_t ancestor) {
  std::multimap<pid_t, pid_t> children;
  const auto names = kernel::ListEntries("/proc");
  if (!names.ok()) return {};
  for (const std::string& name : *names) {
    const auto pid = ParseInteger(name);
    if (!pid) continue;
    const auto fields = FieldsOf(static_cast<pid_t>(*pid));
    if (fields.size() < 2 || fields[0] == "Z") continue;
    children.emplace(static_cast<pid_t>(ParseInteger(fields[1]).value_or(0)), static_cast<pid_t>(*pid));
  }
  std::vector<pid_t> found;
  std::vector<pid_t> left = {ancestor};
  while (!left.empty()) {
    const auto [first, last] = children.equal_range(left.back());
    left.pop_back();
    for (auto child = first; child != last; ++child) {
      found.push_back(child->second);
      left.push_back(child->second);
    }
  }
  std::ranges::sort(found);
  return found;
}

void SignalDescendants(pid_t ancestor, int number) {
  for (const kernel::ProcessIdentity& process : Identify(ancestor)) Send(process, number);
}

void KillDescendants(pid_t ancestor) {
  // What is stopped starts nothing more; one that was forked meanwhile is found in the next round.
  constexpr int kRounds = 50;
  std::set<kernel::ProcessIdentity> stopped;
  for (int round = 0; round < kRounds; ++round) {
    bool any = false;
    for (const kernel::ProcessIdentity& process : Identify(ancestor)) {
      if (!stopped.insert(process).second) continue;
      Send(process, SIGSTOP);
      any = true;
    }
    if (!any) break;
  }
  for (const kernel::ProcessIdentity& process : stopped) Send(process, SIGKILL);
}

}  // namespace runner::process
