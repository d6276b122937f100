// A rootless lab's uplinks live in the namespaces that the runner was started in. The process outside starts them and
// tries their ports for the one inside.
#pragma once
#include "exec/linux_backend.h"
#include "rootless/inside.h"

namespace runner {

/// For the process inside: asks the one outside. `outside` must outlive it; without a holder no uplink can be started.
HostSide AskOutside(const rootless::Outside& outside, const rootless::Holder* holder);

/// For the process outside: answers.
std::string AnswerInside(rootless::Message request);

}  // namespace runner
