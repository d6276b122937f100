// The names of namespaces, as files that namespaces are bound on.
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/text.h"
#include "kernel/netns.h"

namespace runner {
namespace {

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

Status CheckName(const std::string& name) {
  if (!name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos) return {};
  return Error{.where = {}, .tried = {}, .why = Quote(name) + " cannot be a namespace's name", .code = EINVAL};
}

// Makes the file that a namespace is bound on: exclusive, so that of two who want the name one is told.
Status MakeMountPoint(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0));
  if (!fd.is_open()) return SystemError(errno, "make " + Quote(path));
  return {};
}

Status Bind(const std::string& source, const std::string& path) {
  if (mount(source.c_str(), path.c_str(), "none", MS_BIND, nullptr) == 0) return {};
  return SystemError(errno, "bind a network namespace on " + Quote(path));
}

// Takes back MakeMountPoint() after `failure`, which stays the thing to tell.
Error Undo(const std::string& path, Error failure) {
  if (unlink(path.c_str()) != 0) failure.notes.push_back({.at = {}, .text = "the file " + Quote(path) + " is left"});
  return failure;
}

Result<Namespace> SetUpAndBind(const std::string& path, const std::function<Status()>& setup) {
  const InNamespace inside = TRY(InNamespace::EnterNew());
  if (setup) TRY(setup());
  Namespace fresh = TRY(Namespace::Current());
  TRY(Bind("/proc/thread-self/ns/net", path));
  return fresh;
}

}  // namespace

Status PrepareNamespaceDirectory(const NamespaceDirectory& directory) {
  TRY(MakeFolders(directory.path));
  const Fd folder = TRY(OpenFile(directory.path, O_RDONLY | O_DIRECTORY));
  // Two that bind the folder on itself at once would stack their mounts without end. `ip` takes the same lock.
  if (flock(folder.get(), LOCK_EX) != 0) return SystemError(errno, "lock " + Quote(directory.path));
  // Refused with EINVAL as long as nothing is mounted here; on a mount that is shared already it changes nothing.
  if (mount("", directory.path.c_str(), "none", MS_SHARED | MS_REC, nullptr) == 0) return {};
  if (errno != EINVAL) return SystemError(errno, "share the mount " + Quote(directory.path));
  if (mount(directory.path.c_str(), directory.path.c_str(), "none", MS_BIND | MS_REC, nullptr) != 0) {
    return SystemError(errno, "bind " + Quote(directory.path) + " on itself");
  }
  if (mount("", directory.path.c_str(), "none", MS_SHARED | MS_REC, nullptr) != 0) {
    return SystemError(errno, "share the mount " + Quote(directory.path));
  }
  return {};
}

Result<Namespace> CreateNamespace(const NamespaceDirectory& directory, const std::string& name,
                                  const std::function<Status()>& setup) {
  TRY(CheckName(name));
  const std::string path = directory.Path(name);
  TRY(MakeMountPoint(path));
  auto fresh = SetUpAndBind(path, setup);
  if (!fresh.ok()) return Undo(path, std::move(fresh).error());
  return fresh;
}

Status BindNamespace(const NamespaceDirectory& directory, const std::string& name, const Namespace& place) {
  TRY(CheckName(name));
  const std::string path = directory.Path(name);
  TRY(MakeMountPoint(path));
  auto bound = Bind("/proc/thread-self/fd/" + std::to_string(place.fd()), path);
  if (!bound.ok()) return Undo(path, std::move(bound).error());
  return {};
}

Status DeleteNamespace(const NamespaceDirectory& directory, const std::string& name) {
  TRY(CheckName(name));
  const std::string path = directory.Path(name);
  // EINVAL: nothing is mounted there, as after a crash between unmount and unlink, or before the bind.
  if (umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT) {
    return SystemError(errno, "unmount " + Quote(path));
  }
  // Detaches what other mount namespaces still have there, too.
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return SystemError(errno, "remove " + Quote(path));
  return {};
}

Result<std::vector<NamespaceEntry>> ListNamespaces(const NamespaceDirectory& directory) {
  std::vector<NamespaceEntry> entries;
  const std::unique_ptr<DIR, CloseFolder> folder(opendir(directory.path.c_str()));
  if (!folder && errno == ENOENT) return entries;
  if (!folder) return SystemError(errno, "read " + Quote(directory.path));
  errno = 0;
  while (const dirent* entry = readdir(folder.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    const std::string path = directory.Path(name);
    struct statfs system {};
    struct stat status {};
    if (statfs(path.c_str(), &system) != 0 || stat(path.c_str(), &status) != 0) {
      // Removed while we looked.
      if (errno == ENOENT) continue;
      return SystemError(errno, "look at " + Quote(path));
    }
    const bool is_namespace = system.f_type == NSFS_MAGIC;
    entries.push_back({.name = name,
                       .state = is_namespace ? NamespaceEntry::State::kNamespace : NamespaceEntry::State::kStray,
                       .inode = is_namespace ? status.st_ino : 0});
    errno = 0;
  }
  // A folder that was removed while we looked holds nothing (ENOENT).
  if (errno != 0 && errno != ENOENT) return SystemError(errno, "read " + Quote(directory.path));
  std::ranges::sort(entries, {}, &NamespaceEntry::name);
  return entries;
}

}  // namespace runner
