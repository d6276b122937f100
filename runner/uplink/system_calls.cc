#include "uplink/system_calls.h"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <initializer_list>
#include <memory>

namespace runner {
namespace {

#if !defined(__has_feature)
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
constexpr std::uint32_t kForOthers = SCMP_ACT_ERRNO(EPERM);
// A pipe is how they find out whether memory can be read; before a call that does not return they look at the stack.
constexpr std::array kForSanitizers = {SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(sched_yield), SCMP_SYS(gettid),
                                       SCMP_SYS(sigaltstack)};
#else
constexpr std::uint32_t kForOthers = SCMP_ACT_KILL_PROCESS;
constexpr std::array<int, 0> kForSanitizers = {};
#endif

constexpr std::array kAllowed = {
    // The tap, sockets, the log.
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(lseek),
    SCMP_SYS(fstat), SCMP_SYS(ftruncate), SCMP_SYS(dup2), SCMP_SYS(dup3),
    // Sockets. bind and listen: ports are published on a running lab.
    SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(shutdown),
    SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(sendto), SCMP_SYS(recvfrom),
    SCMP_SYS(sendmsg), SCMP_SYS(recvmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg),
    // Waiting.
    SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(restart_syscall), SCMP_SYS(clock_gettime),
    // Memory and the C library.
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(getrandom),
    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(getpid),
    // The end: the porter is waited for.
    SCMP_SYS(wait4), SCMP_SYS(waitid), SCMP_SYS(exit), SCMP_SYS(exit_group)};

// What libslirp and glib try and can do without; to be killed for it would let the lab end its own uplink. libslirp
// asks for a raw socket where ping sockets are refused; glib asks whether its messages go to a terminal or to the
// journal.
struct Refused {
  int call;
  int error;
};
constexpr std::array kRefused = {
    Refused{SCMP_SYS(open), ENOENT},     Refused{SCMP_SYS(openat), ENOENT},     Refused{SCMP_SYS(stat), ENOENT},
    Refused{SCMP_SYS(statx), ENOENT},    Refused{SCMP_SYS(access), ENOENT},     Refused{SCMP_SYS(faccessat), ENOENT},
    Refused{SCMP_SYS(readlink), ENOENT}, Refused{SCMP_SYS(readlinkat), ENOENT}, Refused{SCMP_SYS(uname), ENOSYS},
    Refused{SCMP_SYS(sysinfo), ENOSYS},
};

struct Argument {
  unsigned index;
  std::uint64_t mask;
  std::uint64_t value;
};

class Rules {
 public:
  Rules() : filter_(seccomp_init(kForOthers), seccomp_release) {}

  bool Add(std::uint32_t action, int call, std::initializer_list<Argument> arguments = {}) {
    std::array<scmp_arg_cmp, 6> compared = {};
    unsigned count = 0;
    for (const Argument& argument : arguments) {
      compared[count++] = {
          .arg = argument.index, .op = SCMP_CMP_MASKED_EQ, .datum_a = argument.mask, .datum_b = argument.value};
    }
    return filter_ != nullptr && seccomp_rule_add_array(filter_.get(), action, call, count, compared.data()) == 0;
  }
  int Load() { return filter_ == nullptr ? -ENOMEM : seccomp_load(filter_.get()); }

 private:
  std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter_;
};

using Values = std::initializer_list<std::uint64_t>;

constexpr std::uint64_t kWord = 0xffffffff;
constexpr std::uint64_t kTypeOfSocket = 0xf;

bool AddSockets(Rules& rules) {
  for (const std::uint64_t family : Values{AF_INET, AF_INET6}) {
    for (const std::uint64_t type : Values{SOCK_STREAM, SOCK_DGRAM}) {
      if (!rules.Add(SCMP_ACT_ALLOW, SCMP_SYS(socket), {{0, kWord, family}, {1, kTypeOfSocket, type}})) return false;
    }
    for (const std::uint64_t type : Values{SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET, SOCK_PACKET}) {
      if (!rules.Add(SCMP_ACT_ERRNO(EACCES), SCMP_SYS(socket), {{0, kWord, family}, {1, kTypeOfSocket, type}})) {
        return false;
      }
    }
  }
  // Options of all protocols of the internet; of the packet socket that may be in the tap's place, none.
  return rules.Add(SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), {{1, kWord - 0xff, 0}}) &&
         rules.Add(SCMP_ACT_ERRNO(ENOPROTOOPT), SCMP_SYS(setsockopt), {{1, kWord, SOL_PACKET}}) &&
         rules.Add(SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), {{0, kWord, AF_UNIX}});
}

bool AddMemory(Rules& rules) {
  // No code comes into being.
  return rules.Add(SCMP_ACT_ALLOW, SCMP_SYS(mmap), {{2, PROT_EXEC, 0}}) &&
         rules.Add(SCMP_ACT_ALLOW, SCMP_SYS(mprotect), {{2, PROT_EXEC, 0}});
}

bool AddDescriptors(Rules& rules) {
  for (const std::uint64_t command : Values{F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC}) {
    if (!rules.Add(SCMP_ACT_ALLOW, SCMP_SYS(fcntl), {{1, kWord, command}})) return false;
  }
  // fstat of the C library: of a descriptor, with an empty path.
  if (!rules.Add(SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), {{3, AT_EMPTY_PATH, AT_EMPTY_PATH}}) ||
      !rules.Add(SCMP_ACT_ERRNO(ENOENT), SCMP_SYS(newfstatat), {{3, AT_EMPTY_PATH, 0}})) {
    return false;
  }
  if (!rules.Add(SCMP_ACT_ALLOW, SCMP_SYS(ioctl), {{1, kWord, FIONREAD}})) return false;
  for (const std::uint64_t terminal : Values{TCGETS, TIOCGWINSZ}) {
    if (!rules.Add(SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), {{1, kWord, terminal}})) return false;
  }
  return true;
}

bool AddAll(Rules& rules) {
  for (const int call : kAllowed) {
    if (!rules.Add(SCMP_ACT_ALLOW, call)) return false;
  }
  for (const int call : kForSanitizers) {
    if (!rules.Add(SCMP_ACT_ALLOW, call)) return false;
  }
  for (const Refused& refused : kRefused) {
    if (!rules.Add(SCMP_ACT_ERRNO(static_cast<std::uint32_t>(refused.error)), refused.call)) return false;
  }
  return AddSockets(rules) && AddMemory(rules) && AddDescriptors(rules);
}

}  // namespace

Status AllowOnlyServing() {
  Rules rules;
  if (!AddAll(rules)) return Fail("list the system calls of the uplink", "libseccomp refuses a rule");
  if (const int loaded = rules.Load(); loaded != 0) return SystemError(-loaded, "limit the system calls of the uplink");
  return {};
}

}  // namespace runner
