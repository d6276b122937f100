#include "kernel/program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "base/fd.h"
#include "base/text.h"

namespace runner::kernel {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
  Fd ours;
  Fd theirs;
};

// Sockets, since writing to a pipe that nobody reads raises SIGPIPE.
Result<Pipe> OpenPipe() {
  std::array<int, 2> ends = {};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return SystemError(errno, "make a pipe");
  return Pipe{.ours = Fd(ends[0]), .theirs = Fd(ends[1])};
}

class SpawnActions {
 public:
  SpawnActions() { posix_spawn_file_actions_init(&actions_); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  void Give(const Fd& fd, int as) { posix_spawn_file_actions_adddup2(&actions_, fd.get(), as); }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_ = {};
};

Result<pid_t> Spawn(const std::vector<std::string>& words, const Fd& in, const Fd& out, const Fd& err) {
  SpawnActions actions;
  actions.Give(in, STDIN_FILENO);
  actions.Give(out, STDOUT_FILENO);
  actions.Give(err, STDERR_FILENO);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = 0;
  const int code = posix_spawnp(&pid, arguments[0], actions.get(), nullptr, arguments.data(), environ);
  if (code != 0) return SystemError(code, "run " + Quote(words[0]));
  return pid;
}

/// What comes is added to `text`; false at the end.
bool Take(const Fd& from, std::string& text) {
  std::array<char, 65536> piece = {};
  const ssize_t got = recv(from.get(), piece.data(), piece.size(), MSG_DONTWAIT);
  if (got > 0) text.append(piece.data(), static_cast<std::size_t>(got));
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

/// Gives `input` and takes what is said until both outputs are at their end; false when the limit came first.
bool Talk(Fd in, Fd out, Fd err, std::string_view input, Clock::time_point end, ProgramAnswer& answer) {
  while (out.is_open() || err.is_open()) {
    if (input.empty() && in.is_open()) in = Fd();
    std::array<pollfd, 3> polled = {{{.fd = in.is_open() ? in.get() : -1, .events = POLLOUT, .revents = 0},
                                     {.fd = out.is_open() ? out.get() : -1, .events = POLLIN, .revents = 0},
                                     {.fd = err.is_open() ? err.get() : -1, .events = POLLIN, .revents = 0}}};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0) return false;
    if (poll(polled.data(), polled.size(), static_cast<int>(left)) <= 0) continue;
    if (polled[0].revents != 0) {
      const ssize_t sent = send(in.get(), input.data(), input.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      // One that does not read on has its reasons, and says them.
      input.remove_prefix(sent > 0 ? static_cast<std::size_t>(sent) : errno == EAGAIN ? 0 : input.size());
    }
    if (polled[1].revents != 0 && !Take(out, answer.out)) out = Fd();
    if (polled[2].revents != 0 && !Take(err, answer.err)) err = Fd();
  }
  return true;
}

int Await(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Result<ProgramAnswer> RunProgram(const std::vector<std::string>& words, std::string_view input,
                                 std::chrono::milliseconds limit) {
  Pipe in = TRY(OpenPipe());
  Pipe out = TRY(OpenPipe());
  Pipe err = TRY(OpenPipe());
  const pid_t pid = TRY(Spawn(words, in.theirs, out.theirs, err.theirs));
  in.theirs = Fd();
  out.theirs = Fd();
  err.theirs = Fd();
  ProgramAnswer answer;
  const bool ended =
      Talk(std::move(in.ours), std::move(out.ours), std::move(err.ours), input, Clock::now() + limit, answer);
  if (!ended) kill(pid, SIGKILL);
  answer.status = Await(pid);
  if (!ended) {
    return SystemError(ETIMEDOUT, "run " + Quote(words[0]));
  }
  return answer;
}

}  // namespace runner::kernel
