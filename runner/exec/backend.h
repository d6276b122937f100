// The one door between a decision and its effect. LinuxBackend is the real one; the tests have one that is a map.
#pragma once
#include "base/error.h"
#include "plan/plan.h"

namespace runner {

class Backend {
 public:
  virtual ~Backend() = default;

  /// What there is now of all that `wish` and `record` speak of. Changes nothing.
  virtual Result<Observation> Observe(const Graph& wish, const Record& record) = 0;

  /// The same later in a run, with the run's first answer: what no plan has touched since then may be taken from that.
  virtual Result<Observation> ObserveAgain(const Graph& wish, const Record& record, const Observation& /*first*/) {
    return Observe(wish, record);
  }

  /// Everything that can be known before the first change: ports that are taken, nft text that does not parse, a
  /// namespace to attach that is not there. Changes nothing that stays.
  virtual Errors Check(const Plan& plan) = 0;

  /// What a setting is right now, for the record of former values; nothing where it cannot be read.
  virtual std::optional<Attributes> ReadFormer(const Resource& resource) = 0;

  /// What still stands under the lab's marks, as a record that can be taken down; see exec/marked.h. Changes nothing.
  virtual Result<Record> FindMarked() = 0;

  /// Told before the first action of a plan, and again, with none, when one has failed: what goes together may be taken
  /// away together at the first of them.
  virtual void Expect(const Plan&) {}

  /// Does one action. The result is the attributes as made: the resource's own, with fingerprints filled in.
  /// An error with code ENOBUFS or ETIMEDOUT means that the outcome is unknown.
  virtual Result<Attributes> Apply(const Action& action) = 0;

  /// After the last action: waits, for a bounded time, for what the kernel ends by itself of what was applied since the
  /// last call (duplicate address detection), and tells what it refused.
  virtual Errors Settle() { return {}; }
};

}  // namespace runner
