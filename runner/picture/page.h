// The page that a drawing becomes part of.
#pragma once
#include <string_view>

namespace runner {

/// picture/page.html as it was built in.
extern const std::string_view kPageText;

}  // namespace runner
