// A topology file as it is read for a command: its text, and the topology that it loads to.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "topology/model.h"

namespace runner {

using Settings = std::vector<std::pair<std::string, std::string>>;  // --set, in order

struct Source {
  std::string shown;  // the path as it was given, for messages
  std::string path;   // absolute, or "-" for standard input
  std::string text;
  std::string digest;  // of the text
};

/// The path made absolute, links resolved where they lead somewhere; "-" stays.
std::string AbsolutePath(const std::string& path);

/// "-" is standard input.
Result<Source> ReadSource(const std::string& file);

struct Loaded {
  Topology topology;
  Errors warnings;
};
/// Loads the text with this process's environment; `name` replaces the file's own.
Result<Loaded, Errors> LoadSource(const Source& source, const Settings& set, const std::optional<std::string>& name);

/// Gives errors with a place in the file its name and the line they are in.
Errors WithExcerpts(Errors errors, const Source& source);

}  // namespace runner
