// The health of one process: its check again and again, and what follows from it.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "base/fd.h"
#include "kernel/enter.h"
#include "process/children.h"
#include "process/output_log.h"
#include "process/spec.h"
#include "uplink/loop.h"

namespace runner::process {

class Checkup {
 public:
  /// `runs` says whether there is anything to check right now; where not, that is a failed check.
  Checkup(Loop& loop, Children& children, OutputLog& log, std::function<bool()> runs)
      : loop_(loop), children_(children), log_(log), runs_(std::move(runs)) {}
  Checkup(const Checkup&) = delete;
  Checkup& operator=(const Checkup&) = delete;
  ~Checkup() { Stop(); }

  /// From the beginning: nothing is known yet.
  void Begin(const HealthSpec& check, const kernel::EnterSpec& as_process);
  /// The process was started once more by the keeper: what failed before goes on counting.
  void GoOn();
  void Stop();

  Health health() const { return health_; }
  const std::string& reason() const { return reason_; }

 private:
  void Look();
  void StartProbe();
  void ReadReason();
  void EndProbe(bool holds, const std::string& why);

  Loop& loop_;
  Children& children_;
  OutputLog& log_;
  std::function<bool()> runs_;
  HealthSpec check_;
  kernel::EnterSpec as_process_;
  Health health_ = Health::kNone;
  std::string reason_;
  int failures_ = 0;  // one after another
  std::int64_t began_ = 0;
  Loop::TimerId next_ = 0;
  Loop::TimerId limit_ = 0;
  pid_t probe_ = 0;
  Fd said_;  // by the probe
  std::string said_so_far_;
};

}  // namespace runner::process
