#include "uplink/supervisor.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <memory>

#include <fmt/format.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"
#include "uplink/control.h"
#include "uplink/helper.h"
#include "uplink/loop.h"
#include "uplink/own_namespaces.h"
#include "uplink/packet_end.h"
#include "uplink/process_id.h"
#include "uplink/tap.h"

namespace runner {
namespace {

constexpr int kStartLimit = 15000;
constexpr int kCarrierLimit = 5000;
constexpr int kAskLimit = 3000;
constexpr int kTermLimit = 2000;
constexpr int kKillLimit = 10000;

std::string SocketName(const std::string& node) { return fmt::format("uplink-{}.sock", node); }

std::string RandomToken() {
  std::uint64_t bits = 0;
  if (getrandom(&bits, sizeof bits, 0) != sizeof bits) bits = static_cast<std::uint64_t>(Loop::Now());
  return fmt::format("{:016x}", bits);
}

Result<Fd> OrdersFile(const UplinkSpec& spec, const std::vector<ForwardSpec>& forwards, const std::string& token) {
  Json json;
  json["spec"] = spec.ToJson();
  json["forwards"] = Json::array();
  for (const ForwardSpec& forward : forwards) json["forwards"].push_back(forward.ToJson());
  json["token"] = token;
  const std::string text = JsonText(json);
  Fd file(memfd_create("uplink", MFD_CLOEXEC));
  if (!file.is_open()) return SystemError(errno, "make the helper's orders");
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t written = write(file.get(), text.data() + at, text.size() - at);
    if (written < 0) return SystemError(errno, "write the helper's orders");
    at += static_cast<std::size_t>(written);
  }
  if (lseek(file.get(), 0, SEEK_SET) != 0) return SystemError(errno, "write the helper's orders");
  return file;
}

void Tell(int fd, const Json& json) {
  const std::string line = JsonText(json) + "\n";
  if (write(fd, line.data(), line.size()) < 0) _exit(1);  // The supervisor is gone.
}

// All that the helper inherits, at its agreed places. Through high numbers first: the sources may stand on the targets.
Status PlaceDescriptors(int orders, int ready, int node, int log) {
  const Fd null = TRY(OpenFile("/dev/null", O_RDWR));
  const std::array<int, kHelperFds> wanted = {null.get(), null.get(), log, orders, ready, node};
  std::array<int, kHelperFds> high = {};
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    high[i] = fcntl(wanted[i], F_DUPFD, kHelperFds);
    if (high[i] < 0) return SystemError(errno, "hand descriptors to the helper");
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (dup2(high[i], static_cast<int>(i)) < 0) return SystemError(errno, "hand descriptors to the helper");
  }
  return {};
}

// In the process that becomes the helper: returns only to fail. `ready` follows its pipe to where it is placed.
Status Become(const UplinkSpec& spec, int node_end, int outer_netns, int orders, int& ready, int log,
              const std::string& executable) {
  if (outer_netns >= 0 && setns(outer_netns, CLONE_NEWNET) != 0) {
    return SystemError(errno, "enter the namespace that the uplink leaves by");
  }
  // An open program needs no name afterwards; "/proc/self/exe" is read while it is still this one.
  const Fd program = TRY(OpenFile(executable, O_PATH));
  const int program_fd = fcntl(program.get(), F_DUPFD_CLOEXEC, kHelperFds);
  TRY(PlaceDescriptors(orders, ready, node_end, log));
  ready = kHelperReadyFd;
  if (chdir("/") != 0) return SystemError(errno, "chdir to /");
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int signal = 1; signal < NSIG; ++signal) std::signal(signal, SIG_DFL);
  syscall(SYS_close_range, static_cast<unsigned>(kHelperFds), static_cast<unsigned>(program_fd) - 1, 0U);
  syscall(SYS_close_range, static_cast<unsigned>(program_fd) + 1, ~0U, 0U);
  unsetenv("SLIRP_DEBUG");
  // Each as a word of its own, for `ps` and for FindUplinks.
  std::array<std::string, 5> words = {"toporun", kUplinkHelperCommand, spec.lab, spec.node, spec.state_folder};
  std::array<char*, 6> arguments = {};
  for (std::size_t i = 0; i < words.size(); ++i) arguments[i] = words[i].data();
  fexecve(program_fd, arguments.data(), environ);
  return SystemError(errno, fmt::format("start {}", executable));
}

