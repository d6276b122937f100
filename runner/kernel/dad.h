// Duplicate address detection (RFC 4862, 5.4): waited for by the kernel's own announcements.
#pragma once
#include <chrono>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "kernel/netns.h"

namespace runner {

enum class DadOutcome {
  kUnique,
  kDuplicate,  // another host on the link has it
  kPending,    // not over in time
  kNoCarrier,  // its link is down: nobody can be asked
  kGone        // the address is not there any more
};

struct DadQuestion {
  int index = 0;  // the interface
  IpPrefix prefix = {};
};

/// One answer a question, in their order. Waits at most until `limit`; a signal ends the wait with EINTR.
Result<std::vector<DadOutcome>> WaitForDad(const Namespace& place, const std::vector<DadQuestion>& questions,
                                           std::chrono::steady_clock::time_point limit);

}  // namespace runner
