#include "uplink/loop.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>

namespace runner {

std::int64_t Loop::Now() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

void Loop::Watch(int fd, short events, Handler handler) {
  watched_[fd] = {.events = events, .generation = next_++, .handler = std::make_shared<Handler>(std::move(handler))};
}

void Loop::SetEvents(int fd, short events) {
  const auto found = watched_.find(fd);
  if (found != watched_.end()) found->second.events = events;
}

void Loop::Forget(int fd) { watched_.erase(fd); }

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

void Loop::RunOnce() {
  struct Entry {
    int fd;
    std::uint64_t generation;
    std::shared_ptr<Handler> handler;
  };
  std::vector<pollfd> polled;
  std::int64_t timeout = -1;
  if (source_ != nullptr) source_->Fill(polled, timeout);
  const std::size_t of_source = polled.size();
  std::vector<Entry> entries;
  entries.reserve(watched_.size());
  for (const auto& [fd, watched] : watched_) {
    polled.push_back({.fd = fd, .events = watched.events, .revents = 0});
    entries.push_back({fd, watched.generation, watched.handler});
  }
  if (!timers_.empty()) {
    std::int64_t due = INT64_MAX;
    for (const auto& [id, timer] : timers_) due = std::min(due, timer.due);
    const std::int64_t left = std::max<std::int64_t>(0, due - Now());
    timeout = timeout < 0 ? left : std::min(timeout, left);
  }
  const int ready = poll(polled.data(), polled.size(), static_cast<int>(std::min<std::int64_t>(timeout, INT_MAX)));
  ++rounds_;
  if (ready < 0) {
    for (pollfd& entry : polled) entry.revents = 0;
  }
  if (source_ != nullptr) source_->Dispatch(std::span(polled).first(of_source));
  for (std::size_t i = 0; i < entries.size() && ready > 0; ++i) {
    const short revents = polled[of_source + i].revents;
    if (revents == 0) continue;
    // A handler before may have closed the descriptor, and another may have its number by now.
    const auto found = watched_.find(entries[i].fd);
    if (found == watched_.end() || found->second.generation != entries[i].generation) continue;
    (*entries[i].handler)(revents);
  }
  RunTimers();
}

void Loop::Run() {
  running_ = true;
  while (running_) RunOnce();
}

}  // namespace runner
