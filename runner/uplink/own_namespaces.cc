#include "uplink/own_namespaces.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include <fmt/format.h>

#include "base/fd.h"

namespace runner {
namespace {

constexpr int kOthers = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;

bool MayAdminister() {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> held = {};
  if (syscall(SYS_capget, &header, held.data()) != 0) return false;
  return (held[0].effective & 1U << CAP_SYS_ADMIN) != 0;
}

Status WriteAt(const Fd& folder, const char* name, const std::string& text) {
  const Fd file(openat(folder.get(), name, O_WRONLY | O_CLOEXEC));
  if (!file.is_open() || write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return SystemError(errno, fmt::format("write {}", name));
  }
  return {};
}

// `self` is /proc/self, opened while there is a /proc.
Status EnterUserNamespace(const Fd& self) {
  const uid_t user = geteuid();
  const gid_t group = getegid();
  if (unshare(CLONE_NEWUSER) != 0) return SystemError(errno, "unshare");
  // The files of a process that is not dumpable belong to root; no frame of the lab has come in yet.
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  auto mapped = [&]() -> Status {
    TRY(WriteAt(self, "setgroups", "deny"));
    TRY(WriteAt(self, "uid_map", fmt::format("{} {} 1\n", user, user)));
    return WriteAt(self, "gid_map", fmt::format("{} {} 1\n", group, group));
  }();
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  return mapped;
}

Status EmptyRoot() {
  constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return SystemError(errno, "cut mounts off");
  // On /proc, which every machine has.
  if (mount("uplink", "/proc", "tmpfs", kFlags, "mode=0555,size=4k,nr_inodes=1") != 0) {
    return SystemError(errno, "mount an empty file system");
  }
  if (chdir("/proc") != 0) return SystemError(errno, "chdir");
  // The old root comes to stand upon the new one, from where it is taken away.
  if (syscall(SYS_pivot_root, ".", ".") != 0) return SystemError(errno, "pivot_root");
  if (umount2(".", MNT_DETACH) != 0) return SystemError(errno, "take the old root away");
  if (chdir("/") != 0) return SystemError(errno, "chdir");
  if (mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | kFlags, nullptr) != 0) {
    return SystemError(errno, "make the root read-only");
  }
  return {};
}

Status BecomeNobody() {
  // A user namespace with a single id has nobody to become; root there is no root outside.
  if (setgroups(0, nullptr) != 0 && errno != EPERM) return SystemError(errno, "leave the groups");
  if (setresgid(kNobody, kNobody, kNobody) != 0) {
    if (errno == EINVAL) return {};
    return SystemError(errno, "become nobody");
  }
  if (setresuid(kNobody, kNobody, kNobody) != 0) return SystemError(errno, "become nobody");
  return {};
}

Status OthersAndRoot() {
  if (unshare(kOthers) != 0) return SystemError(errno, "unshare");
  return EmptyRoot();
}

}  // namespace

Result<std::vector<std::string>> EnterOwnNamespaces() {
  std::vector<std::string> refused;
  const auto note = [&refused](const char* what, const Status& status) {
    if (!status) refused.push_back(fmt::format("{}: {}", what, status.error().text()));
  };
  const Fd self = TRY(OpenFile("/proc/self", O_PATH | O_DIRECTORY));
  if (MayAdminister()) {
    // Mounts first: they work where user namespaces are closed to ordinary users, and belong to root's namespace then.
    note("mount namespace", OthersAndRoot());
    TRY(BecomeNobody());
    note("user namespace", EnterUserNamespace(self));
    return refused;
  }
  note("user namespace", EnterUserNamespace(self));
  note("mount namespace", OthersAndRoot());
  return refused;
}

}  // namespace runner
