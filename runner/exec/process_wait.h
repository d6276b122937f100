// Waiting for what is to become of a process; where it comes to nothing, the error has the last lines that it printed.
#pragma once
#include <string>

#include "process/client.h"

namespace runner {

/// It has become its command, or has been and gone. Not for one that failed.
Status WaitUntilBegun(const process::Target& target, const volatile int* interrupted);

enum class Freshness {
  kJustStarted,  // whatever its checks say is about this start
  kOld           // one that has been found to be ill is started anew first
};
Status WaitUntilHealthy(const process::Target& target, Freshness freshness, const volatile int* interrupted);

/// It has ended with 0.
Status WaitUntilCompleted(const process::Target& target, const volatile int* interrupted);

/// It has been stopped, with all that it started.
Status WaitUntilStopped(const process::Target& target);

/// It is not failed now.
Status CheckNotFailed(const process::Target& target);

/// Why a process is not as it should be, with what it printed last.
Error AboutProcess(const process::Target& target, std::string tried, std::string why);

}  // namespace runner
