// What is not as recorded, as the commands tell it and put it back.
#pragma once
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "commands/context.h"
#include "plan/plan.h"

namespace runner {

/// The lab's record against the kernel, in the lab's own namespaces, or on the host.
Result<std::vector<Drift>> DriftOf(const Context& inside, const std::string& lab, const Record& record);

/// The cells of its line: sign, object, what differs.
std::vector<std::string> DriftRow(const Drift& drift);
/// Of a rootless lab; then all else is gone too.
std::vector<std::string> HolderGoneRow();
Json DriftJson(const Drift& drift);

enum class WhenInterrupted { kStop, kGoOn };
/// Puts back what is not as recorded; no file is read. The lab's lock is held.
Errors Heal(const Context& context, const std::string& lab, WhenInterrupted interrupted = WhenInterrupted::kStop);

}  // namespace runner
