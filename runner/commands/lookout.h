// Looks again and again at one lab that is up, while other commands may change it, and waits in between for what the
// kernel announces.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "commands/context.h"
#include "commands/overrides.h"
#include "exec/journal.h"
#include "kernel/monitor.h"

namespace runner {

/// One object that is not as recorded.
struct FoundDrift {
  std::string object;
  std::vector<std::string> row;  // as DriftRow
  Json told;                     // as DriftJson
};

struct Sight {
  enum class What {
    kSeen,
    kBusy,  // another command changes the lab: what stands now is its business
    kDown   // its record is gone
  };
  What what = What::kSeen;
  std::size_t objects = 0;
  std::vector<FoundDrift> drift;
  std::vector<OverrideNote> overrides;
};

class Lookout {
 public:
  /// What the kernel does not announce is looked at once in `interval`. `context` must outlive it.
  Lookout(const Context& context, std::string lab, std::chrono::milliseconds interval)
      : context_(context), lab_(std::move(lab)), interval_(interval) {}

  /// The lab as it is now; only what may have changed since the last time is looked at. Writes nothing.
  Result<Sight, Errors> Look();

  /// Until the kernel announces a change (a burst of them is let pass), the interval or `limit` is over. An
  /// interruption ends it, and so does that `other` (-1: none) is readable.
  Status Wait(std::chrono::milliseconds limit, int other = -1);
  /// Whether a look may find something new.
  bool IsDue() const;
  /// As of the last look.
  const Record& record() const { return record_; }

 private:
  /// Which state of the record's file it is.
  struct Stamp {
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t changed = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  std::optional<Stamp> ReadStamp() const;
  Status ReadRecord(const Stamp& stamp);
  Record PartToLookAt() const;
  Result<void, Errors> LookInLab();
  Result<Json, Errors> AskInside(const Record& part);
  Result<Json> LookInside(const Context& inside, const Record& part, int channel);
  Result<Json> FollowAll(const Context& inside, int channel);
  void Note(const Record& part, Json seen);

  const Context& context_;
  const std::string lab_;
  const std::chrono::milliseconds interval_;

  std::optional<Stamp> stamp_;  // of the record
  Record record_;
  std::vector<FoundDrift> drift_;
  std::string names_;        // the lab's namespaces as they are bound
  bool is_checked_ = false;  // the record is of this host

  std::optional<Monitor> monitor_;
  std::optional<std::uint64_t> users_;             // a rootless lab's user namespace, which the monitor belongs to
  std::unordered_map<int, NamespaceName> places_;  // by their numbers in the monitor
  std::set<NamespaceName> touched_;                // since the last look
  bool is_all_touched_ = true;
  bool is_poll_ = true;  // this look is at what the kernel does not announce too
  std::chrono::steady_clock::time_point polled_at_;
  std::chrono::steady_clock::duration took_{0};  // the last look
};

}  // namespace runner
