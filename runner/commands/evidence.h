// What a lab whose tests failed looked like, kept in a folder for who looks later.
#pragma once
#include <string>

#include "check/verdict.h"
#include "commands/place.h"

namespace runner {

/// Writes FOLDER/LAB/: the verdicts, what is not as recorded, the lab as it is (`inspect`), each node's interfaces with
/// their counters, addresses, routes, neighbours, sockets and nftables, the lab's logs, and index.html. A tool that is
/// not there leaves its page out and is named. The lab is up. Returns the folder.
Result<std::string> KeepEvidence(const Context& context, const LabPlaces& places, const check::Verdicts& verdicts,
                                 const std::string& folder);

}  // namespace runner
