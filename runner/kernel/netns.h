// Network namespaces: as descriptors, as a place to be in for a while, and as names bound where `ip netns` looks.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace runner {

/// A descriptor of a network namespace; it keeps the namespace alive.
class Namespace {
 public:
  /// Fails when `path` is no network namespace: a stray file of a crashed `ip netns add` is told as such.
  static Result<Namespace> OpenPath(const std::string& path);
  static Result<Namespace> OpenPid(pid_t pid);
  /// That of the calling thread.
  static Result<Namespace> Current();
  /// The one that a socket is in, wherever its user is; the caller holds CAP_NET_ADMIN there.
  static Result<Namespace> OfSocket(int socket);

  int fd() const { return fd_.get(); }
  /// The namespace's number in /proc/PID/ns/net. The kernel gives it out again after the namespace's end.
  std::uint64_t inode() const { return inode_; }
  /// The kernel's identity of the namespace, not given out again until a reboot; 0 where the kernel does not tell it
  /// (before 5.14) or the namespace may not be entered. Asks the kernel at the first call.
  std::uint64_t cookie() const;
  /// setns(2) of the calling thread, for good; to come back use InNamespace.
  Status Enter() const;

 private:
  Namespace(Fd fd, std::uint64_t inode) : fd_(std::move(fd)), inode_(inode) {}
  static Result<Namespace> Adopt(Fd fd, const std::string& path);

  Fd fd_;
  std::uint64_t inode_ = 0;
  mutable std::optional<std::uint64_t> cookie_;
};

/// The calling thread is in another namespace for as long as this object lives. It ends the process when there is no
/// way back: to go on in the wrong namespace would change somebody else's network.
class InNamespace {
 public:
  static Result<InNamespace> Enter(const Namespace& place) { return Enter(place.fd()); }
  /// By a descriptor of it that stays the caller's.
  static Result<InNamespace> Enter(int netns);
  /// A fresh one, that nothing else holds.
  static Result<InNamespace> EnterNew();
  InNamespace(InNamespace&&) = default;
  InNamespace& operator=(InNamespace&&) = delete;
  ~InNamespace();

 private:
  explicit InNamespace(Fd home) : home_(std::move(home)) {}
  Fd home_;  // closed: nothing to go back to (moved from)
};

/// The folder that holds the names of namespaces.
struct NamespaceDirectory {
  std::string path = "/run/netns";
  std::string Path(const std::string& name) const { return path + "/" + name; }
};

/// Makes the folder ready as `ip netns add` does: it exists and is a shared mount of its own, so that a name removed in
/// one mount namespace vanishes in all. Under a lock; what is ready stays as it is. Before the first CreateNamespace.
Status PrepareNamespaceDirectory(const NamespaceDirectory& directory);

/// Makes a namespace and binds it under `name`. `setup` runs inside the new namespace before it gets its name, so that
/// nobody ever sees it without a mark; a netlink socket opened there may be kept. The name must not exist (EEXIST). The
/// calling thread is back in its own namespace afterwards, and after a failure nothing is left.
Result<Namespace> CreateNamespace(const NamespaceDirectory& directory, const std::string& name,
                                  const std::function<Status()>& setup);

/// Binds an existing namespace under `name`, which must not exist (EEXIST).
Status BindNamespace(const NamespaceDirectory& directory, const std::string& name, const Namespace& place);

/// Takes the name away; the namespace ends when nothing else holds it. Fine when it is gone already, wholly or by half.
Status DeleteNamespace(const NamespaceDirectory& directory, const std::string& name);

struct NamespaceEntry {
  enum class State {
    kNamespace,  // a namespace is bound there
    kStray       // a file without a namespace, as a crash between its creation and the bind leaves it
  };
  std::string name;
  State state = State::kNamespace;
  std::uint64_t inode = 0;
  friend bool operator==(const NamespaceEntry&, const NamespaceEntry&) = default;
};

/// What the folder holds, by name; empty when there is no folder.
Result<std::vector<NamespaceEntry>> ListNamespaces(const NamespaceDirectory& directory);

}  // namespace runner
