// The helper's event loop: descriptors, timers, and one source (libslirp) whose descriptors change from round to round.
// Without anything to do it sleeps without limit.
#pragma once
#include <poll.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

namespace runner {

class Loop {
 public:
  using Handler = std::function<void(short revents)>;
  using Task = std::function<void()>;

  /// Served before all other descriptors of a round.
  class Source {
   public:
    virtual ~Source() = default;
    /// Appends what to poll, and lowers `timeout_ms` (-1 is none) to what the source can sleep.
    virtual void Fill(std::vector<pollfd>& polled, std::int64_t& timeout_ms) = 0;
    virtual void Dispatch(std::span<const pollfd> polled) = 0;
  };

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
  void RunOnce();
  void RunTimers();

  std::map<int, Watched> watched_;
  std::map<TimerId, Timer> timers_;
  Source* source_ = nullptr;
  std::uint64_t next_ = 1;
  std::uint64_t rounds_ = 0;
  bool running_ = false;
};

}  // namespace runner
