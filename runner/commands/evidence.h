// What a lab whose tests failed looked like, kept in a folder for who looks later.
#pragma once
#include <string>

#include "check/verdict.h"
#include "commands/lab_capture.h"
#include "commands/place.h"

namespace runner {

/// Fills the folder: the verdicts, what is not as recorded, the lab as it is (`inspect`), each node's interfaces with
/// their counters, addresses, routes, neighbours, sockets and nftables, the lab's picture and logs, what passed its
/// interfaces (`capture` may be null), and index.html. A tool that is not there leaves its page out and is named. The
/// lab is up.
Status KeepEvidence(const Context& context, const LabPlaces& places, const check::Verdicts& verdicts,
                    const LabCapture* capture, const std::string& folder);

}  // namespace runner
