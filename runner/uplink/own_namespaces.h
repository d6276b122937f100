// The helper's own user, mount, IPC and UTS namespaces, with an empty read-only root.
#pragma once
#include <string>
#include <vector>

#include "base/error.h"

namespace runner {

/// Moves the calling process (of one thread) there. With privilege it becomes an unprivileged user ("nobody") on the
/// way. What the machine refuses comes back by name with the reason; the rest is done all the same. An error only where
/// the process would go on with the identity of root.
Result<std::vector<std::string>> EnterOwnNamespaces();

/// The user that a helper becomes when root starts it.
inline constexpr unsigned kNobody = 65534;

}  // namespace runner