// The lab's side of the uplink, which the helper inherits.
Result<Fd> OpenNodeEnd(const UplinkSpec& spec, const NodeSide& node) {
  if (spec.kind == UplinkSpec::Kind::kRelay) {
    Fd netns(fcntl(node.netns, F_DUPFD_CLOEXEC, 0));
    if (!netns.is_open()) return SystemError(errno, "hand the namespace to the helper");
    return netns;
  }
  if (node.far_netns < 0) return OpenTap(node.netns, spec.interface);
  TRY(LimitOffloads(node.netns, spec.interface));
  return OpenPacketEnd(node.far_netns, spec.interface);
}

struct Answer {
  pid_t pid = 0;
  bool ready = false;
  std::optional<Error> error;
};

Answer WaitForHelper(int fd, int limit_ms) {
  Answer answer;
  std::string text;
  const std::int64_t deadline = Loop::Now() + limit_ms;
  while (true) {
    const std::int64_t left = deadline - Loop::Now();
    pollfd polled = {.fd = fd, .events = POLLIN, .revents = 0};
    if (left <= 0 || poll(&polled, 1, static_cast<int>(left)) == 0) {
      answer.error = Fail(fmt::format("the helper was not ready after {} seconds", limit_ms / 1000));
      return answer;
    }
    std::array<char, 4096> buffer;
    const ssize_t size = read(fd, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      answer.error = Fail("the helper ended before it was ready");
      return answer;
    }
    text.append(buffer.data(), static_cast<std::size_t>(size));
    for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
      const auto json = ParseJson(std::string_view(text).substr(0, end));
      text.erase(0, end + 1);
      if (!json || !json->is_object()) continue;
      // From our own program, or from what an interrupted write left of it.
      const auto number = [&json](const char* key) { return json->contains(key) && (*json)[key].is_number_integer(); };
      if (number("pid")) answer.pid = (*json)["pid"].get<pid_t>();
      if (json->contains("error") && (*json)["error"].is_string()) {
        Error error = Fail((*json)["error"].get<std::string>());
        if (number("code")) error.code = (*json)["code"].get<int>();
        answer.error = std::move(error);
        return answer;
      }
      if (json->contains("ready")) {
        answer.ready = true;
        return answer;
      }
    }
  }
}

Status WaitForEnd(int pidfd, int limit_ms) {
  const std::int64_t deadline = Loop::Now() + limit_ms;
  while (true) {
    const std::int64_t left = deadline - Loop::Now();
    if (left <= 0) return SystemError(ETIMEDOUT, "wait for the helper's end");
    pollfd polled = {.fd = pidfd, .events = POLLIN, .revents = 0};
    const int ready = poll(&polled, 1, static_cast<int>(left));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return SystemError(errno, "wait for the helper's end");
  }
}

Json ForwardRequest(const char* what, const ForwardSpec& forward) {
  Json json;
  json["do"] = what;
  json["forward"] = forward.ToJson();
  return json;
}

Status Ask(const std::string& state_folder, const std::string& node, const Json& request,
           std::span<const Fd> sockets = {}) {
  auto answer = AskControl(state_folder, SocketName(node), request, kAskLimit, nullptr, sockets);
  if (!answer) return std::move(answer).error().Wrap(fmt::format("uplink {}", node));
  return {};
}

}  // namespace

std::optional<std::uint64_t> StartTimeOf(pid_t pid) {
  const auto text = ReadFile(fmt::format("/proc/{}/stat", pid));
  if (!text) return std::nullopt;
  // The name before may hold blanks and brackets.
  const std::size_t name_end = text->rfind(')');
  if (name_end == std::string::npos || name_end + 2 > text->size()) return std::nullopt;
  const auto fields = Split(std::string_view(*text).substr(name_end + 2), ' ');
  constexpr std::size_t kStartTime = 22 - 3;
  if (fields.size() <= kStartTime || fields[0] == "Z" || fields[0] == "X") return std::nullopt;
  const auto start = ParseInteger(fields[kStartTime]);
  if (!start) return std::nullopt;
  return static_cast<std::uint64_t>(*start);
}

Json UplinkProcess::ToJson() const {
  Json json;
  json["node"] = node;
  json["pid"] = pid;
  json["start_time"] = start_time;
  json["token"] = token;
  return json;
}

