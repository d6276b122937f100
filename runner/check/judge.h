// Whether what was found is what was expected.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/json_fwd.h"
#include "check/reading.h"

namespace runner::check {

/// Nothing when the reading meets the expectation; else what was found in the place of what was expected.
std::optional<std::string> FindMismatch(const Check& check, const Reading& reading);

/// "a reply", "no reply", `loss <= 1%, rtt <= 45ms`.
std::string Expected(const Check& check);

/// Each member of `part` is in `whole` with the same value, objects in it member by member; an array of it is a part
/// when each of its elements is a part of one of the other's, in order.
bool IsJsonSubset(const Json& part, const Json& whole);

/// Whether the extended regular expression (regex(7)) is found; `^` and `$` match at each line.
bool MatchesRegex(std::string_view text, const std::string& expression);

}  // namespace runner::check
