#include "uplink/confine.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "uplink/landlock.h"
#include "uplink/own_namespaces.h"
#include "uplink/system_calls.h"

namespace runner {

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
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> held = {};
  if (syscall(SYS_capget, &header, held.data()) != 0) return SystemError(errno, "read the capabilities");
  // The bounding set needs a capability of its own to be cut, so it goes first.
  if ((held[0].effective & 1U << CAP_SETPCAP) != 0) {
    for (int capability = 0; capability < 64; ++capability) {
      if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) < 0) break;  // the last that the kernel knows
      if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return SystemError(errno, "cut the bounding set");
    }
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  held = {};
  if (syscall(SYS_capset, &header, held.data()) != 0) return SystemError(errno, "drop the capabilities");
  return {};
}

Result<Confinement> Confine() {
  Confinement confinement;
  confinement.refused = TRY(EnterOwnNamespaces());
  TRY(DropPrivileges());
  if (const Status denied = DenyFiles()) {
    confinement.landlock = LandlockVersion();
  } else if (!confinement.refused.empty()) {
    confinement.refused.push_back("Landlock: " + denied.error().text());
  }
  TRY(AllowOnlyServing());
  return confinement;
}

}  // namespace runner
