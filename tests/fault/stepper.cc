// Runs a command and kills the process that is about to make the N-th call that changes something:
//
//     stepper [--at=N] [--list=FILE] -- COMMAND…
//
// All processes that the command starts are followed, and calls are counted over all of them. Without --at nothing is
// killed. FILE gets a line "N CALL" for each counted call. It ends as the command does, with 137 when that was killed;
// what the command leaves running goes on.
#include <fcntl.h>
#include <linux/netlink.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

// <linux/ptrace.h> and <sys/ptrace.h> do not go together: this is the kernel's structure of PTRACE_GET_SYSCALL_INFO.
namespace {

constexpr int kGetSyscallInfo = 0x420e;
constexpr std::uint8_t kEntry = 1;

struct SyscallInfo {
  std::uint8_t op = 0;
  std::uint8_t pad[3] = {};
  std::uint32_t arch = 0;
  std::uint64_t instruction_pointer = 0;
  std::uint64_t stack_pointer = 0;
  std::uint64_t number = 0;
  std::uint64_t args[6] = {};
};

const std::map<long, const char*>& ChangingCalls() {
  static const std::map<long, const char*> calls = {
#ifdef SYS_open
      {SYS_open, "open"},
      {SYS_creat, "creat"},
      {SYS_unlink, "unlink"},
      {SYS_rename, "rename"},
      {SYS_mkdir, "mkdir"},
      {SYS_rmdir, "rmdir"},
      {SYS_symlink, "symlink"},
      {SYS_link, "link"},
      {SYS_chmod, "chmod"},
      {SYS_chown, "chown"},
      {SYS_lchown, "lchown"},
      {SYS_mknod, "mknod"},
      {SYS_fork, "fork"},
      {SYS_vfork, "vfork"},
#endif
      {SYS_openat, "openat"},
      {SYS_unlinkat, "unlinkat"},
      {SYS_renameat2, "renameat2"},
      {SYS_mkdirat, "mkdirat"},
      {SYS_symlinkat, "symlinkat"},
      {SYS_linkat, "linkat"},
      {SYS_fchmod, "fchmod"},
      {SYS_fchmodat, "fchmodat"},
      {SYS_fchown, "fchown"},
      {SYS_fchownat, "fchownat"},
      {SYS_mknodat, "mknodat"},
      {SYS_truncate, "truncate"},
      {SYS_ftruncate, "ftruncate"},
      {SYS_write, "write"},
      {SYS_pwrite64, "pwrite64"},
      {SYS_writev, "writev"},
      {SYS_sendto, "sendto"},
      {SYS_sendmsg, "sendmsg"},
      {SYS_sendmmsg, "sendmmsg"},
      {SYS_mount, "mount"},
      {SYS_umount2, "umount2"},
      {SYS_move_mount, "move_mount"},
      {SYS_pivot_root, "pivot_root"},
      {SYS_unshare, "unshare"},
      {SYS_clone, "clone"},
      {SYS_clone3, "clone3"},
      {SYS_execve, "execve"},
      {SYS_execveat, "execveat"},
      {SYS_kill, "kill"},
      {SYS_tgkill, "tgkill"},
      {SYS_pidfd_send_signal, "pidfd_send_signal"},
      {SYS_bind, "bind"},
      {SYS_ioctl, "ioctl"},
      {SYS_flock, "flock"}};
  return calls;
}

bool Peek(pid_t pid, std::uint64_t address, void* out, std::size_t size) {
  iovec here{.iov_base = out, .iov_len = size};
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an address of the other process.
  iovec there{.iov_base = reinterpret_cast<void*>(address), .iov_len = size};
  return process_vm_readv(pid, &here, 1, &there, 1, 0) == static_cast<ssize_t>(size);
}

/// A request to the kernel that only reads: of rtnetlink every fourth, of nf_tables the listed ones.
bool ReadsOnly(pid_t pid, std::uint64_t address, std::uint64_t size) {
  nlmsghdr head{};
  if (size < sizeof head || !Peek(pid, address, &head, sizeof head) || head.nlmsg_len < sizeof head ||
      head.nlmsg_len > size) {
    return false;
  }
  constexpr int kNfTables = 10;
  constexpr int kNftReads[] = {1, 4, 7, 10, 13, 16, 19, 21, 23};
  if (head.nlmsg_type >> 8 == kNfTables) return std::ranges::count(kNftReads, head.nlmsg_type & 0xff) > 0;
  constexpr int kFirst = 16;
  constexpr int kLast = 256;
  return head.nlmsg_type >= kFirst && head.nlmsg_type < kLast && (head.nlmsg_type & 3) == 2;
}

bool MessageReadsOnly(pid_t pid, std::uint64_t address) {
  msghdr message{};
  iovec first{};
  if (!Peek(pid, address, &message, sizeof message) || message.msg_iovlen == 0) return false;
  if (!Peek(pid, reinterpret_cast<std::uint64_t>(message.msg_iov), &first, sizeof first)) return false;
  return ReadsOnly(pid, reinterpret_cast<std::uint64_t>(first.iov_base), first.iov_len);
}

bool OpensToWrite(pid_t pid, std::uint64_t path, std::uint64_t flags) {
  if ((flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) == 0) return false;
  char start[10] = {};
  return !Peek(pid, path, start, sizeof start - 1) || std::string_view(start) != "/dev/null";
}

const char* ChangingCall(pid_t pid, const SyscallInfo& info) {
  const long number = static_cast<long>(info.number);
  const auto found = ChangingCalls().find(number);
  if (found == ChangingCalls().end()) return nullptr;
  const auto* args = info.args;
  constexpr std::uint64_t kTunSetInterface = 0x400454ca;
  constexpr std::uint64_t kTunSetPersistent = 0x400454cb;
  bool changes = true;
  switch (number) {
    case SYS_openat:
      changes = OpensToWrite(pid, args[1], args[2]);
      break;
#ifdef SYS_open
    case SYS_open:
      changes = OpensToWrite(pid, args[0], args[1]);
      break;
#endif
    case SYS_write:
    case SYS_writev:
      changes = args[0] > STDERR_FILENO;  // Not what is told to the user.
      break;
    case SYS_sendto:
      changes = !ReadsOnly(pid, args[1], args[2]);
      break;
    case SYS_sendmsg:
      changes = !MessageReadsOnly(pid, args[1]);
      break;
    case SYS_ioctl:
      changes = args[1] == kTunSetInterface || args[1] == kTunSetPersistent;
      break;
    default:
      break;
  }
  return changes ? found->second : nullptr;
}

class Stepper {
 public:
  Stepper(int at, std::FILE* list) : at_(at), list_(list) {}

