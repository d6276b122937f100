// Where the record of a lab lives: one folder a lab below the state root, held by a lock while a command changes the
// lab. Nothing is made before it is needed, and the last one out removes the root.
#pragma once
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace runner {

/// Where labs keep their records.
struct StateRoot {
  std::string path = "/run/toporun";
  std::string shared = {};  // where SharedHost counts, if not in `path`: labs that have no host in common
  std::string LabFolder(const std::string& lab) const { return path + "/" + lab; }
  std::string JournalPath(const std::string& lab) const { return LabFolder(lab) + "/journal"; }
  /// The labs that have a folder with a journal, sorted.
  std::vector<std::string> Labs() const;
  /// Also those that a killed run left without a journal.
  std::vector<std::string> Folders() const;
};

/// Whose labs: those of the machine's own namespaces, or those that each have a holder (rootless).
enum class Ground { kMachine, kHolder };

/// --state-dir, else TOPORUN_STATE_DIR, else /run/toporun for root and $XDG_RUNTIME_DIR/toporun for others. Root's own
/// rootless labs have another place than its other labs.
Result<StateRoot> FindStateRoot(const std::string& option, Ground ground);

/// Removes the root if no lab and nobody who counts is left in it.
void RemoveRootIfEmpty(const StateRoot& root);

/// Who `host` is.
Result<std::uint64_t> HostNamespaceId();

/// The lab's lock, held for as long as this object lives. It makes the lab's folder (0700); LeaveIfEmpty removes what
/// is left without a journal.
class LabLock {
 public:
  /// Waits up to `timeout`; the error names the holder's pid and since when.
  static Result<LabLock> Take(const StateRoot& root, const std::string& lab, std::chrono::milliseconds timeout);
  /// Whether a command holds it now. It makes and writes nothing, and is over at once.
  static bool IsHeld(const StateRoot& root, const std::string& lab);
  LabLock(LabLock&&) = default;
  LabLock& operator=(LabLock&&) = default;
  ~LabLock() = default;

  /// With no journal in it: removes the lab's folder, and the root if that was its last. Files of the lab (logs) go
  /// too.
  Status LeaveIfEmpty();

 private:
  static Result<LabLock> TakeOrFail(const StateRoot& root, const std::string& lab, std::chrono::milliseconds timeout);
  LabLock(Fd fd, StateRoot root, std::string lab) : fd_(std::move(fd)), root_(std::move(root)), lab_(std::move(lab)) {}
  Fd fd_;
  StateRoot root_;
  std::string lab_;
};

/// What labs share on the host and somebody must put back: counted in one file of the state root, under its own lock.
class SharedHost {
 public:
  explicit SharedHost(StateRoot root) : root_(std::move(root)) {}

  /// The lab uses `key` from now on; to be called before it changes what the key stands for. If nobody did before,
  /// `former` tells the value to remember.
  Status Join(const std::string& key, const std::string& lab, const std::function<Result<std::string>()>& former);
  /// The lab no longer uses it. `last` runs with the remembered value if nobody does any more.
  Status Leave(const std::string& key, const std::string& lab, const std::function<Status(const std::string&)>& last);
  /// What the lab uses.
  std::vector<std::string> KeysOf(const std::string& lab) const;
  /// The labs that use `key`.
  std::vector<std::string> Users(const std::string& key) const;

 private:
  StateRoot root_;
};

}  // namespace runner
