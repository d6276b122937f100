#include "rootless/inside.h"

#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <set>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "kernel/held_signals.h"
#include "rootless/ground.h"

namespace runner::rootless {
namespace {

// The first letter of a message tells what it is.
constexpr char kAsk = '?';
constexpr char kDone = '=';
constexpr char kFailed = '!';

Result<std::string> CurrentFolder() {
  std::array<char, PATH_MAX> path = {};
  if (getcwd(path.data(), path.size()) == nullptr) return SystemError(errno, "find the current folder");
  return std::string(path.data());
}

Status Enter(const Holder* holder, pid_t parent) {
  const auto folder = CurrentFolder();
  if (holder == nullptr) {
    TRY(MakeGround());
  } else if (setns(holder->pidfd.get(), CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS) != 0) {
    return SystemError(errno, fmt::format("enter the namespaces of process {}", holder->pid()));
  }
  // After the change of credentials, which clears it.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return SystemError(errno, "ask to end with the caller");
  if (getppid() != parent) _exit(1);
  if (holder == nullptr || !folder.ok()) return {};
  // A mount namespace is entered at its root. The folder may be one that is hidden inside, below /run.
  if (chdir(folder->c_str()) != 0) {
    fmt::print(stderr, "toporun: warning: {}\n", SystemError(errno, "go to " + Quote(*folder)).text());
  }
  return {};
}

[[noreturn]] void BeInside(const Holder* holder, pid_t parent, int socket,
                           const std::function<std::string(const Outside&)>& work) {
  std::string last;
  if (Status entered = Enter(holder, parent); entered.ok()) {
    last = kDone + work(Outside(socket));
  } else {
    last = kFailed +
           JsonText({{"tried", entered.error().tried}, {"why", entered.error().why}, {"code", entered.error().code}});
  }
  std::fflush(nullptr);
  _exit(SendMessage(socket, last).ok() ? 0 : 1);
}

Error Decode(const std::string& text) {
  const auto json = ParseJson(text);
  if (!json.ok()) return json.error();
  Error error = Fail((*json)["tried"].get<std::string>(), (*json)["why"].get<std::string>());
  error.code = (*json)["code"].get<int>();
  return error;
}

class Server {
 public:
  Server(pid_t child, Fd socket, Fd signals, const Agent& agent)
      : child_(child), socket_(std::move(socket)), signals_(std::move(signals)), agent_(agent) {}

  Result<std::string> Serve() {
    while (true) {
      if (auto ended = TRY(ChildEnded())) return std::move(*ended);
      std::array<pollfd, 2> polled = {pollfd{.fd = signals_.get(), .events = POLLIN, .revents = 0},
                                      pollfd{.fd = socket_.get(), .events = POLLIN, .revents = 0}};
      if (poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) return SystemError(errno, "wait");
      if (polled[0].revents != 0) PassSignals();
      if (polled[1].revents != 0) TRY(TakeMessage());
    }
  }

  /// The process inside may have been done when a signal came: whoever goes on here and has a handler gets it too.
  void RepeatSignals() const {
    for (const int number : came_) {
      struct sigaction set = {};
      sigaction(number, nullptr, &set);
      if (set.sa_handler != SIG_DFL && set.sa_handler != SIG_IGN) raise(number);
    }
  }

 private:
  /// What came of it, when it has ended.
  Result<std::optional<std::string>> ChildEnded() {
    int status = 0;
    const pid_t waited = waitpid(child_, &status, WNOHANG | WUNTRACED);
    if (waited < 0) return SystemError(errno, "wait for the process inside");
    if (waited == 0) return std::optional<std::string>();
    if (WIFSTOPPED(status)) {
      // The shell looks at us only.
      raise(SIGSTOP);
      kill(child_, SIGCONT);
      return std::optional<std::string>();
    }
    // Its last words may still be on their way.
    while (!last_ && socket_.is_open()) TRY(TakeMessage());
    if (last_ && last_->front() == kDone) return std::optional(last_->substr(1));
    if (last_) return Decode(last_->substr(1));
    return Fail(WIFSIGNALED(status) ? fmt::format("the process inside the lab was ended by signal {}", WTERMSIG(status))
                                    : "the process inside the lab ended without a word");
  }

  void PassSignals() {
    signalfd_siginfo info = {};
    while (read(signals_.get(), &info, sizeof info) == sizeof info) {
      const int number = static_cast<int>(info.ssi_signo);
      if (number == SIGCHLD) continue;
      came_.insert(number);
      // The terminal sends its own to all processes in the foreground.
      if (info.ssi_code != SI_KERNEL) kill(child_, number);
    }
  }

  Status TakeMessage() {
    auto message = TRY(ReceiveMessage(socket_.get()));
    if (!message || message->text.empty()) {
      socket_.Reset();
      return {};
    }
    if (message->text.front() != kAsk) {
      last_ = std::move(message->text);
      return {};
    }
    message->text.erase(0, 1);
    // It was killed meanwhile: its end will be told.
    if (!SendMessage(socket_.get(), agent_(std::move(*message))).ok()) socket_.Reset();
    return {};
  }

  pid_t child_;
  Fd socket_;  // closed when the other end is
  Fd signals_;
  const Agent& agent_;
  std::optional<std::string> last_;
  std::set<int> came_;
};

}  // namespace

Result<std::string> Outside::Ask(const std::string& request, int fd) const {
  TRY(SendMessage(socket_, kAsk + request, fd));
  auto answer = TRY(ReceiveMessage(socket_));
  if (!answer) return Fail("the process outside the lab is gone");
  return std::move(answer->text);
}

Result<std::string> RunInside(const Holder* holder, const Agent& agent,
                              const std::function<std::string(const Outside&)>& work) {
  auto [ours, theirs] = TRY(OpenChannel());
  std::fflush(nullptr);
  const kernel::HeldSignals held;
  Fd signals = TRY(held.Open());
  const pid_t self = getpid();
  const pid_t child = fork();
  if (child < 0) return SystemError(errno, "fork");
  if (child == 0) {
    ours.Reset();
    signals.Reset();
    held.Release();
    BeInside(holder, self, theirs.get(), work);
  }
  theirs.Reset();
  Server server(child, std::move(ours), std::move(signals), agent);
  auto said = server.Serve();
  held.Release();
  server.RepeatSignals();
  return said;
}

}  // namespace runner::rootless
