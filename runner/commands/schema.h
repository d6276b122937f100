// schema/topology.schema.json, as it was when the program was built.
#pragma once
#include <string_view>

namespace runner {

extern const std::string_view kSchemaText;

}  // namespace runner
