// Ends the helper with its lab: watches the node's name in /run/netns, the lab's holder, and the signals.
#pragma once
#include <sys/types.h>

#include <functional>
#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/process.h"
#include "uplink/loop.h"

namespace runner {

class Lifeline {
 public:
  using End = std::function<void(const std::string& why)>;
  Lifeline(Loop& loop, End end) : loop_(loop), end_(std::move(end)) {}
  Lifeline(const Lifeline&) = delete;
  Lifeline& operator=(const Lifeline&) = delete;
  ~Lifeline();

  /// Blocks SIGTERM, SIGINT and SIGHUP and serves them from the loop.
  Status WatchSignals();
  /// Until `path` is no longer the same file.
  Status WatchNode(const std::string& path);
  /// Until the process ends.
  Status WatchProcess(const kernel::ProcessIdentity& process);

 private:
  void Check();
  void CheckLater();

  Loop& loop_;
  End end_;
  Fd signals_;
  Fd notify_;
  Fd process_;
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  Loop::TimerId timer_ = 0;
};

}  // namespace runner
