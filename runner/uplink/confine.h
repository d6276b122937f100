// What a helper gives up before the first frame of the lab reaches it.
#pragma once
#include <string>
#include <vector>

#include "base/error.h"

namespace runner {

/// At the very start: no core dumps, no reading of our memory by others of the same user, as many descriptors as we may
/// have, none that we do not know of.
void ConfineEarly(int known_descriptors);

/// For the rest of this process's life: no capability, no new privileges.
Status DropPrivileges();

/// What holds a helper, for its log and for `status`.
struct Confinement {
  int landlock = 0;                  // the version of the kernel's interface; 0: none
  std::vector<std::string> refused;  // what the machine does not allow, with the reason
};

/// After set-up: own namespaces with an empty root, no capability, no file (Landlock), a list of system calls. Nothing
/// can be opened, bound below `net.ipv4.ip_unprivileged_port_start` or asked of the file system afterwards. An error
/// where root's identity or the free choice of system calls would stay; all else that fails is told in the result.
Result<Confinement> Confine();

}  // namespace runner