Result<UplinkProcess> UplinkProcess::FromJson(const Json& json) {
  const auto is = [&json](const char* key, bool (Json::*test)() const noexcept) {
    return json.contains(key) && (json[key].*test)();
  };
  if (!json.is_object() || !is("node", &Json::is_string) || !is("pid", &Json::is_number_integer) ||
      !is("start_time", &Json::is_number_integer) || !is("token", &Json::is_string)) {
    return Fail("no identity of an uplink's process");
  }
  return UplinkProcess{.node = json["node"].get<std::string>(),
                       .pid = json["pid"].get<pid_t>(),
                       .start_time = json["start_time"].get<std::uint64_t>(),
                       .token = json["token"].get<std::string>()};
}

Result<UplinkProcess> LaunchHelper(const UplinkSpec& spec, const std::vector<ForwardSpec>& forwards, int node_end,
                                   int outer_netns, const std::string& executable) {
  const std::string token = RandomToken();
  const Fd orders = TRY(OrdersFile(spec, forwards, token));
  const Fd log =
      TRY(OpenFile(UplinkLogPath(spec.state_folder, spec.node), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0600));
  std::array<int, 2> ends = {};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return SystemError(errno, "make a pipe to the helper");
  const Fd ours(ends[0]);
  Fd theirs(ends[1]);

  // Forked twice: the helper is a child of init, which takes its exit status, and outlives our session.
  const pid_t middle = fork();
  if (middle < 0) return SystemError(errno, "fork the helper");
  if (middle == 0) {
    setsid();
    const pid_t helper = fork();
    if (helper != 0) _exit(helper < 0 ? 1 : 0);
    Json json;
    json["pid"] = getpid();
    Tell(theirs.get(), json);
    int ready = theirs.get();
    Status failed = Become(spec, node_end, outer_netns, orders.get(), ready, log.get(), executable);
    Json refusal;
    refusal["error"] = failed.error().text();
    refusal["code"] = failed.error().code;
    Tell(ready, refusal);
    _exit(1);
  }
  theirs.Reset();
  int status = 0;
  while (waitpid(middle, &status, 0) < 0 && errno == EINTR) {
  }

  Answer answer = WaitForHelper(ours.get(), kStartLimit);
  UplinkProcess process{.node = spec.node, .pid = answer.pid, .start_time = 0, .token = token};
  if (answer.ready) {
    if (const auto start = StartTimeOf(answer.pid)) {
      process.start_time = *start;
      return process;
    }
    answer.error = Fail("the helper ended at once");
  }
  // Nothing of a failed start is left running.
  if (const auto start = StartTimeOf(answer.pid); answer.pid > 0 && start) {
    process.start_time = *start;
    TRY(StopUplink(process));
  }
  return std::move(*answer.error).Wrap(fmt::format("uplink {}", spec.node));
}

Result<UplinkProcess> StartUplink(const UplinkSpec& spec, const NodeSide& node, const HelperLauncher& launch) {
  const std::string where = fmt::format("uplink {}", spec.node);
  const Fd node_end = TRY(OpenNodeEnd(spec, node).Wrap(where));
  UplinkProcess process = TRY(launch(spec, node_end.get()));
  if (spec.kind != UplinkSpec::Kind::kSlirp) return process;
  Status carrier = WaitForCarrier(node.netns, spec.interface, kCarrierLimit);
  if (carrier.ok()) return process;
  TRY(StopUplink(process));
  return std::move(carrier).error().Wrap(where);
}

Result<UplinkProcess> StartUplink(const UplinkSpec& spec, const std::vector<ForwardSpec>& forwards,
                                  const NodeSide& node, int outer_netns, const std::string& executable) {
  return StartUplink(spec, node, [&](const UplinkSpec& wanted, int node_end) {
    return LaunchHelper(wanted, forwards, node_end, outer_netns, executable);
  });
}

