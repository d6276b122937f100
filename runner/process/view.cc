#include "process/view.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "base/fd.h"
#include "base/text.h"
#include "kernel/enter_place.h"
#include "kernel/mirror.h"

namespace runner::process {
namespace {

std::optional<struct stat> LookAt(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return std::nullopt;
  return info;
}

std::string FolderOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

/// Without slashes at the end or next to each other.
std::string Tidy(const std::string& path) {
  std::string out;
  for (const std::string_view part : Split(path, '/')) {
    if (!part.empty() && part != ".") out += "/" + std::string(part);
  }
  return out.empty() ? "/" : out;
}

std::string PathOf(const Fd& fd) { return fmt::format("/proc/self/fd/{}", fd.get()); }

Status MountProc() {
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0) return {};
  Error error = SystemError(errno, "mount the node's own /proc");
  if (error.code == EPERM) {
    error.why +=
        "; parts of this machine's /proc are hidden, as containers do it: systempaths=unconfined (Docker) or "
        "unmask=ALL (Podman) shows them";
  }
  return error;
}

Result<Fd> TakeTree(const BindSpec& bind) {
  Fd tree(open_tree(AT_FDCWD, bind.host_path.c_str(),
                    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | static_cast<unsigned>(AT_RECURSIVE)));
  if (!tree.is_open()) return SystemError(errno, "bind " + Quote(bind.host_path));
  if (!bind.read_only) return tree;
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  if (mount_setattr(tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes) != 0) {
    return SystemError(errno, "bind " + Quote(bind.host_path) + " read-only");
  }
  return tree;
}

}  // namespace

Result<View> View::Make(const KeeperSpec& spec, std::vector<std::string>& missing) {
  // Slave: what is mounted here stays here, what the system mounts later is seen.
  if (mount("", "/", nullptr, MS_SLAVE | MS_REC, nullptr) != 0) {
    return SystemError(errno, "detach the view of the files");
  }
  TRY(MountProc());
  if (Status renewed = kernel::RenewSys(); !renewed.ok()) missing.push_back(renewed.error().text());
  if (sethostname(spec.node.data(), spec.node.size()) != 0) return SystemError(errno, "set the host name");
  View view(spec);
  view.state_folder_ = TRY(OpenFile(spec.state_folder, O_PATH | O_DIRECTORY));
  auto node_files = OpenFile(spec.node_files, O_PATH | O_DIRECTORY);
  if (node_files.ok()) {
    view.node_files_ = std::move(*node_files);
  } else if (node_files.error().code != ENOENT) {
    return std::move(node_files).error();
  }
  TRY(view.MountAll());
  TRY(view.Refresh());
  missing.insert(missing.end(), view.missing_.begin(), view.missing_.end());
  return view;
}

Status View::MountAll() {
  // Before anything is covered: they are paths of the host.
  std::vector<Fd> trees;
  std::map<std::string, std::size_t> binds;
  for (const BindSpec& bind : spec_.binds) {
    binds[Tidy(bind.path)] = trees.size();
    trees.push_back(TRY(TakeTree(bind)));
  }
  std::set<std::string> points;  // a folder stands before what is in it
  for (const auto& [path, index] : binds) points.insert(path);
  for (const std::string& path : spec_.tmpfs) points.insert(Tidy(path));
  for (const std::string& path : points) {
    const auto bind = binds.find(path);
    if (bind == binds.end()) {
      TRY(AddTmpfs(path).Wrap("tmpfs " + Quote(path)));
    } else {
      TRY(AddTree(trees[bind->second].get(), spec_.binds[bind->second]).Wrap("bind " + Quote(path)));
    }
  }
  return {};
}

Status View::AddTmpfs(const std::string& path) {
  constexpr mode_t kForAll = 01777;  // a daemon that becomes another user writes there
  if (!LookAt(path)) TRY(OwnFolder(path));
  TRY(kernel::MountTmpfs(path, kForAll));
  return NoteOwn(path);
}

Status View::AddTree(int tree, const BindSpec& bind) {
  const std::string path = Tidy(bind.path);
  struct stat info {};
  if (fstat(tree, &info) != 0) return SystemError(errno, "look at " + Quote(bind.host_path));
  if (!LookAt(path)) {
    TRY(OwnFolder(S_ISDIR(info.st_mode) ? path : FolderOf(path)));
    if (!S_ISDIR(info.st_mode)) TRY(OpenFile(path, O_WRONLY | O_CREAT | O_EXCL, 0444));
  }
  if (move_mount(tree, "", AT_FDCWD, path.c_str(), MOVE_MOUNT_F_EMPTY_PATH) == 0) return {};
  return SystemError(errno, "mount " + Quote(bind.host_path) + " there");
}

Status View::Put(const std::string& path, std::string_view content, mode_t mode) {
  const std::string tidy = Tidy(path);
  TRY(OwnFolder(FolderOf(tidy)));
  return Place(tidy, content, mode);
}

Status View::Refresh() {
  if (!node_files_.is_open()) return {};  // A node need not have any.
  for (const std::string& name : TRY(kernel::ListEntries(PathOf(node_files_)))) {
    // Half made, by a run that was killed.
    if (name.ends_with(".new")) continue;
    TRY(Lay(name));
  }
  return {};
}

Status View::Lay(const std::string& name) {
  const std::string to = "/etc/" + name;
  const auto is_it = [&to](const std::string& path) { return Tidy(path) == to; };
  // The user's own file of that name has the last word.
  if (std::ranges::any_of(spec_.files, is_it)) return {};
  std::string from = PathOf(node_files_) + "/" + name;
  // One that all nodes share is a link to the lab's folder.
  std::array<char, PATH_MAX> target = {};
  const ssize_t size = readlink(from.c_str(), target.data(), target.size());
  const std::string link(target.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  const std::string folder = spec_.state_folder + "/";
  if (link.starts_with(folder)) from = PathOf(state_folder_) + "/" + link.substr(folder.size());
  const std::string content = TRY(ReadFile(from));
  TRY(OwnFolder("/etc"));
  return Place(to, content, 0644);
}

Status View::Place(const std::string& path, std::string_view content, mode_t mode) {
  struct stat info {};
  if (lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    return SystemError(EISDIR, "write file " + Quote(path));
  }
  // One of the host's that is shown here: nothing can be renamed over a mount.
  while (umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  TRY(ReplaceFile(path, content, 0600));
  if (chmod(path.c_str(), mode) != 0) return SystemError(errno, "set the mode of " + Quote(path));
  return {};
}

Status View::OwnFolder(const std::string& path) {
  const auto info = LookAt(path);
  if (!info) {
    TRY(OwnFolder(FolderOf(path)));
    if (mkdir(path.c_str(), 0755) != 0) return SystemError(errno, "make folder " + Quote(path));
    return {};
  }
  if (own_.contains(info->st_dev)) return {};
  if (!S_ISDIR(info->st_mode)) return SystemError(ENOTDIR, "use " + Quote(path));
  if (path == "/") {
    TRY(kernel::MirrorRoot(missing_));
  } else {
    TRY(kernel::MirrorFolder(path, {}, missing_));
  }
  return NoteOwn(path);
}

Status View::NoteOwn(const std::string& path) {
  const auto info = LookAt(path);
  if (!info) return SystemError(errno, "look at " + Quote(path));
  own_.insert(info->st_dev);
  return {};
}

}  // namespace runner::process
