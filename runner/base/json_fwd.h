// The JSON type's name, for declarations: the library itself takes a second of each file that includes it.
#pragma once
#include <nlohmann/json_fwd.hpp>

namespace runner {

/// Objects keep the order in which their keys were set, so that output is stable and reads well.
using Json = nlohmann::ordered_json;

}  // namespace runner