  int Run(char** command) {
    int start[2];
    if (pipe2(start, O_CLOEXEC) != 0) return Failed("make a pipe");
    main_ = fork();
    if (main_ < 0) return Failed("fork");
    if (main_ == 0) {
      char byte = 0;
      if (read(start[0], &byte, 1) != 1) _exit(127);
      execvp(command[0], command);
      _exit(127);
    }
    // A process that is seized passes on no SIGSTOP to those that it starts: one of them that is left when this program
    // ends would stop for ever.
    constexpr long kOptions =
        PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
    if (ptrace(PTRACE_SEIZE, main_, nullptr, kOptions) != 0) return Failed("trace the command");
    if (ptrace(PTRACE_INTERRUPT, main_, nullptr, 0L) != 0) return Failed("stop the command");
    int status = 0;
    if (waitpid(main_, &status, 0) != main_) return Failed("wait for the command");
    ptrace(PTRACE_SYSCALL, main_, nullptr, 0L);
    if (write(start[1], "s", 1) != 1) return Failed("start the command");
    while (true) {
      const pid_t pid = waitpid(-1, &status, __WALL);
      if (pid < 0) return Failed("wait");
      if (WIFEXITED(status) || WIFSIGNALED(status)) {
        // Whoever is left goes on without us.
        if (pid == main_) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      } else if (WIFSTOPPED(status)) {
        Stopped(pid, status);
      }
    }
  }

 private:
  static int Failed(const char* what) {
    std::fprintf(stderr, "stepper: %s: %s\n", what, std::strerror(errno));
    return 125;
  }

  void Stopped(pid_t pid, int status) {
    long signal = 0;
    const int stop = WSTOPSIG(status);
    if (stop == (SIGTRAP | 0x80)) {
      AtCall(pid);
    } else if (status >> 16 == 0 && stop != SIGTRAP) {
      signal = stop;  // The process's own.
    }
    ptrace(PTRACE_SYSCALL, pid, nullptr, signal);
  }

  void AtCall(pid_t pid) {
    SyscallInfo info;
    if (ptrace(static_cast<__ptrace_request>(kGetSyscallInfo), pid, sizeof info, &info) <= 0 || info.op != kEntry)
      return;
    const char* call = ChangingCall(pid, info);
    if (call == nullptr) return;
    ++count_;
    if (list_ != nullptr) std::fprintf(list_, "%d %s%s\n", count_, call, pid == main_ ? "" : " in a process beside");
    if (count_ == at_) kill(pid, SIGKILL);
  }

  const int at_;
  std::FILE* list_;
  pid_t main_ = 0;
  int count_ = 0;
};

int Usage() {
  std::fputs("usage: stepper [--at=N] [--list=FILE] -- COMMAND…\n", stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  int at = 0;
  std::FILE* list = nullptr;
  int next = 1;
  for (; next < argc && argv[next] != std::string_view("--"); ++next) {
    const std::string_view word = argv[next];
    if (word.starts_with("--at=")) {
      at = std::atoi(argv[next] + 5);
    } else if (word.starts_with("--list=")) {
      list = std::fopen(argv[next] + 7, "we");
      if (list == nullptr) return Usage();
    } else {
      return Usage();
    }
  }
  if (next + 1 >= argc) return Usage();
  const int status = Stepper(at, list).Run(argv + next + 1);
  if (list != nullptr) std::fclose(list);
  return status;
}
