// From text to a sound Topology, or all that is wrong with it.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "topology/model.h"

namespace runner {

/// What a file is read with.
struct LoadOptions {
  std::string file = "-";                                     // the path for messages and for the default name
  std::vector<std::pair<std::string, std::string>> set = {};  // --set NAME=VALUE, in order
  /// The environment, for `${NAME}`; nothing where the variable is unset.
  std::function<std::optional<std::string>(const std::string&)> environment = {};
  std::optional<std::string> name = {};  // --name: instead of the file's `name`
};

/// What stands in print for a secret.
inline constexpr const char* kSecretPlace = "(secret)";

struct LoadResult {
  std::optional<Topology> topology;  // present exactly if no error (severity kError) was found
  Errors errors;                     // sorted by place; warnings too
  bool ok() const { return topology.has_value(); }
};

/// Parses, expands and validates. Reads no file and makes no system call; every mistake is told once, with its place
/// and source line. Order of layers: YAML syntax, references, ranges, types and keys, names, ranges of values,
/// cross-checks; a later layer does not judge what an earlier one refused.
LoadResult LoadTopology(std::string_view text, const LoadOptions& options);

/// The text of a topology file ("-" is standard input); at most 16 MiB.
Result<std::string> ReadTopologyText(const std::string& file);

/// Reads `options.file` with ReadTopologyText and loads it.
LoadResult LoadTopologyFile(const LoadOptions& options);

/// The topology with everything filled in, as a file that loads to an equal Topology, but for secrets: where they stood
/// is kSecretPlace.
std::string PrintYaml(const Topology& topology);
/// The same document as JSON text.
std::string PrintJson(const Topology& topology);

}  // namespace runner
