#include "rootless/holder.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <memory>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "kernel/boot.h"
#include "rootless/channel.h"
#include "rootless/ground.h"
#include "rootless/holder_record.h"

namespace runner::rootless {
namespace {

constexpr int kStartLimit = 15000;  // milliseconds
constexpr int kEndLimit = 10000;
constexpr int kChannelFd = 3;  // the holder's end
constexpr const char* kGo = "go";

std::string Encode(const Error& error) { return JsonText({{"error", error.text()}, {"code", error.code}}); }

/// In the process that becomes the holder: returns only to fail.
Status Become(const HolderPlace& place, int channel) {
  const Fd null = TRY(OpenFile("/dev/null", O_RDWR));
  // Through a high number: the source may stand on a target.
  const int high = fcntl(channel, F_DUPFD_CLOEXEC, 64);
  if (high < 0 || dup2(high, kChannelFd) < 0) return SystemError(errno, "hand a socket to the holder");
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (dup2(null.get(), standard) < 0) return SystemError(errno, "hand descriptors to the holder");
  }
  if (chdir("/") != 0) return SystemError(errno, "chdir to /");
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int signal = 1; signal < NSIG; ++signal) std::signal(signal, SIG_DFL);
  std::array<std::string, 4> words = {"toporun", kHolderCommand, place.lab, place.state};
  std::array<char*, 5> arguments = {words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
  execv("/proc/self/exe", arguments.data());
  return SystemError(errno, "start the holder");
}

/// Forked twice: the holder is a child of init, which takes its exit status, and outlives our session.
Status Launch(const HolderPlace& place, Fd channel) {
  const pid_t middle = fork();
  if (middle < 0) return SystemError(errno, "fork the holder");
  if (middle == 0) {
    setsid();
    const pid_t holder = fork();
    if (holder != 0) _exit(holder < 0 ? 1 : 0);
    const Status failed = Become(place, channel.get());
    // When nobody listens any more, there is nobody to tell.
    [[maybe_unused]] const Status told = SendMessage(channel.get(), Encode(failed.error()));
    _exit(1);
  }
  int status = 0;
  while (waitpid(middle, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) return Fail("fork the holder", "the system has no room for another process");
  return {};
}

struct Report {
  pid_t pid = 0;
  std::vector<std::string> missing;
};

Result<Report> WaitForReport(int channel) {
  pollfd polled = {.fd = channel, .events = POLLIN, .revents = 0};
  int ready = 0;
  do {
    ready = poll(&polled, 1, kStartLimit);
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) return Fail(fmt::format("it was not ready after {} seconds", kStartLimit / 1000));
  const auto message = TRY(ReceiveMessage(channel));
  if (!message) return Fail("it ended before it was ready");
  const Json json = TRY(ParseJson(message->text));
  // From our own program, a moment ago.
  if (json.contains("error")) {
    Error error = Fail(json["error"].get<std::string>());
    error.code = json["code"].get<int>();
    return error;
  }
  return Report{.pid = json["pid"].get<pid_t>(), .missing = json["missing"].get<std::vector<std::string>>()};
}

/// All but the holder that have a namespace of the lab's: a shell that was left in `host`, a program that went on.
std::vector<kernel::ProcessIdentity> OthersIn(const Holder& holder) {
  std::vector<kernel::ProcessIdentity> found;
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(opendir("/proc"), closedir);
  if (proc == nullptr) return found;
  const NamespaceNumbers& lab = holder.record.namespaces;
  while (const dirent* entry = readdir(proc.get())) {
    const auto number = ParseInteger(entry->d_name);
    if (!number || *number == holder.pid()) continue;
    const auto pid = static_cast<pid_t>(*number);
    const auto its = ReadNamespaceNumbers(pid);
    if (!its || (its->user != lab.user && its->mount != lab.mount && its->network != lab.network)) continue;
    if (const auto identity = kernel::ReadProcessIdentity(pid)) found.push_back(*identity);
  }
  return found;
}

Status Kill(const Holder& holder) {
  if (syscall(SYS_pidfd_send_signal, holder.pidfd.get(), SIGKILL, nullptr, 0) != 0) {
    if (errno == ESRCH) return {};
    return SystemError(errno, fmt::format("end the holder, process {}", holder.pid()));
  }
  pollfd polled = {.fd = holder.pidfd.get(), .events = POLLIN, .revents = 0};
  int ended = 0;
  do {
    ended = poll(&polled, 1, kEndLimit);
  } while (ended < 0 && errno == EINTR);
  if (ended == 0)
    return Fail(fmt::format("end the holder, process {}", holder.pid()), "it does not end, although it was killed");
  return {};
}

Status Hold() {
  auto made = MakeGround();
  if (!made.ok()) {
    TRY(SendMessage(kChannelFd, Encode(made.error())));
    return std::move(made).error();
  }
  // Who enters later must be allowed to look at us.
  if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) return SystemError(errno, "become dumpable");
  TRY(SendMessage(kChannelFd, JsonText({{"pid", getpid()}, {"missing", *made}})));
  // Whoever started us was killed before we were recorded: nobody would know of us.
  const auto answer = TRY(ReceiveMessage(kChannelFd));
  if (!answer || answer->text != kGo) return Fail("nobody waits for this holder");
  if (prctl(PR_SET_NAME, kHolderName) != 0) return SystemError(errno, "take the name of a holder");
  close(kChannelFd);
  return {};
}

}  // namespace

Result<StartedHolder> StartHolder(const HolderPlace& place) {
  auto [ours, theirs] = TRY(OpenChannel());
  TRY(Launch(place, std::move(theirs)));
  Report report = TRY(WaitForReport(ours.get()).Wrap("holder of lab " + Quote(place.lab)));
  const auto process = kernel::ReadProcessIdentity(report.pid);
  const auto namespaces = ReadNamespaceNumbers(report.pid);
  if (!process || !namespaces) {
    return Fail("its namespaces cannot be seen in /proc").Wrap("holder of lab " + Quote(place.lab));
  }
  StartedHolder started;
  started.missing = std::move(report.missing);
  started.holder.pidfd = TRY(kernel::OpenProcess(*process));
  started.holder.record = {.process = *process, .boot_id = TRY(BootId()), .namespaces = *namespaces};
  TRY(WriteHolderRecord(place.RecordPath(), started.holder.record));
  TRY(SendMessage(ours.get(), kGo));
  return started;
}

Result<std::vector<kernel::ProcessInfo>> EndHolder(const HolderPlace& place, const Holder& holder) {
  std::vector<kernel::ProcessInfo> ended;
  // What is ended may have just started another.
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<kernel::ProcessIdentity> others = OthersIn(holder);
    if (others.empty()) break;
    for (const kernel::ProcessIdentity& one : others) ended.push_back(kernel::DescribeProcess(one));
    const auto spared = TRY(kernel::SignalAndWait(others));
    if (spared.size() == others.size()) break;
  }
  TRY(Kill(holder));
  if (unlink(place.RecordPath().c_str()) != 0 && errno != ENOENT) {
    return SystemError(errno, "remove " + Quote(place.RecordPath()));
  }
  return ended;
}

int HolderMain(int argc, char** argv) {
  if (argc != 4 || fcntl(kChannelFd, F_GETFD) < 0) {
    fmt::print(stderr, "{}: this is started by \"toporun up\"\n", argc > 1 ? argv[1] : kHolderCommand);
    return 2;
  }
  syscall(SYS_close_range, static_cast<unsigned>(kChannelFd) + 1, ~0U, 0U);
  if (!Hold().ok()) return 1;
  while (true) pause();
}

}  // namespace runner::rootless
