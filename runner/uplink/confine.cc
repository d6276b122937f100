#include "uplink/confine.h"

#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "base/fd.h"

namespace runner {
namespace {

bool MayPing() {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP));
  return socket.is_open();
}

}  // namespace

void ConfineEarly(int known_descriptors) {
  // None of these is worth failing for; the tests look at what they leave.
  prctl(PR_SET_NAME, "toporun-uplink");
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  const rlimit no_core = {.rlim_cur = 0, .rlim_max = 0};
  setrlimit(RLIMIT_CORE, &no_core);
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  syscall(SYS_close_range, static_cast<unsigned>(known_descriptors), ~0U, 0U);
}

Status DropPrivileges() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return SystemError(errno, "give up new privileges");
  std::uint64_t kept = 1ULL << CAP_NET_BIND_SERVICE;
  if (!MayPing()) kept |= 1ULL << CAP_NET_RAW;

  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> held = {};
  if (syscall(SYS_capget, &header, held.data()) != 0) return SystemError(errno, "read the capabilities");
  const std::uint64_t permitted = held[0].permitted | std::uint64_t{held[1].permitted} << 32;
  // The bounding set needs a capability of its own to be cut, so it goes first.
  if ((permitted & 1ULL << CAP_SETPCAP) != 0) {
    for (int capability = 0; capability < 64; ++capability) {
      if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) < 0) break;  // the last that the kernel knows
      if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return SystemError(errno, "cut the bounding set");
    }
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  kept &= permitted;
  for (std::size_t i = 0; i < held.size(); ++i) {
    const auto half = static_cast<std::uint32_t>(kept >> (32 * i));
    held[i] = {.effective = half, .permitted = half, .inheritable = 0};
  }
  if (syscall(SYS_capset, &header, held.data()) != 0) return SystemError(errno, "drop the capabilities");
  return {};
}

}  // namespace runner
