// One declared process in the keeper's hands: it is started, minded, checked, started again, stopped.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "base/fd.h"
#include "process/checkup.h"
#include "process/children.h"
#include "process/output_log.h"
#include "process/spec.h"
#include "uplink/loop.h"

namespace runner::process {

/// What all processes of a node have in common.
struct ServiceGround {
  Loop& loop;
  Children& children;
  std::string lab = {};
  std::string node = {};
  std::string logs = {};  // the folder, by a path that the node's own view does not hide
};

class Service {
 public:
  Service(const ServiceGround& ground, ProcessSpec spec);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  ~Service();

  /// Starts it, after what runs of it now was stopped.
  void Start(ProcessSpec spec);
  /// What needs no new start: checks, restart policy, how it is stopped.
  void Change(ProcessSpec spec);
  /// Its stop signal, and when the grace period is over, the end of all that it started. It stays stopped.
  void Stop();
  /// SIGKILL to all of it, as a crash: its restart policy applies.
  void Kill();

  const ProcessSpec& spec() const { return spec_; }
  ProcessState State() const;
  /// Something of it may still run.
  bool lives() const { return minder_ != 0; }

 private:
  void Launch();
  kernel::EnterSpec EnterSpecOf() const;
  void ReadEvents();
  void TakeEvent(const std::string& line);
  void MainEnded(int wait_status);
  void ReadOutput();
  void AllEnded();
  void StartLater();
  void Enter(Phase phase);
  void EndStop();

  const ServiceGround& ground_;
  ProcessSpec spec_;
  OutputLog log_;
  Checkup checkup_;
  Phase phase_ = Phase::kStopped;
  std::string since_;
  pid_t minder_ = 0;
  pid_t main_ = 0;
  Fd main_pidfd_;
  Fd events_;
  std::string events_so_far_;
  Fd output_;
  bool has_completed_ = false;
  std::optional<int> exit_status_;
  int restarts_ = 0;
  std::int64_t launched_ = 0;
  std::int64_t pause_ = 0;
  bool starts_again_ = false;  // when what is being stopped has ended
  Loop::TimerId grace_ = 0;
  Loop::TimerId later_ = 0;
};

}  // namespace runner::process
