#include "kernel/sysctl.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include "base/fd.h"
#include "base/text.h"

namespace runner {
namespace {

// As the kernel reads numbers: 0x and 0 begin hex and octal ones.
std::optional<long long> Number(std::string_view word) {
  const std::string text(word);
  char* end = nullptr;
  errno = 0;
  const long long number = std::strtoll(text.c_str(), &end, 0);
  if (text.empty() || *end != '\0' || errno != 0) return {};
  return number;
}

// In a process that shares the caller's memory and descriptors, so system calls only. `fd`: an int, for the mount.
int MountProc(void* fd) {
  const int context = fsopen("proc", FSOPEN_CLOEXEC);
  if (context >= 0 && fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0) {
    *static_cast<int*>(fd) = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
  }
  if (context >= 0) close(context);
  return 0;
}

/// An instance of proc that is mounted nowhere; none where the kernel gives none. It is made by a process in a process
/// namespace of its own: whoever has no power over the machine's may mount proc for that one (user_namespaces(7)).
Fd NewProc() {
  alignas(16) static std::array<char, 64 << 10> stack;
  int mounted = -1;
  const int flags = CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_NEWPID | SIGCHLD;
  const pid_t child = clone(MountProc, stack.data() + stack.size(), flags, &mounted);
  if (child < 0) return Fd();
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) continue;
  return Fd(mounted);
}

/// Where settings are opened. An instance of proc keeps the name of each file below /proc/sys/net once for each
/// namespace that it was opened in, all of them in one chain (fs/proc/proc_sysctl.c: proc_sys_compare): the ten
/// thousandth namespace waits for the kernel to walk past all before. So after some openings there is a fresh instance.
/// Where none is given it stays with the machine's.
class FreshProc {
 public:
  /// The same file in a younger instance, if there is one: `path` begins with /proc.
  std::string Find(const std::string& path) {
    if (++opened_ % kOpeningsEach == 0 && !refused_) {
      instance_ = NewProc();
      refused_ = !instance_.is_open();
    }
    if (!instance_.is_open()) return path;
    return "/proc/thread-self/fd/" + std::to_string(instance_.get()) + path.substr(std::strlen("/proc"));
  }

 private:
  static constexpr int kOpeningsEach = 128;

  Fd instance_;
  int opened_ = 0;
  bool refused_ = false;
};

FreshProc fresh_proc;

/// The error names the path that everybody knows, not the one that was taken.
Error Told(Error error, const std::string& taken, const std::string& path) {
  if (const auto at = error.tried.find(taken); at != std::string::npos) error.tried.replace(at, taken.size(), path);
  return error;
}

}  // namespace

Result<std::string> SysctlPath(std::string_view key) {
  const auto bad = [&](const std::string& why) { return Fail("sysctl " + Quote(key), why); };
  std::string path(key);
  const std::size_t first = path.find_first_of("./");
  if (first != std::string::npos && path[first] == '.') {
    for (char& c : path) c = c == '.' ? '/' : c == '/' ? '.' : c;
  }
  const auto parts = Split(path, '/');
  if (parts.size() < 2 || parts[0] != "net") return bad("a key begins with \"net.\"");
  for (const std::string_view part : parts) {
    if (part.empty() || part == "." || part == "..") return bad("a part of the key is empty or leads elsewhere");
  }
  // Not below the first process' network: /proc/sys/net follows the calling thread.
  return "/proc/sys/" + path;
}

std::string NormaliseSysctl(std::string_view value) {
  std::string text;
  bool gap = false;
  for (const char c : value) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\0') {
      gap = !text.empty();
      continue;
    }
    if (gap) text += ' ';
    gap = false;
    text += c;
  }
  return text;
}

bool SameSysctl(std::string_view a, std::string_view b) {
  const std::string left = NormaliseSysctl(a);
  const std::string right = NormaliseSysctl(b);
  const auto left_words = Split(left, ' ');
  const auto right_words = Split(right, ' ');
  return std::ranges::equal(left_words, right_words, [](std::string_view x, std::string_view y) {
    const auto number = Number(x);
    return x == y || (number && number == Number(y));
  });
}

Result<std::string> ReadSysctl(std::string_view key) {
  const std::string path = TRY(SysctlPath(key));
  const std::string taken = fresh_proc.Find(path);
  auto value = ReadFile(taken);
  if (!value.ok()) return Told(std::move(value).error(), taken, path).Wrap("sysctl " + Quote(key));
  return NormaliseSysctl(*value);
}

Status WriteSysctl(std::string_view key, std::string_view value) {
  const std::string path = TRY(SysctlPath(key));
  const std::string taken = fresh_proc.Find(path);
  if (Status written = WriteExisting(taken, value); !written.ok()) {
    return Told(std::move(written).error(), taken, path).Wrap("sysctl " + Quote(key));
  }
  const std::string now = TRY(ReadSysctl(key));
  if (SameSysctl(now, value)) return {};
  return Fail("sysctl " + Quote(key),
              "the kernel took " + Quote(value) + " without an error, but the value is now " + Quote(now));
}

}  // namespace runner
