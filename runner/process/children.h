// The keeper's children, and all orphans of the node, which are its children too: one place takes their ends.
#pragma once
#include <sys/types.h>

#include <functional>
#include <map>

namespace runner::process {

class Children {
 public:
  using OnEnd = std::function<void(int wait_status)>;

  void Expect(pid_t pid, OnEnd on_end) { expected_[pid] = std::move(on_end); }
  /// Nobody waits for it any more; it is still reaped.
  void Forget(pid_t pid) { expected_.erase(pid); }
  /// Takes the status of all that have ended.
  void Reap();

 private:
  std::map<pid_t, OnEnd> expected_;
};

}  // namespace runner::process
