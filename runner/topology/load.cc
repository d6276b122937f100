#include "topology/load.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.h"
#include "topology/decode.h"
#include "topology/interpolation.h"
#include "topology/resolve.h"
#include "topology/validate.h"

namespace runner {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

/// At most `limit` bytes and one: the loader tells a file that is too large.
Result<std::string> ReadAtMost(int fd, std::size_t limit) {
  std::string text;
  std::string buffer(std::size_t{1} << 16, '\0');
  while (text.size() <= limit) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(errno, "read");
    if (got == 0) break;
    text.append(buffer, 0, static_cast<std::size_t>(got));
  }
  return text;
}

Result<std::string> ReadTopology(const std::string& file) {
  if (file == "-") return ReadAtMost(STDIN_FILENO, kMaxTextBytes);
  const Fd fd = TRY(OpenFile(file, O_RDONLY));
  return ReadAtMost(fd.get(), kMaxTextBytes);
}

}  // namespace

LoadResult LoadTopology(std::string_view text, const LoadOptions& options) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  Diagnostics diagnostics;
  YamlTree tree;
  LoadResult result;
  if (YamlNode* root = ParseYaml(text, tree, diagnostics)) {
    Interpolate(tree, options, diagnostics);
    ResolveKeys(tree, diagnostics);
    Draft draft = Decode(*root, options, tree, diagnostics);
    Resolve(draft, diagnostics);
    diagnostics.Take(ValidateTopology(draft.topology));
    if (!diagnostics.has_errors()) result.topology = std::move(draft.topology);
  }
  result.errors = diagnostics.Finish(text, options.file);
  return result;
}

LoadResult LoadTopologyFile(const LoadOptions& options) {
  auto text = ReadTopology(options.file);
  if (text.ok()) return LoadTopology(*text, options);
  Error error = std::move(text).error();
  error.failure = Failure::kTopology;
  error.file = options.file;
  LoadResult result;
  result.errors.push_back(std::move(error));
  return result;
}

}  // namespace runner
