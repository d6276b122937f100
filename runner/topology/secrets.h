// Lines of a file as they may be shown.
#pragma once
#include <string>
#include <string_view>

namespace runner {

/// The line with its secrets starred out, as many characters as before: what stands behind `private_key:`, and whatever
/// looks like a key and is not said to be a public one.
std::string WithoutSecrets(std::string_view line);

}  // namespace runner
