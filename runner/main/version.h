// What `toporun --version` says.
#pragma once
#include <string>

namespace runner {

/// Our version, then the libraries' a line each.
std::string VersionText();

}  // namespace runner
