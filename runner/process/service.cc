#include "process/service.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "kernel/enter_place.h"
#include "process/minder.h"

namespace runner::process {
namespace {

// From one start to the next, in milliseconds: doubled each time, and short again after a while without an end.
constexpr std::int64_t kShortestPause = 100;
constexpr std::int64_t kLongestPause = 60'000;
constexpr std::int64_t kSteady = 10'000;
// Between two looks for what was started while the last one was on its way.
constexpr std::int64_t kBetweenKills = 50;

std::string Now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 32> buffer = {};
  return {buffer.data(), std::strftime(buffer.data(), buffer.size(), "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

std::pair<std::string, std::string> AtEquals(const std::string& text) {
  const std::size_t equals = text.find('=');
  return {text.substr(0, equals), equals == std::string::npos ? "" : text.substr(equals + 1)};
}

}  // namespace

Service::Service(const ServiceGround& ground, ProcessSpec spec)
    : ground_(ground),
      spec_(std::move(spec)),
      log_(LogPath(ground.logs, ground.node, spec_.name)),
      checkup_(ground.loop, ground.children, log_,
               [this] { return phase_ == Phase::kStarting || phase_ == Phase::kRunning; }),
      since_(Now()) {}

Service::~Service() {
  if (grace_ != 0) ground_.loop.Cancel(grace_);
  if (later_ != 0) ground_.loop.Cancel(later_);
  if (events_.is_open()) ground_.loop.Forget(events_.get());
  if (output_.is_open()) ground_.loop.Forget(output_.get());
}

void Service::Enter(Phase phase) {
  if (phase_ != phase) since_ = Now();
  phase_ = phase;
}

kernel::EnterSpec Service::EnterSpecOf() const {
  kernel::EnterSpec spec;
  spec.name = ground_.node + "/" + spec_.name;
  spec.environment = {{"TOPORUN_LAB", ground_.lab}, {"TOPORUN_NODE", ground_.node}};
  for (const std::string& text : spec_.environment) spec.environment.push_back(AtEquals(text));
  spec.working_dir = spec_.working_dir;
  spec.user = spec_.user;
  spec.argv = spec_.command;
  return spec;
}

void Service::Start(ProcessSpec spec) {
  spec_ = std::move(spec);
  restarts_ = 0;
  pause_ = 0;
  if (lives()) {
    if (phase_ != Phase::kStopping) Stop();
    starts_again_ = true;
    return;
  }
  if (later_ != 0) ground_.loop.Cancel(std::exchange(later_, 0));
  Launch();
  if (spec_.healthcheck) checkup_.Begin(*spec_.healthcheck, EnterSpecOf());
}

void Service::Change(ProcessSpec spec) {
  const bool checks_differ = spec.healthcheck != spec_.healthcheck;
  spec_ = std::move(spec);
  if (!checks_differ) return;
  checkup_.Stop();
  if (spec_.healthcheck && (lives() || phase_ == Phase::kWaiting)) checkup_.Begin(*spec_.healthcheck, EnterSpecOf());
}

void Service::Launch() {
  has_completed_ = false;
  exit_status_.reset();
  launched_ = Loop::Now();
  Enter(Phase::kStarting);
  auto minded = StartMinded(EnterSpecOf());
  if (!minded.ok()) {
    log_.Note(minded.error().text());
    exit_status_ = kernel::kExitCannotRun;
    return AllEnded();
  }
  minder_ = minded->minder;
  events_ = std::move(minded->events);
  output_ = std::move(minded->output);
  events_so_far_.clear();
  ground_.loop.Watch(events_.get(), POLLIN, [this](short) { ReadEvents(); });
  ground_.loop.Watch(output_.get(), POLLIN, [this](short) { ReadOutput(); });
  ground_.children.Expect(minder_, [this](int) {
    minder_ = 0;
    // Its last words, and theirs.
    ReadEvents();
    ReadOutput();
    AllEnded();
  });
}

void Service::ReadEvents() {
  std::array<char, 256> buffer = {};
  while (events_.is_open()) {
    const ssize_t size = read(events_.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) break;
    if (size == 0) {
      ground_.loop.Forget(events_.get());
      events_.Reset();
      break;
    }
    events_so_far_.append(buffer.data(), static_cast<std::size_t>(size));
  }
  for (std::size_t end = 0; (end = events_so_far_.find('\n')) != std::string::npos;) {
    const std::string line = events_so_far_.substr(0, end);
    events_so_far_.erase(0, end + 1);
    TakeEvent(line);
  }
}

void Service::TakeEvent(const std::string& line) {
  const std::size_t space = line.find(' ');
  const std::string what = line.substr(0, space);
  const std::string word = space == std::string::npos ? "" : line.substr(space + 1);
  const int number = static_cast<int>(ParseInteger(word).value_or(0));
  if (what == "process" && number > 0) {
    main_ = number;
    // The minder keeps the number taken until it has told us of the end.
    main_pidfd_.Reset(static_cast<int>(syscall(SYS_pidfd_open, main_, 0)));
  } else if (what == "began") {
    if (phase_ == Phase::kStarting) Enter(Phase::kRunning);
  } else if (what == "ended" && !word.empty()) {
    MainEnded(number);
  }
}

void Service::MainEnded(int wait_status) {
  main_ = 0;
  main_pidfd_.Reset();
  exit_status_ = kernel::ShellStatus(wait_status);
  has_completed_ = *exit_status_ == 0;
  if (phase_ == Phase::kStopping) {
    // What it did not take along is told itself.
    if (lives()) SignalDescendants(minder_, SignalNumber(spec_.stop_signal).value_or(SIGTERM));
  } else if (!has_completed_ && lives()) {
    KillDescendants(minder_);
  }
}

void Service::ReadOutput() {
  std::array<char, 16384> buffer = {};
  // One that prints without end must not keep the others waiting.
  constexpr int kPieces = 16;
  for (int piece = 0; piece < kPieces && output_.is_open(); ++piece) {
    const ssize_t size = read(output_.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return;
    if (size == 0) {
      ground_.loop.Forget(output_.get());
      return output_.Reset();
    }
    log_.Append({buffer.data(), static_cast<std::size_t>(size)});
  }
}

void Service::AllEnded() {
  if (grace_ != 0) ground_.loop.Cancel(std::exchange(grace_, 0));
  main_ = 0;
  main_pidfd_.Reset();
  for (Fd* fd : {&events_, &output_}) {
    if (fd->is_open()) ground_.loop.Forget(fd->get());
    fd->Reset();
  }
  if (phase_ == Phase::kStopping) return EndStop();
  // The minder itself was killed: nobody knows how it would have ended.
  if (!exit_status_) exit_status_ = 128 + SIGKILL;
  const bool again = spec_.restart == "always" || (spec_.restart == "on-failure" && *exit_status_ != 0);
  if (again) return StartLater();
  Enter(has_completed_ ? Phase::kCompleted : Phase::kFailed);
  checkup_.Stop();
}

void Service::EndStop() {
  Enter(Phase::kStopped);
  checkup_.Stop();
  if (!std::exchange(starts_again_, false)) return;
  Launch();
  if (spec_.healthcheck) checkup_.Begin(*spec_.healthcheck, EnterSpecOf());
}

void Service::StartLater() {
  const bool was_steady = Loop::Now() - launched_ >= kSteady;
  pause_ = was_steady || pause_ == 0 ? kShortestPause : std::min(2 * pause_, kLongestPause);
  Enter(Phase::kWaiting);
  later_ = ground_.loop.After(pause_, [this] {
    later_ = 0;
    ++restarts_;
    Launch();
    checkup_.GoOn();
  });
}

void Service::Stop() {
  starts_again_ = false;
  if (later_ != 0) {
    ground_.loop.Cancel(std::exchange(later_, 0));
    checkup_.Stop();
    return Enter(Phase::kStopped);
  }
  if (!lives()) {
    if (phase_ == Phase::kCompleted) Enter(Phase::kStopped);
    return;
  }
  if (phase_ == Phase::kStopping) return;
  Enter(Phase::kStopping);
  const int number = SignalNumber(spec_.stop_signal).value_or(SIGTERM);
  if (main_pidfd_.is_open()) {
    syscall(SYS_pidfd_send_signal, main_pidfd_.get(), number, nullptr, 0);
  } else {
    SignalDescendants(minder_, number);
  }
  grace_ = ground_.loop.After(spec_.stop_grace_period_ms, [this] {
    grace_ = 0;
    Kill();
  });
}

void Service::Kill() {
  if (!lives()) return;
  KillDescendants(minder_);
  if (grace_ != 0) ground_.loop.Cancel(grace_);
  // Until the minder has nobody left.
  grace_ = ground_.loop.After(kBetweenKills, [this] {
    grace_ = 0;
    Kill();
  });
}

ProcessState Service::State() const {
  ProcessState state;
  state.spec = spec_;
  state.phase = phase_;
  state.pid = main_;
  // It has gone into the background: the eldest of what it left stands for it.
  if (main_ == 0 && lives()) {
    const auto left = DescendantsOf(minder_);
    state.pid = left.empty() ? 0 : left.front();
  }
  if (spec_.healthcheck) {
    state.health = checkup_.health();
    if (phase_ == Phase::kWaiting && state.health == Health::kHealthy) state.health = Health::kStarting;
    if (phase_ == Phase::kStopping || phase_ == Phase::kStopped || phase_ == Phase::kFailed)
      state.health = Health::kNone;
  }
  state.has_completed = has_completed_;
  state.exit_status = exit_status_;
  state.restarts = restarts_;
  state.since = since_;
  state.reason = checkup_.reason();
  return state;
}

}  // namespace runner::process
