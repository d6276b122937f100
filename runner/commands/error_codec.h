// Errors, whole, on their way from one process of a command to the other.
#pragma once
#include "base/error.h"
#include "base/json_fwd.h"

namespace runner {

Json EncodeErrors(const Errors& errors);
/// Of what EncodeErrors made.
Errors DecodeErrors(const Json& json);

}  // namespace runner
