// A rootless lab's checks are made by a process inside its namespaces. What they ask from outside is done by one that
// stays where the command was started.
#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "check/vantage.h"
#include "kernel/enter.h"

namespace runner {

class OutsideProcess {
 public:
  /// Before the lab is entered. It ends with this object, or with its starter.
  static Result<OutsideProcess> Start();
  OutsideProcess(OutsideProcess&& other) noexcept;
  OutsideProcess& operator=(OutsideProcess&&) = delete;
  ~OutsideProcess();

  /// socket(2) there.
  Result<Fd> OpenSocket(int domain, int type, int protocol) const;
  Result<check::Output> Run(const std::vector<std::string>& command, std::chrono::milliseconds limit) const;

 private:
  OutsideProcess(pid_t child, Fd channel) : child_(child), channel_(std::move(channel)) {}
  pid_t child_ = -1;
  Fd channel_;
};

/// socket(2) here: does not block, close-on-exec.
Result<Fd> OpenSocketHere(int domain, int type, int protocol);
/// Runs a command to its end, or to the end of its time, and keeps what it says.
Result<check::Output> RunAndKeep(kernel::EnterSpec spec, const std::vector<std::string>& command,
                                 std::chrono::milliseconds limit);

}  // namespace runner
