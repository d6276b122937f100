#include "kernel/enter_place.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/fd.h"
#include "base/text.h"

namespace runner::kernel {
namespace {

void Say(const EnterSpec& spec, const std::string& text) {
  const std::string line = "toporun: " + (spec.name.empty() ? "" : spec.name + ": ") + text + "\n";
  // When standard error is closed there is nobody to tell.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

[[noreturn]] void GiveUp(const EnterSpec& spec, const std::string& text, int status = kExitCannotRun) {
  Say(spec, text);
  _exit(status);
}

[[noreturn]] void GiveUpSystem(const EnterSpec& spec, const std::string& tried) {
  GiveUp(spec, SystemError(errno, tried).text());
}

/// As a value in a list of folders that overlayfs reads.
std::string InOverlayList(const std::string& path) {
  std::string escaped;
  for (const char c : path) {
    if (c == '\\' || c == ':' || c == ',') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

/// Gives /etc an empty file for each entry of the folder that it lacks, to be laid over: on a machine without
/// /etc/hosts, or where /etc/resolv.conf is a link to nowhere. /etc is read-only in this view then.
bool OverlayEtc(const std::string& folder, const std::vector<std::string>& names) {
  // overlayfs takes no two layers of which one holds the other: the empty files stand on a file system of their own,
  // for which the folder, out of use meanwhile, is the place.
  if (mount("tmpfs", folder.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=0755") != 0) return false;
  for (const std::string& name : names) {
    if (access(("/etc/" + name).c_str(), F_OK) == 0) continue;
    const Fd made(open((folder + "/" + name).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  }
  const std::string options = "lowerdir=" + InOverlayList(folder) + ":/etc";
  const bool done = mount("overlay", "/etc", "overlay", MS_RDONLY, options.c_str()) == 0;
  // Below /etc it is out of sight already.
  umount2(folder.c_str(), MNT_DETACH);
  return done;
}

/// Lays each entry of the node's folder over its namesake in /etc.
void LayFiles(const EnterSpec& spec) {
  if (spec.files.empty()) return;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(spec.files.c_str()), closedir);
  if (folder == nullptr) {
    if (errno == ENOENT) return;  // A node need not have any.
    GiveUpSystem(spec, "open " + Quote(spec.files));
  }
  std::vector<std::string> names;
  bool lacking = false;
  while (const dirent* entry = readdir(folder.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    lacking = lacking || access(("/etc/" + name).c_str(), F_OK) != 0;
    names.push_back(name);
  }
  if (lacking) OverlayEtc(spec.files, names);  // Where it is refused, the file is named below.
  for (const std::string& name : names) {
    const std::string from = spec.files + "/" + name;
    const std::string to = "/etc/" + name;
    // As `ip netns exec`: the command runs all the same, and the user knows which file it sees.
    if (mount(from.c_str(), to.c_str(), "none", MS_BIND, nullptr) != 0) {
      Say(spec, SystemError(errno, "show " + Quote(from) + " as " + Quote(to)).text());
    }
  }
}

/// A mount namespace is entered at its root. The folder may be one that is not there.
void ComeBackTo(const EnterSpec& spec, const char* folder) {
  if (!spec.working_dir.empty()) return;
  if (folder == nullptr || chdir(folder) != 0) {
    Say(spec, "warning: " + SystemError(errno, "go to " + Quote(folder == nullptr ? "." : folder)).text());
  }
}

void EnterView(const EnterSpec& spec) {
  std::array<char, PATH_MAX> folder = {};
  const char* here = getcwd(folder.data(), folder.size());
  if (setns(spec.view_fd, CLONE_NEWNS | CLONE_NEWUTS) != 0) GiveUpSystem(spec, "enter its view of the files");
  ComeBackTo(spec, here);
}

void EnterPlace(const EnterSpec& spec) {
  if (spec.ns_fd < 0) return;
  if (setns(spec.ns_fd, CLONE_NEWNET) != 0) GiveUpSystem(spec, "enter its network namespace");
  if (spec.view_fd >= 0) return EnterView(spec);
  if (unshare(CLONE_NEWNS | CLONE_NEWUTS) != 0) GiveUpSystem(spec, "make a view of the files of its own");
  // Slave: what is mounted here stays here, what the system mounts later is seen.
  if (mount("", "/", "none", MS_SLAVE | MS_REC, nullptr) != 0) GiveUpSystem(spec, "detach the view of the files");
  // Best effort: most commands never look there, and without privilege it may be locked.
  [[maybe_unused]] const Status renewed = RenewSys();
  LayFiles(spec);
  if (!spec.host_name.empty() && sethostname(spec.host_name.data(), spec.host_name.size()) != 0) {
    GiveUpSystem(spec, "set the host name");
  }
}

const passwd* FindUser(const std::string& user) {
  if (const passwd* entry = getpwnam(user.c_str())) return entry;
  const auto uid = ParseInteger(user);
  return uid && *uid >= 0 ? getpwuid(static_cast<uid_t>(*uid)) : nullptr;
}

void BecomeUser(const EnterSpec& spec) {
  if (spec.user.empty()) return;
  if (const passwd* entry = FindUser(spec.user)) {
    // In a rootless lab groups cannot be set, and one that has the id already need not.
    const bool is_it = entry->pw_uid == geteuid() && entry->pw_gid == getegid();
    if ((initgroups(entry->pw_name, entry->pw_gid) != 0 && !is_it) || setgid(entry->pw_gid) != 0 ||
        setuid(entry->pw_uid) != 0) {
      GiveUpSystem(spec, "become user " + Quote(spec.user));
    }
    setenv("HOME", entry->pw_dir, 1);
    setenv("USER", entry->pw_name, 1);
    setenv("LOGNAME", entry->pw_name, 1);
    return;
  }
  // A number need not have an entry.
  const auto uid = ParseInteger(spec.user);
  if (!uid || *uid < 0 || *uid >= 0xffffffff) GiveUp(spec, "there is no user " + Quote(spec.user));
  const auto id = static_cast<uid_t>(*uid);
  if (setgroups(0, nullptr) != 0 || setgid(id) != 0 || setuid(id) != 0) {
    GiveUpSystem(spec, "become user " + Quote(spec.user));
  }
}

/// setgroups(2) succeeds and does nothing from here on, for a program that will not do without where a user namespace
/// of one id denies it (user_namespaces(7)).
void PassOverGroups(const EnterSpec& spec) {
  constexpr auto kCall = static_cast<std::uint32_t>(offsetof(seccomp_data, nr));
  std::array<sock_filter, 4> code = {
      {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kCall), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setgroups, 0, 1),
       BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
  const sock_fprog program = {.len = code.size(), .filter = code.data()};
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) GiveUpSystem(spec, "pass over groups");
}

}  // namespace

Status RenewSys() {
  struct statvfs old {};
  const unsigned long read_only = statvfs("/sys", &old) == 0 && (old.f_flag & ST_RDONLY) != 0 ? MS_RDONLY : 0;
  const Fd cgroups(
      open_tree(AT_FDCWD, "/sys/fs/cgroup", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | static_cast<unsigned>(AT_RECURSIVE)));
  // Mounted over the old one, which therefore is still there when this is refused.
  if (mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | read_only, nullptr) != 0) {
    return SystemError(errno, "mount a new /sys");
  }
  if (cgroups.is_open()) move_mount(cgroups.get(), "", AT_FDCWD, "/sys/fs/cgroup", MOVE_MOUNT_F_EMPTY_PATH);
  return {};
}

pid_t ForkInto(const EnterSpec& spec) {
  if (spec.view_fd < 0) return fork();
  // Who enters a process namespace for its children may not come back: that is left to a process in between, which
  // makes the child one of ours.
  std::array<int, 2> ends = {};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return -1;
  const Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  const pid_t middle = fork();
  if (middle < 0) return -1;
  if (middle == 0) {
    long child = -1;
    if (setns(spec.view_fd, CLONE_NEWPID) == 0) child = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) return 0;
    const std::array<int, 2> told = {static_cast<int>(child), errno};
    _exit(write(write_end.get(), told.data(), sizeof told) == sizeof told ? 0 : 1);
  }
  write_end.Reset();
  std::array<int, 2> told = {-1, EIO};
  while (read(read_end.get(), told.data(), sizeof told) < 0 && errno == EINTR) {
  }
  while (waitpid(middle, nullptr, 0) < 0 && errno == EINTR) {
  }
  errno = told[1];
  return told[0];
}

void EnterAndExec(const EnterSpec& spec) {
  if (spec.argv.empty()) GiveUp(spec, "there is no command to run");
  EnterPlace(spec);
  BecomeUser(spec);
  if (spec.groups == Groups::kPassedOver) PassOverGroups(spec);
  for (const auto& [name, value] : spec.environment) setenv(name.c_str(), value.c_str(), 1);
  if (!spec.working_dir.empty() && chdir(spec.working_dir.c_str()) != 0) {
    GiveUpSystem(spec, "go to " + Quote(spec.working_dir));
  }
  // Ignored signals stay ignored over exec: those that the runner may ignore for itself.
  for (const int number : {SIGPIPE, SIGTTOU, SIGTTIN}) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);

  std::vector<char*> words;
  for (const std::string& word : spec.argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execvp(words[0], words.data());
  const int status = errno == ENOENT ? kExitNotFound : kExitCannotRun;
  GiveUp(spec, SystemError(errno, "run " + Quote(spec.argv[0])).text(), status);
}

int ShellStatus(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

}  // namespace runner::kernel
