// Commands whose output is read line by line, any number of them side by side in one loop.
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>

#include "base/fd.h"
#include "kernel/enter.h"
#include "kernel/enter_place.h"

namespace runner::kernel {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLookAround{200};       // how late an interrupt may be seen
constexpr std::size_t kLongestLine = std::size_t{1} << 20;  // a longer one comes in pieces

/// One of a command's streams, cut into lines unless there is a taker for its bytes.
class LineReader {
 public:
  LineReader(Fd fd, Stream stream, ByteSink bytes = {})
      : fd_(std::move(fd)), stream_(stream), bytes_(std::move(bytes)) {}

  int fd() const { return fd_.get(); }

  /// Reads what is there, to the end of the stream at most.
  void Read(const LineSink& sink) {
    char buffer[16384];
    while (fd_.is_open()) {
      const ssize_t n = read(fd_.get(), buffer, sizeof(buffer));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) return fd_.Reset();
      if (bytes_) {
        bytes_({buffer, static_cast<std::size_t>(n)});
        continue;
      }
      pending_.append(buffer, static_cast<std::size_t>(n));
      Cut(sink);
    }
  }
  /// The last line, if it did not end.
  void Finish(const LineSink& sink) {
    Read(sink);
    if (!pending_.empty()) sink(stream_, pending_);
    pending_.clear();
  }

 private:
  void Cut(const LineSink& sink) {
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = pending_.find('\n', begin)) != std::string::npos; begin = end + 1) {
      sink(stream_, std::string_view(pending_).substr(begin, end - begin));
    }
    pending_.erase(0, begin);
    if (pending_.size() < kLongestLine) return;
    sink(stream_, pending_);
    pending_.clear();
  }

  Fd fd_;
  Stream stream_;
  ByteSink bytes_;
  std::string pending_;
};

enum class Ending { kByItself, kTimeout, kInterrupt };

/// A command that runs, the leader of a process group of its own.
class Running {
 public:
  static Result<std::unique_ptr<Running>> Start(const CapturedCommand& command, std::size_t index);

  std::size_t index() const { return index_; }

  void AppendTo(std::vector<pollfd>& waiting) const {
    // poll passes over a negative descriptor: a stream that has ended.
    for (const int fd : {pidfd_.get(), output_.fd(), error_.fd()}) {
      waiting.push_back({.fd = fd, .events = POLLIN, .revents = 0});
    }
  }
  std::optional<Clock::time_point> deadline() const { return deadline_; }

  void Read() {
    output_.Read(sink_);
    error_.Read(sink_);
  }
  /// Its time is over, or the run is interrupted: SIGTERM, and SIGKILL when that was not enough.
  void End(Ending ending) {
    kill(-child_, ending_ == Ending::kByItself ? SIGTERM : SIGKILL);
    kill(-child_, SIGCONT);
    if (ending_ == Ending::kByItself) ending_ = ending;
    deadline_ = Clock::now() + kGrace;
  }
  bool is_ending() const { return ending_ != Ending::kByItself; }

  /// After the process has ended. What it left running may hold the streams open: that is not waited for.
  int Reap() {
    if (is_ending()) kill(-child_, SIGKILL);
    int status = 0;
    while (waitpid(child_, &status, 0) < 0 && errno == EINTR) {
    }
    output_.Finish(sink_);
    error_.Finish(sink_);
    if (ending_ == Ending::kTimeout) return kExitTimeout;
    return ending_ == Ending::kInterrupt ? 128 + SIGINT : ShellStatus(status);
  }

 private:
  Running(pid_t child, Fd pidfd, Fd output, Fd error, const CapturedCommand& command, std::size_t index)
      : child_(child),
        pidfd_(std::move(pidfd)),
        output_(std::move(output), Stream::kOutput, command.bytes),
        error_(std::move(error), Stream::kError),
        sink_(command.sink),
        index_(index) {
    if (command.spec.timeout) deadline_ = Clock::now() + *command.spec.timeout;
  }

  pid_t child_;
  Fd pidfd_;
  LineReader output_;
  LineReader error_;
  LineSink sink_;
  std::size_t index_;
  std::optional<Clock::time_point> deadline_;
  Ending ending_ = Ending::kByItself;
};

struct Pipe {
  Fd read_end;
  Fd write_end;
};

Result<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return SystemError(errno, "make a pipe");
  Pipe pipe{.read_end = Fd(ends[0]), .write_end = Fd(ends[1])};
  // Only our end: the command expects to wait while we read.
  fcntl(pipe.read_end.get(), F_SETFL, O_NONBLOCK);
  return pipe;
}

