#include "process/checkup.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include <fmt/format.h>

#include "process/probe.h"

namespace runner::process {
namespace {

constexpr std::size_t kLongestReason = 300;

/// The last line that is one.
std::string LastLine(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  const std::size_t start = text.rfind('\n');
  return start == std::string::npos ? text : text.substr(start + 1);
}

[[noreturn]] void BecomeProbe(const HealthSpec& check, const kernel::EnterSpec& as_process, int said) {
  setpgid(0, 0);
  const Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (dup2(null.get(), 0) < 0 || dup2(said, 1) < 0 || dup2(said, 2) < 0) _exit(kernel::kExitCannotRun);
  for (int number = 1; number < NSIG; ++number) std::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  Probe(check, as_process);
}

}  // namespace

void Checkup::Begin(const HealthSpec& check, const kernel::EnterSpec& as_process) {
  Stop();
  check_ = check;
  as_process_ = as_process;
  health_ = Health::kStarting;
  reason_.clear();
  failures_ = 0;
  began_ = Loop::Now();
  if (check.kind == "log") log_.LookFor(check.target);
  // At the next turn: its first words are not yet read.
  next_ = loop_.After(0, [this] { Look(); });
}

void Checkup::GoOn() {
  if (health_ == Health::kNone) return;
  if (health_ == Health::kHealthy) health_ = Health::kStarting;
  began_ = Loop::Now();
  if (check_.kind == "log") log_.LookFor(check_.target);
  if (next_ == 0 && probe_ == 0) next_ = loop_.After(0, [this] { Look(); });
}

void Checkup::Stop() {
  if (next_ != 0) loop_.Cancel(next_);
  if (limit_ != 0) loop_.Cancel(limit_);
  next_ = limit_ = 0;
  if (said_.is_open()) loop_.Forget(said_.get());
  said_.Reset();
  if (probe_ == 0) return;
  children_.Forget(probe_);
  kill(-probe_, SIGKILL);
  probe_ = 0;
}

void Checkup::Look() {
  next_ = 0;
  if (!runs_()) return EndProbe(false, "it does not run");
  if (check_.kind == "log") {
    return EndProbe(log_.has_matched(), "no line of its output matches " + check_.target);
  }
  StartProbe();
}

void Checkup::StartProbe() {
  std::array<int, 2> ends = {};
  if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return EndProbe(false, SystemError(errno, "make a pipe").text());
  said_.Reset(ends[0]);
  const Fd theirs(ends[1]);
  fcntl(theirs.get(), F_SETFL, 0);
  said_so_far_.clear();
  probe_ = fork();
  if (probe_ == 0) BecomeProbe(check_, as_process_, theirs.get());
  if (probe_ < 0) {
    probe_ = 0;
    return EndProbe(false, SystemError(errno, "start a check").text());
  }
  setpgid(probe_, probe_);
  loop_.Watch(said_.get(), POLLIN, [this](short) { ReadReason(); });
  children_.Expect(probe_, [this](int status) {
    ReadReason();
    probe_ = 0;
    const bool holds = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    std::string why = LastLine(said_so_far_);
    if (why.empty() && WIFEXITED(status)) why = fmt::format("the check ended with {}", WEXITSTATUS(status));
    if (WIFSIGNALED(status)) why = fmt::format("the check was not done in {} ms", check_.timeout_ms);
    EndProbe(holds, why);
  });
  limit_ = loop_.After(check_.timeout_ms, [this] {
    limit_ = 0;
    if (probe_ != 0) kill(-probe_, SIGKILL);
  });
}

void Checkup::ReadReason() {
  std::array<char, 1024> buffer = {};
  while (said_.is_open()) {
    const ssize_t size = read(said_.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return;
    if (size == 0) {
      loop_.Forget(said_.get());
      return said_.Reset();
    }
    said_so_far_.append(buffer.data(), static_cast<std::size_t>(size));
    if (said_so_far_.size() > kLongestReason) said_so_far_.erase(0, said_so_far_.size() - kLongestReason);
  }
}

void Checkup::EndProbe(bool holds, const std::string& why) {
  if (limit_ != 0) loop_.Cancel(limit_);
  limit_ = 0;
  if (said_.is_open()) loop_.Forget(said_.get());
  said_.Reset();
  if (holds) {
    health_ = Health::kHealthy;
    failures_ = 0;
    reason_.clear();
  } else {
    reason_ = why;
    const bool counts = health_ != Health::kStarting || Loop::Now() - began_ >= check_.start_period_ms;
    if (counts && ++failures_ >= check_.retries) health_ = Health::kUnhealthy;
  }
  // What it has said once it has said.
  if (holds && check_.kind == "log") return;
  next_ = loop_.After(check_.interval_ms, [this] { Look(); });
}

}  // namespace runner::process
