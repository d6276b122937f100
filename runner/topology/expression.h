// `{n}`, `{n+1}`, `{(n-1)/250}`: integer arithmetic over the current value of a range.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace runner {

/// Whether `text` holds a place that EvaluateTemplate would replace.
bool HasTemplate(std::string_view text);

/// `text` with each `{expression over n}` replaced by its value. Braces around anything else stay as they are.
Result<std::string> EvaluateTemplate(std::string_view text, std::int64_t n);

}  // namespace runner
