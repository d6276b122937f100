// Between the executor and the real backend: refuses the k-th action, does it and loses the answer, or ends the process
// before or after it.
#pragma once
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "exec/backend.h"

namespace runner::test {

enum class Fault {
  kRefuse,      // an error, and nothing is done
  kLose,        // it is done, and the answer is lost
  kKillBefore,  // SIGKILL; the record says that it was begun
  kKillAfter    // SIGKILL; it is done, and the record does not say so
};
inline const char* NameOf(Fault fault) {
  constexpr const char* kNames[] = {"refuse", "lose the answer of", "kill before", "kill after"};
  return kNames[static_cast<int>(fault)];
}
inline bool Kills(Fault fault) { return fault == Fault::kKillBefore || fault == Fault::kKillAfter; }

/// By the number of the call of Apply, from 1.
using Faults = std::map<int, Fault>;

struct Call {
  Verb verb = Verb::kCreate;
  ResourceId id = {};
  std::vector<Difference> differences = {};
  bool done = false;  // in the kernel, whatever the caller was told
};

class FaultyBackend : public Backend {
 public:
  /// `calls` collects what is asked for; it must outlive this.
  FaultyBackend(std::unique_ptr<Backend> real, Faults faults, std::vector<Call>& calls)
      : real_(std::move(real)), faults_(std::move(faults)), calls_(calls) {}

  Result<Observation> Observe(const Graph& wish, const Record& record) override { return real_->Observe(wish, record); }
  Errors Check(const Plan& plan) override { return real_->Check(plan); }
  std::optional<Attributes> ReadFormer(const Resource& resource) override { return real_->ReadFormer(resource); }

  Result<Record> FindMarked() override { return real_->FindMarked(); }
  Errors Settle() override { return real_->Settle(); }

  Result<Attributes> Apply(const Action& action) override {
    calls_.push_back({.verb = action.verb, .id = action.resource.id, .differences = action.differences});
    const auto found = faults_.find(static_cast<int>(calls_.size()));
    if (found == faults_.end()) return Do(action);
    switch (found->second) {
      case Fault::kRefuse:
        return SystemError(kRefusals[calls_.size() % std::size(kRefusals)], "apply");
      case Fault::kLose:
        if (auto made = Do(action); !made.ok()) return made;
        return SystemError(calls_.size() % 2 == 0 ? ENOBUFS : ETIMEDOUT, "read the answer");
      case Fault::kKillBefore:
        End();
      case Fault::kKillAfter: {
        const auto made = Do(action);
        End();
      }
    }
    return Fail("no such fault");
  }

 private:
  static constexpr int kRefusals[] = {EPERM, ENOMEM, EBUSY, EEXIST, ENODEV, EOPNOTSUPP, ENETUNREACH, EINVAL};

  Result<Attributes> Do(const Action& action) {
    auto made = real_->Apply(action);
    calls_.back().done = made.ok();
    return made;
  }
  [[noreturn]] static void End() {
    kill(getpid(), SIGKILL);
    _exit(1);  // Not reached.
  }

  std::unique_ptr<Backend> real_;
  const Faults faults_;
  std::vector<Call>& calls_;
};

}  // namespace runner::test