Result<std::unique_ptr<Running>> Running::Start(const CapturedCommand& command, std::size_t index) {
  Pipe output = TRY(MakePipe());
  Pipe error = TRY(MakePipe());
  const Fd null = TRY(OpenFile("/dev/null", O_RDONLY));
  std::fflush(nullptr);
  const pid_t child = ForkInto(command.spec);
  if (child < 0) return SystemError(errno, "start a process").Wrap(command.spec.name);
  if (child == 0) {
    setpgid(0, 0);
    if (dup2(null.get(), 0) < 0 || dup2(output.write_end.get(), 1) < 0 || dup2(error.write_end.get(), 2) < 0) {
      _exit(kExitCannotRun);
    }
    EnterAndExec(command.spec);
  }
  setpgid(child, child);
  Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  if (!pidfd.is_open()) {
    const int code = errno;
    kill(-child, SIGKILL);
    waitpid(child, nullptr, 0);
    return SystemError(code, "watch the command").Wrap(command.spec.name);
  }
  return std::unique_ptr<Running>(
      new Running(child, std::move(pidfd), std::move(output.read_end), std::move(error.read_end), command, index));
}

/// The commands side by side, the next one started when one ends.
class Herd {
 public:
  Herd(const std::vector<CapturedCommand>& commands, std::size_t at_once, const volatile int* interrupted)
      : commands_(commands), at_once_(std::max<std::size_t>(at_once, 1)), interrupted_(interrupted) {}

  Result<std::vector<int>> Run() {
    // Those that an interrupt kept from starting have its status.
    statuses_.assign(commands_.size(), 128 + SIGINT);
    while (true) {
      while (next_ < commands_.size() && running_.size() < at_once_ && !is_interrupted()) {
        auto started = Running::Start(commands_[next_], next_);
        if (!started) return Abandon(std::move(started).error());
        running_.push_back(std::move(started).value());
        ++next_;
      }
      if (running_.empty()) return statuses_;
      TRY(Turn());
    }
  }

 private:
  bool is_interrupted() const { return interrupted_ != nullptr && *interrupted_ != 0; }

  Status Turn() {
    std::vector<pollfd> waiting;
    for (const auto& running : running_) running->AppendTo(waiting);
    if (poll(waiting.data(), waiting.size(), Limit()) < 0 && errno != EINTR) {
      return Abandon(SystemError(errno, "wait for the commands"));
    }
    const auto now = Clock::now();
    std::vector<std::unique_ptr<Running>> still;
    for (std::size_t i = 0; i < running_.size(); ++i) {
      Running& running = *running_[i];
      running.Read();
      if (waiting[3 * i].revents != 0) {
        statuses_[running.index()] = running.Reap();
        continue;
      }
      if (running.deadline() && *running.deadline() <= now) {
        running.End(Ending::kTimeout);
      } else if (is_interrupted() && !running.is_ending()) {
        running.End(Ending::kInterrupt);
      }
      still.push_back(std::move(running_[i]));
    }
    running_ = std::move(still);
    return {};
  }

  int Limit() const {
    std::optional<std::chrono::milliseconds> limit;
    if (interrupted_ != nullptr) limit = kLookAround;
    for (const auto& running : running_) {
      if (!running->deadline()) continue;
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*running->deadline() - Clock::now());
      limit = std::max(std::chrono::milliseconds(0), limit ? std::min(*limit, left) : left);
    }
    return limit ? static_cast<int>(std::min<std::int64_t>(limit->count(), 3'600'000)) : -1;
  }

  /// Nothing is left running behind an error.
  Error Abandon(Error error) {
    for (const auto& running : running_) {
      running->End(Ending::kInterrupt);
      running->End(Ending::kInterrupt);
      running->Reap();
    }
    running_.clear();
    return error;
  }

  const std::vector<CapturedCommand>& commands_;
  std::size_t at_once_;
  const volatile int* interrupted_;
  std::size_t next_ = 0;
  std::vector<std::unique_ptr<Running>> running_;
  std::vector<int> statuses_;
};

}  // namespace

Result<std::vector<int>> RunCapturedAll(const std::vector<CapturedCommand>& commands, std::size_t at_once,
                                        const volatile int* interrupted) {
  return Herd(commands, at_once, interrupted).Run();
}

Result<int> RunCaptured(const EnterSpec& spec, const LineSink& sink, const volatile int* interrupted) {
  const std::vector<int> statuses = TRY(RunCapturedAll({{.spec = spec, .sink = sink}}, 1, interrupted));
  return statuses.front();
}

}  // namespace runner::kernel
