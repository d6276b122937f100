// How errors are shown: for people with the source line and a caret below the mistake, for programs as JSON.
#pragma once
#include <string>

#include "base/error.h"
#include "base/json_fwd.h"

namespace runner {

enum class Colour { kOff, kOn };

/// The error's first line, the source line with a caret below the token, then its notes; ends with a newline.
///
///     lab.yaml:1:13: node "a": unknown key "interfces" (did you mean "interfaces"?)
///       nodes: {a: {interfces: {}}}
///                   ^~~~~~~~~
std::string RenderError(const Error& error, Colour colour);

/// All errors (no warnings) in the shape that every command's --json has for a failure.
Json ErrorsJson(const Errors& errors);

/// The columns of a terminal that `text` (UTF-8) takes: two for wide characters, none for combining ones.
int DisplayWidth(std::string_view text);

}  // namespace runner
