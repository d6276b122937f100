#include "uplink/loop.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <ctime>

namespace runner {
namespace {

static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLPRI == POLLPRI && EPOLLERR == POLLERR &&
              EPOLLHUP == POLLHUP);

// More wait for the next round: the kernel hands out what is ready in turns.
constexpr int kMostReady = 256;

// What epoll gives back: a watched descriptor with the generation of its handler, or one of the source, without.
constexpr std::uint64_t kGenerations = 0xffffffff;
std::uint64_t DataOf(int fd, std::uint64_t generation) {
  return (generation & kGenerations) << 32 | static_cast<std::uint32_t>(fd);
}
constexpr std::uint64_t kOfSource = 0;

}  // namespace

Loop::Loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

Status Loop::status() const {
  if (!epoll_.is_open()) return Fail("make the event loop", "no descriptor for epoll");
  return {};
}

std::int64_t Loop::Now() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

void Loop::Tell(int fd, short events, std::uint64_t data, bool known) const {
  epoll_event event = {};
  event.events = static_cast<std::uint32_t>(static_cast<std::uint16_t>(events));
  event.data.u64 = data;
  if (epoll_ctl(epoll_.get(), known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) == 0) return;
  // The number was closed and opened again, or the other way round. What is refused for another reason (memory, the
  // user's limit of watches) is served late, at the next time-out.
  const int code = errno;
  if (code == ENOENT) epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  if (code == EEXIST) epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Loop::Watch(int fd, short events, Handler handler) {
  const std::uint64_t generation = next_++;
  Tell(fd, events, DataOf(fd, generation), watched_.contains(fd));
  watched_[fd] = {.events = events, .generation = generation, .handler = std::make_shared<Handler>(std::move(handler))};
}

void Loop::SetEvents(int fd, short events) {
  const auto found = watched_.find(fd);
  if (found == watched_.end() || found->second.events == events) return;
  found->second.events = events;
  Tell(fd, events, DataOf(fd, found->second.generation), true);
}

void Loop::Forget(int fd) {
  if (watched_.erase(fd) > 0) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void Loop::SourceChanged(int fd) {
  if (fd < 0 || static_cast<std::size_t>(fd) >= told_.size() || told_[static_cast<std::size_t>(fd)].events == 0) return;
  told_[static_cast<std::size_t>(fd)].events = 0;
  // ENOENT when it was closed in the meantime, which is as good.
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

Loop::TimerId Loop::After(std::int64_t milliseconds, Task task) {
  const TimerId id = next_++;
  timers_[id] = {.due = Now() + milliseconds, .task = std::move(task)};
  return id;
}

void Loop::Cancel(TimerId id) { timers_.erase(id); }

void Loop::RunTimers() {
  const std::int64_t now = Now();
  std::vector<TimerId> due;
  for (const auto& [id, timer] : timers_) {
    if (timer.due <= now) due.push_back(id);
  }
  for (const TimerId id : due) {
    const auto found = timers_.find(id);
    if (found == timers_.end()) continue;  // An earlier one cancelled it.
    const Task task = std::move(found->second.task);
    timers_.erase(found);
    task();
  }
}

void Loop::TellDifferences() {
  told_round_ = rounds_;
  for (std::size_t i = 0; i < polled_.size(); ++i) {
    if (polled_[i].events == 0) continue;
    const auto fd = static_cast<std::size_t>(polled_[i].fd);
    if (fd >= told_.size()) told_.resize(fd + 1);
    Told& told = told_[fd];
    if (told.events != polled_[i].events) {
      Tell(polled_[i].fd, polled_[i].events, DataOf(polled_[i].fd, kOfSource), told.events != 0);
      told.events = polled_[i].events;
    }
    told.round = rounds_;
    told.place = i;
  }
  // An error or a hang-up would wake us for those that are not asked for any more.
  for (const int fd : before_) {
    if (told_[static_cast<std::size_t>(fd)].round != rounds_) SourceChanged(fd);
  }
  before_.clear();
  for (const pollfd& entry : polled_) {
    if (entry.events != 0) before_.push_back(entry.fd);
  }
}

int Loop::TimeToSleep(std::int64_t of_source) const {
  std::int64_t timeout = of_source;
  if (!timers_.empty()) {
    std::int64_t due = INT64_MAX;
    for (const auto& [id, timer] : timers_) due = std::min(due, timer.due);
    const std::int64_t left = std::max<std::int64_t>(0, due - Now());
    timeout = timeout < 0 ? left : std::min(timeout, left);
  }
  return static_cast<int>(std::min<std::int64_t>(timeout, INT_MAX));
}

void Loop::RunOnce() {
  ++rounds_;
  std::int64_t timeout = -1;
  if (source_ != nullptr && source_->Fill(polled_, timeout)) TellDifferences();
  std::array<epoll_event, kMostReady> ready;
  const int count = epoll_wait(epoll_.get(), ready.data(), kMostReady, TimeToSleep(timeout));
  for (int i = 0; i < count; ++i) {
    const std::uint64_t data = ready[static_cast<std::size_t>(i)].data.u64;
    const auto fd = static_cast<std::size_t>(data & kGenerations);
    if (data >> 32 != kOfSource || fd >= told_.size() || told_[fd].round != told_round_) continue;
    polled_[told_[fd].place].revents = static_cast<short>(ready[static_cast<std::size_t>(i)].events);
  }
  if (source_ != nullptr) source_->Dispatch(polled_);
  for (int i = 0; i < count; ++i) {
    const std::uint64_t data = ready[static_cast<std::size_t>(i)].data.u64;
    const auto fd = static_cast<std::size_t>(data & kGenerations);
    if (data >> 32 == kOfSource && fd < told_.size() && told_[fd].round == told_round_) {
      polled_[told_[fd].place].revents = 0;
    }
  }
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = ready[static_cast<std::size_t>(i)];
    if (event.data.u64 >> 32 == kOfSource) continue;
    // A handler before may have closed the descriptor, and another may have its number by now.
    const auto found = watched_.find(static_cast<int>(event.data.u64 & kGenerations));
    if (found == watched_.end() || DataOf(found->first, found->second.generation) != event.data.u64) continue;
    const auto handler = found->second.handler;
    (*handler)(static_cast<short>(event.events));
  }
  RunTimers();
}

void Loop::Run() {
  running_ = true;
  while (running_) RunOnce();
}

}  // namespace runner
