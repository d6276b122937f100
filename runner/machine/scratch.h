// Probes by doing: a child process in namespaces of its own, which end with it, so that nothing of the machine changes.
#pragma once
#include <functional>

#include "machine/feature.h"

namespace runner::machine {

enum class Entry {
  kHere,          // in the machine's own namespaces: `body` leaves them, or changes nothing
  kPrivileged,    // needs CAP_SYS_ADMIN
  kUserNamespace  // in a user namespace of its own, as rootless mode does
};

/// Runs `body` in a child with fresh network, mount, IPC and UTS namespaces and `lo` of its own, and hands back what it
/// found. Where the namespaces cannot be made the answer is `refusal` with the kernel's reason as its detail.
Features InScratch(Entry entry, const Feature& refusal, const std::function<Features()>& body);

}  // namespace runner::machine
