// The one home of nlohmann-json: the type, and parsing that returns instead of throwing.
#pragma once
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_fwd.h"

namespace runner {

Result<Json> ParseJson(std::string_view text);
/// One line; bytes that are not UTF-8 are replaced, never an error.
std::string JsonText(const Json& json);
/// For people: indented by two.
std::string JsonPretty(const Json& json);

}  // namespace runner

// Compiled once, in json.cc, instead of in every file that touches a value: seconds each.
extern template class nlohmann::basic_json<nlohmann::ordered_map>;