UplinkState ReadUplink(const std::string& state_folder, const std::string& node,
                       const std::optional<UplinkProcess>& recorded) {
  UplinkState state;
  if (recorded) {
    const auto start = StartTimeOf(recorded->pid);
    if (!start || *start != recorded->start_time) return state;
    state.life = UplinkState::Life::kSilent;
    state.process = *recorded;
  }
  Json request;
  request["do"] = "state";
  pid_t peer = 0;
  const auto answer = AskControl(state_folder, SocketName(node), request, kAskLimit, &peer);
  if (!answer) {
    if (!recorded && answer.error().code == ETIMEDOUT) {
      if (const auto start = StartTimeOf(peer)) {
        state.life = UplinkState::Life::kSilent;
        state.process = {.node = node, .pid = peer, .start_time = *start, .token = {}};
      }
    }
    return state;
  }
  const auto spec = answer->find("spec");
  const auto forwards = answer->find("forwards");
  const auto token = answer->find("token");
  const auto start = StartTimeOf(peer);
  if (spec == answer->end() || forwards == answer->end() || token == answer->end() || !token->is_string() || !start) {
    return state;
  }
  auto running = UplinkSpec::FromJson(*spec);
  if (!running) return state;
  // Another helper serves the socket: the recorded one is not reachable.
  if (recorded && (recorded->pid != peer || (!recorded->token.empty() && *token != recorded->token))) return state;
  for (const Json& json : *forwards) {
    auto forward = ForwardSpec::FromJson(json);
    if (!forward) return state;
    state.forwards.push_back(std::move(*forward));
  }
  state.life = UplinkState::Life::kServing;
  state.process = {.node = node, .pid = peer, .start_time = *start, .token = token->get<std::string>()};
  state.spec = std::move(*running);
  if (const auto version = answer->find("slirp"); version != answer->end() && version->is_string()) {
    state.slirp_version = version->get<std::string>();
  }
  return state;
}

Status AddForward(const std::string& state_folder, const std::string& node, const ForwardSpec& forward,
                  int outer_netns) {
  const std::vector<Fd> sockets = TRY(BindLowPorts(forward, outer_netns).Wrap(fmt::format("uplink {}", node)));
  return Ask(state_folder, node, ForwardRequest("add", forward), sockets);
}

Status RemoveForward(const std::string& state_folder, const std::string& node, const ForwardSpec& forward) {
  return Ask(state_folder, node, ForwardRequest("remove", forward));
}

Status ChangeUplink(const UplinkSpec& wanted) {
  Json request;
  request["do"] = "change";
  request["spec"] = wanted.ToJson();
  return Ask(wanted.state_folder, wanted.node, request);
}

Status StopUplink(const UplinkProcess& process) {
  const Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0)));
  if (!pidfd.is_open()) {
    if (errno == ESRCH || errno == EINVAL) return {};
    return SystemError(errno, fmt::format("find process {}", process.pid)).Wrap(fmt::format("uplink {}", process.node));
  }
  // After the descriptor is open the pid cannot become another's.
  const auto start = StartTimeOf(process.pid);
  if (!start || *start != process.start_time) return {};
  const auto signal = [&pidfd](int number) { return syscall(SYS_pidfd_send_signal, pidfd.get(), number, nullptr, 0); };
  if (signal(SIGTERM) != 0) {
    if (errno == ESRCH) return {};
    return SystemError(errno, fmt::format("stop process {}", process.pid)).Wrap(fmt::format("uplink {}", process.node));
  }
  if (WaitForEnd(pidfd.get(), kTermLimit)) return {};
  if (signal(SIGKILL) != 0 && errno != ESRCH) {
    return SystemError(errno, fmt::format("kill process {}", process.pid)).Wrap(fmt::format("uplink {}", process.node));
  }
  return WaitForEnd(pidfd.get(), kKillLimit).Wrap(fmt::format("uplink {}", process.node));
}

namespace {

// The folder's owner is root for a process that cannot be traced; the status tells the real one.
bool IsOurs(const std::string& status) {
  const auto runs_as = [&status](uid_t user) {
    return status.find(fmt::format("\nUid:\t{}\t{}\t", user, user)) != std::string::npos;
  };
  return runs_as(geteuid()) || (geteuid() == 0 && runs_as(kNobody));
}

}  // namespace

std::vector<UplinkProcess> FindUplinks(const std::string& lab, const std::string& state_folder) {
  std::vector<UplinkProcess> found;
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(opendir("/proc"), closedir);
  if (proc == nullptr) return found;
  while (const dirent* entry = readdir(proc.get())) {
    const auto pid = ParseInteger(entry->d_name);
    if (!pid) continue;
    const auto line = ReadFile(fmt::format("/proc/{}/cmdline", *pid));
    if (!line) continue;  // gone meanwhile
    const auto words = Split(*line, '\0');
    if (words.size() < 5 || words[1] != kUplinkHelperCommand || words[2] != lab) continue;
    if (words[4] != state_folder) continue;
    const auto status = ReadFile(fmt::format("/proc/{}/status", *pid));
    const auto start = StartTimeOf(static_cast<pid_t>(*pid));
    if (!status || !start) continue;
    if (!IsOurs(*status)) continue;
    found.push_back(
        {.node = std::string(words[3]), .pid = static_cast<pid_t>(*pid), .start_time = *start, .token = {}});
  }
  return found;
}

}  // namespace runner
