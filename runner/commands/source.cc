#include "commands/source.h"

#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "base/fd.h"
#include "base/text.h"
#include "topology/diagnostics.h"
#include "topology/load.h"

namespace runner {
namespace {

std::optional<std::string> FromEnvironment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace

std::string AbsolutePath(const std::string& path) {
  if (path == "-") return path;
  std::error_code ignored;  // A part that is not there, or may not be looked at, is taken as it is written.
  const auto absolute = std::filesystem::absolute(path, ignored);
  auto resolved = std::filesystem::weakly_canonical(absolute, ignored);
  return resolved.empty() ? absolute.lexically_normal().string() : resolved.string();
}

Result<Source> ReadSource(const std::string& file) {
  auto text = ReadTopologyText(file);
  if (!text.ok()) return std::move(text).error();
  Source source{.shown = file, .path = AbsolutePath(file), .text = std::move(*text), .digest = {}};
  source.digest = fmt::format("{:016x}", StableHash(source.text));
  return source;
}

Result<Loaded, Errors> LoadSource(const Source& source, const Settings& set, const std::optional<std::string>& name) {
  LoadResult result =
      LoadTopology(source.text, {.file = source.shown, .set = set, .environment = FromEnvironment, .name = name});
  if (!result.ok()) return std::move(result.errors);
  return Loaded{.topology = std::move(*result.topology), .warnings = std::move(result.errors)};
}

Errors WithExcerpts(Errors errors, const Source& source) {
  Errors out;
  for (Error& error : errors) {
    if (!error.at.known()) {
      out.push_back(std::move(error));
      continue;
    }
    // One at a time: the order in which things went wrong tells more than that of the file.
    const Failure failure = error.failure;
    Diagnostics diagnostics;
    diagnostics.Take({std::move(error)});
    for (Error& finished : diagnostics.Finish(source.text, source.shown)) {
      finished.failure = failure;
      out.push_back(std::move(finished));
    }
  }
  return out;
}

}  // namespace runner
