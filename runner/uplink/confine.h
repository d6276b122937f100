// What a helper gives up before the first frame of the lab reaches it.
#pragma once
#include "base/error.h"

namespace runner {

/// At the very start: no core dumps, no reading of our memory by others of the same user, as many descriptors as we may
/// have, none that we do not know of.
void ConfineEarly(int known_descriptors);

/// After set-up: no new privileges, and no capabilities but those that later requests need (ports below 1024; raw ICMP
/// where the kernel refuses ping sockets).
Status DropPrivileges();

}  // namespace runner
