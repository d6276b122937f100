#include "kernel/enter_place.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

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

/// /sys shows the network devices of the namespace in which it was mounted: a new one, with the control groups of the
/// old one put back. Best effort: most commands never look there, and without privilege it may be locked.
void RenewSys() {
  struct statvfs old {};
  const unsigned long read_only = statvfs("/sys", &old) == 0 && (old.f_flag & ST_RDONLY) != 0 ? MS_RDONLY : 0;
  const Fd cgroups(
      open_tree(AT_FDCWD, "/sys/fs/cgroup", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | static_cast<unsigned>(AT_RECURSIVE)));
  // Mounted over the old one, which therefore is still there when this is refused.
  if (mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | read_only, nullptr) != 0) return;
  if (cgroups.is_open()) move_mount(cgroups.get(), "", AT_FDCWD, "/sys/fs/cgroup", MOVE_MOUNT_F_EMPTY_PATH);
}

/// Lays each entry of the node's folder over its namesake in /etc.
void LayFiles(const EnterSpec& spec) {
  if (spec.files.empty()) return;
  DIR* folder = opendir(spec.files.c_str());
  if (folder == nullptr) {
    if (errno == ENOENT) return;  // A node need not have any.
    GiveUpSystem(spec, "open " + Quote(spec.files));
  }
  while (const dirent* entry = readdir(folder)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    const std::string from = spec.files + "/" + name;
    const std::string to = "/etc/" + name;
    // As `ip netns exec`: the command runs all the same, and the user knows which file it sees.
    if (mount(from.c_str(), to.c_str(), "none", MS_BIND, nullptr) != 0) {
      Say(spec, SystemError(errno, "show " + Quote(from) + " as " + Quote(to)).text());
    }
  }
  closedir(folder);
}

void EnterPlace(const EnterSpec& spec) {
  if (spec.ns_fd < 0) return;
  if (setns(spec.ns_fd, CLONE_NEWNET) != 0) GiveUpSystem(spec, "enter its network namespace");
  if (unshare(CLONE_NEWNS | CLONE_NEWUTS) != 0) GiveUpSystem(spec, "make a view of the files of its own");
  // Slave: what is mounted here stays here, what the system mounts later is seen.
  if (mount("", "/", "none", MS_SLAVE | MS_REC, nullptr) != 0) GiveUpSystem(spec, "detach the view of the files");
  RenewSys();
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
    if (initgroups(entry->pw_name, entry->pw_gid) != 0 || setgid(entry->pw_gid) != 0 || setuid(entry->pw_uid) != 0) {
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

}  // namespace

void EnterAndExec(const EnterSpec& spec) {
  if (spec.argv.empty()) GiveUp(spec, "there is no command to run");
  EnterPlace(spec);
  BecomeUser(spec);
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
