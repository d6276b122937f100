#include "kernel/mirror.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <memory>

#include <fmt/format.h>

#include "base/text.h"

namespace runner::kernel {
namespace {

std::string PathOf(const Fd& fd) { return fmt::format("/proc/self/fd/{}", fd.get()); }

Status MakePlace(const std::string& path, mode_t type) {
  if (S_ISDIR(type)) {
    if (mkdir(path.c_str(), 0755) == 0) return {};
    return SystemError(errno, "make folder " + Quote(path));
  }
  TRY(OpenFile(path, O_WRONLY | O_CREAT | O_EXCL, 0444));
  return {};
}

/// As the folder below has it. Where its owner is not mapped, the new folder stays the caller's.
void TakeOwner(const std::string& path, const struct stat& old) {
  [[maybe_unused]] const int taken = chown(path.c_str(), old.st_uid, old.st_gid);
}

/// A folder of the root that the new one can be put together on.
Result<std::string> FindStage() {
  for (const char* path : {"/mnt", "/tmp", "/run", "/var", "/usr", "/etc"}) {
    struct stat info {};
    if (lstat(path, &info) == 0 && S_ISDIR(info.st_mode)) return std::string(path);
  }
  return Fail("put a new root together", "the old one has no folder for it");
}

Status MoveTree(const Fd& tree, const std::string& to) {
  if (move_mount(tree.get(), "", AT_FDCWD, to.c_str(), MOVE_MOUNT_F_EMPTY_PATH) == 0) return {};
  return SystemError(errno, "mount " + Quote(to));
}

Status ChangeRoot(const std::string& to) {
  // The old root is put over the new one, and taken off it.
  if (chdir(to.c_str()) != 0) return SystemError(errno, "go to " + Quote(to));
  if (syscall(SYS_pivot_root, ".", ".") != 0) return SystemError(errno, "change the root");
  if (umount2(".", MNT_DETACH) != 0) return SystemError(errno, "unmount the old root");
  if (chdir("/") != 0) return SystemError(errno, "go to the new root");
  return {};
}

}  // namespace

Result<std::vector<std::string>> ListEntries(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> opened(opendir(folder.c_str()), closedir);
  if (opened == nullptr) return SystemError(errno, "read " + Quote(folder));
  std::vector<std::string> names;
  while (const dirent* entry = readdir(opened.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  return names;
}

Status BindTree(const std::string& from, const std::string& to) {
  if (mount(from.c_str(), to.c_str(), nullptr, MS_BIND | MS_REC, nullptr) == 0) return {};
  return SystemError(errno, "bind " + Quote(to));
}

Status MountTmpfs(const std::string& path, mode_t mode) {
  const std::string options = fmt::format("mode={:04o}", mode & 07777);
  if (mount("tmpfs", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) == 0) return {};
  return SystemError(errno, "mount a tmpfs on " + Quote(path));
}

Status CopyLink(const Fd& folder, const std::string& name, const std::string& to) {
  std::array<char, PATH_MAX> target = {};
  const ssize_t size = readlinkat(folder.get(), name.c_str(), target.data(), target.size());
  if (size < 0) return SystemError(errno, "read link " + Quote(to));
  const std::string text(target.data(), static_cast<std::size_t>(size));
  if (symlink(text.c_str(), to.c_str()) == 0) return {};
  return SystemError(errno, "make link " + Quote(to));
}

Status ShowEntry(const Fd& old, const std::string& name, const std::string& to) {
  struct stat info {};
  if (fstatat(old.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return {};
  if (S_ISLNK(info.st_mode)) return CopyLink(old, name, to);
  TRY(MakePlace(to, info.st_mode));
  return BindTree(PathOf(old) + "/" + name, to);
}

Status MirrorFolder(const std::string& path, const std::vector<std::string>& left_out,
                    std::vector<std::string>& missing) {
  const Fd old = TRY(OpenFile(path, O_PATH | O_DIRECTORY));
  struct stat info {};
  if (fstat(old.get(), &info) != 0) return SystemError(errno, "look at " + Quote(path));
  auto names = ListEntries(PathOf(old));
  if (!names.ok() && names.error().code == EACCES) {
    // A daemon's own folder, say: who may not look into it finds it empty.
    missing.push_back(SystemError(EACCES, "read " + Quote(path)).text());
    names = std::vector<std::string>();
  }
  TRY(names);
  TRY(MountTmpfs(path, info.st_mode));
  TakeOwner(path, info);
  for (const std::string& name : *names) {
    if (std::ranges::find(left_out, name) != left_out.end()) continue;
    if (Status shown = ShowEntry(old, name, path + "/" + name); !shown.ok()) missing.push_back(shown.error().text());
  }
  return {};
}

Status MirrorRoot(std::vector<std::string>& missing) {
  const Fd old = TRY(OpenFile("/", O_PATH | O_DIRECTORY));
  const std::vector<std::string> names = TRY(ListEntries("/"));
  const std::string stage = TRY(FindStage());
  // What is there now is out of reach by its name once the stage stands on it.
  const Fd below(
      open_tree(AT_FDCWD, stage.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | static_cast<unsigned>(AT_RECURSIVE)));
  if (!below.is_open()) return SystemError(errno, "take hold of " + Quote(stage));
  TRY(MountTmpfs(stage, 0755));
  for (const std::string& name : names) {
    const std::string to = stage + "/" + name;
    Status shown;
    if ("/" + name == stage) {
      TRY(MakePlace(to, S_IFDIR));
      shown = MoveTree(below, to);
    } else {
      shown = ShowEntry(old, name, to);
    }
    if (!shown.ok()) missing.push_back(shown.error().text());
  }
  return ChangeRoot(stage);
}

}  // namespace runner::kernel
