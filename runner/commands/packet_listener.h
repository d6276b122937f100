// The body of the process behind LabCapture: listens to a lab's interfaces, and keeps what passed them last.
#pragma once
#include <string>

#include "base/error.h"
#include "commands/context.h"

namespace runner {

// What may be asked over the channel, as {"do": …}.
inline constexpr const char* kCatchUpWithLab = "catch up";
inline constexpr const char* kWritePackets = "write";  // into "folder"
inline constexpr const char* kEndListening = "end";    // without an answer

/// Where the lab is. Answers {"value": …, "errors": …} until it is told to end, or the other end is gone.
Status ListenToLab(const Context& inside, const std::string& lab, int channel);

}  // namespace runner
