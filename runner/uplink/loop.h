// The helper's event loop: descriptors, timers, and one source (libslirp) whose descriptors change from round to round.
// Without anything to do it sleeps without limit. The kernel holds what is waited for (epoll) and is told differences
// only, so that a thousand quiet connections cost next to nothing.
#pragma once
#include <poll.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace runner {

class Loop {
 public:
  using Handler = std::function<void(short revents)>;
  using Task = std::function<void()>;

  /// Served before all other descriptors of a round.
  class Source {
   public:
    virtual ~Source() = default;
    /// What to poll in place of what was polled last (an entry without events: not even for errors); false when that
    /// stays as it is. Lowers `timeout_ms` (-1 is none) to what the source can sleep.
    virtual bool Fill(std::vector<pollfd>& polled, std::int64_t& timeout_ms) = 0;
    /// The same entries, each with what it is ready for.
    virtual void Dispatch(std::span<const pollfd> polled) = 0;
  };

  Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  /// An error when there was no descriptor for it.
  Status status() const;

  /// Milliseconds of the monotonic clock.
  static std::int64_t Now();

  void Watch(int fd, short events, Handler handler);
  void SetEvents(int fd, short events);
  /// Before `fd` is closed. Safe in its own handler.
  void Forget(int fd);

  using TimerId = std::uint64_t;
  TimerId After(std::int64_t milliseconds, Task task);
  void Cancel(TimerId id);

  void SetSource(Source* source) { source_ = source; }
  /// A descriptor of the source was opened or is about to be closed: its number may mean another file from now on.
  void SourceChanged(int fd);
  void Run();
  void Stop() { running_ = false; }
  /// How often the loop woke up.
  std::uint64_t rounds() const { return rounds_; }

 private:
  struct Watched {
    short events = 0;
    std::uint64_t generation = 0;
    std::shared_ptr<Handler> handler;
  };
  struct Timer {
    std::int64_t due = 0;
    Task task;
  };
  // What the kernel was told of a descriptor of the source.
  struct Told {
    short events = 0;  // 0: nothing
    std::uint64_t round = 0;
    std::size_t place = 0;  // in polled_, of that round
  };

  void RunOnce();
  void TellDifferences();
  void Tell(int fd, short events, std::uint64_t data, bool known) const;
  int TimeToSleep(std::int64_t of_source) const;
  void RunTimers();

  Fd epoll_;
  std::map<int, Watched> watched_;
  std::map<TimerId, Timer> timers_;
  Source* source_ = nullptr;
  std::vector<pollfd> polled_;    // the source's
  std::uint64_t told_round_ = 0;  // when the kernel was told of them
  std::vector<int> before_;       // its descriptors of the last round
  std::vector<Told> told_;        // by descriptor
  std::uint64_t next_ = 1;
  std::uint64_t rounds_ = 0;
  bool running_ = false;
};

}  // namespace runner
