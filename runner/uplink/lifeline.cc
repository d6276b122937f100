#include "uplink/lifeline.h"

#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fmt/format.h>

namespace runner {
namespace {

// Only where the user's inotify instances are used up.
constexpr std::int64_t kFallback = 2000;

}  // namespace

Lifeline::~Lifeline() {
  if (signals_.is_open()) loop_.Forget(signals_.get());
  if (notify_.is_open()) loop_.Forget(notify_.get());
  if (process_.is_open()) loop_.Forget(process_.get());
  if (timer_ != 0) loop_.Cancel(timer_);
}

Status Lifeline::WatchSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  if (sigprocmask(SIG_SETMASK, &set, nullptr) != 0) return SystemError(errno, "block signals");
  std::signal(SIGPIPE, SIG_IGN);
  signals_.Reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.is_open()) return SystemError(errno, "open a descriptor for signals");
  loop_.Watch(signals_.get(), POLLIN, [this](short) {
    signalfd_siginfo info = {};
    if (read(signals_.get(), &info, sizeof info) != sizeof info) return;
    end_(fmt::format("signal {} of process {}", info.ssi_signo, info.ssi_pid));
  });
  return {};
}

Status Lifeline::WatchNode(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) return Fail(fmt::format("\"{}\" is no path of a namespace", path));
  path_ = path;
  notify_.Reset(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  const bool watched = notify_.is_open() && inotify_add_watch(notify_.get(), path.substr(0, slash).c_str(),
                                                              IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE) >= 0;
  // After the watch begins: what changes between the two is noticed.
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) return SystemError(errno, fmt::format("look at the namespace {}", path));
  device_ = status.st_dev;
  inode_ = status.st_ino;
  if (!watched) {
    notify_.Reset();
    CheckLater();
    return {};
  }
  loop_.Watch(notify_.get(), POLLIN, [this](short) {
    std::array<char, 4096> events;
    // What happened does not matter, only what stands there now.
    while (read(notify_.get(), events.data(), events.size()) > 0) {
    }
    Check();
  });
  return {};
}

Status Lifeline::WatchProcess(const kernel::ProcessIdentity& process) {
  process_ = TRY(kernel::OpenProcess(process));
  loop_.Watch(process_.get(), POLLIN,
              [this, pid = process.pid](short) { end_(fmt::format("the lab's holder, process {}, is gone", pid)); });
  return {};
}

void Lifeline::Check() {
  struct stat status = {};
  if (stat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_) return;
  end_(fmt::format("{} is gone", path_));
}

void Lifeline::CheckLater() {
  timer_ = loop_.After(kFallback, [this] {
    CheckLater();
    Check();
  });
}

}  // namespace runner
