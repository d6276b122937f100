#include "rootless/ground.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <memory>

#include <fmt/format.h>

#include "base/fd.h"
#include "base/text.h"
#include "kernel/enter_place.h"
#include "kernel/link.h"
#include "kernel/mirror.h"
#include "kernel/netlink.h"

namespace runner::rootless {
namespace {

constexpr int kLoopbackIndex = 1;  // in every namespace (LOOPBACK_IFINDEX, include/net/flow.h)

Error NoUserNamespace(int code) {
  Error error = SystemError(code, "make a user namespace");
  if (code == ENOSPC) {
    error.why += "; there are too many: sysctl user.max_user_namespaces sets the limit";
  } else if (code == EPERM) {
    error.why +=
        "; a sysctl (kernel.unprivileged_userns_clone, user.max_user_namespaces), the container that this runs "
        "in, or a chroot forbids it";
  }
  return error;
}

/// A user namespace may be given without its rights, which shows at the first use.
Error Powerless(Error error) {
  if (error.code == EPERM || error.code == EACCES) {
    error.why +=
        "; the user namespace was given without rights: see sysctl "
        "kernel.apparmor_restrict_unprivileged_userns, or give this program an AppArmor profile with `userns,`";
  }
  return error;
}

Status BecomeRoot() {
  const std::string uid = fmt::format("0 {} 1\n", geteuid());
  const std::string gid = fmt::format("0 {} 1\n", getegid());
  if (unshare(CLONE_NEWUSER) != 0) return NoUserNamespace(errno);
  // The kernel takes a map of groups only from who cannot drop groups any more.
  for (const auto& [file, text] :
       {std::pair("setgroups", std::string("deny")), std::pair("uid_map", uid), std::pair("gid_map", gid)}) {
    if (Status written = WriteExisting(fmt::format("/proc/self/{}", file), text); !written.ok()) {
      return Powerless(std::move(written).error());
    }
  }
  return {};
}

std::string PathOf(const Fd& fd) { return fmt::format("/proc/self/fd/{}", fd.get()); }

Status MakeFolder(const std::string& path) {
  if (mkdir(path.c_str(), 0755) == 0) return {};
  return SystemError(errno, "make folder " + Quote(path));
}

Status MakeLink(const std::string& target, const std::string& path) {
  if (symlink(target.c_str(), path.c_str()) == 0) return {};
  return SystemError(errno, "make link " + Quote(path));
}

/// What `name` in `folder` is; nothing when it has gone.
std::optional<mode_t> TypeOf(const Fd& folder, const std::string& name) {
  struct stat info {};
  if (fstatat(folder.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
  return info.st_mode & S_IFMT;
}

/// A folder below /run that looks like the root, so that relative links of what is put there lead where they led.
Result<std::string> MakeSecondRoot() {
  std::string path = "/run/.toporun";
  // Taken where this runs in a rootless lab.
  while (access(path.c_str(), F_OK) == 0) path += "+";
  TRY(MakeFolder(path));
  for (const std::string& name : TRY(kernel::ListEntries("/"))) {
    if (name != "etc") TRY(MakeLink("/" + name, path + "/" + name));
  }
  TRY(MakeFolder(path + "/etc"));
  return path;
}

/// A tmpfs over /etc, so that /etc/netns can be written. Its entries are links to the old ones, so that a file that the
/// system replaces later by another of the same name is seen; a bind would keep the one that was there.
Status RenewEtc() {
  const std::string second = TRY(MakeSecondRoot()) + "/etc";
  const Fd old = TRY(OpenFile("/etc", O_PATH | O_DIRECTORY));
  TRY(kernel::BindTree(PathOf(old), second));
  TRY(kernel::MountTmpfs("/etc", 0755));
  for (const std::string& name : TRY(kernel::ListEntries(second))) {
    if (name == "netns") continue;
    const std::string to = "/etc/" + name;
    if (TypeOf(old, name) == S_IFLNK) {
      TRY(kernel::CopyLink(old, name, to));
    } else {
      TRY(MakeLink(second + "/" + name, to));
    }
  }
  return MakeFolder("/etc/netns");
}

Status BringLoopbackUp() {
  NetlinkSocket socket = TRY(NetlinkSocket::Open());
  LinkUpdate up;
  up.up = true;
  return ChangeLink(socket, kLoopbackIndex, up);
}

}  // namespace

Result<std::vector<std::string>> MakeGround(const GroundOptions& options) {
  std::vector<std::string> missing;
  if (options.own_users) TRY(BecomeRoot());
  if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS) != 0) {
    Error error = Powerless(SystemError(errno, "make mount and network namespaces"));
    if (error.code == ENOSPC) error.why += "; see sysctl user.max_mnt_namespaces, user.max_net_namespaces";
    return error;
  }
  if (mount("", "/", nullptr, MS_SLAVE | MS_REC, nullptr) != 0) {
    return Powerless(SystemError(errno, "detach the view of the files"));
  }
  TRY(kernel::MirrorFolder("/run", options.hidden, missing));
  TRY(RenewEtc());
  // Hidden parts of /sys, as containers have them, forbid a new one: then it shows the devices of the real host.
  if (Status renewed = kernel::RenewSys(); !renewed.ok()) missing.push_back(renewed.error().text());
  TRY(BringLoopbackUp());
  return missing;
}

}  // namespace runner::rootless
