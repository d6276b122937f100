#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.h"
#include "topology/load.h"

namespace runner {
namespace {

constexpr std::size_t kLargest = 16u << 20;

/// The whole of what can be read, up to one byte more than is allowed: a device that never ends must not fill memory.
Result<std::string> ReadUpToLimit(int fd) {
  std::string text;
  while (text.size() <= kLargest) {
    constexpr std::size_t kChunk = 64u << 10;
    const std::size_t before = text.size();
    text.resize(before + kChunk);
    const ssize_t got = read(fd, text.data() + before, kChunk);
    text.resize(before + (got > 0 ? static_cast<std::size_t>(got) : 0));
    if (got == 0) return text;
    if (got < 0 && errno != EINTR) return SystemError(errno, "read");
  }
  return Fail("read", "a topology file has at most 16 MiB");
}

Result<std::string> ReadNamed(const std::string& file) {
  if (file == "-") return ReadUpToLimit(STDIN_FILENO);
  auto opened = OpenFile(file, O_RDONLY | O_NOCTTY);
  // The path stands in front of the message already.
  if (!opened.ok()) return SystemError(opened.error().code, "open");
  return ReadUpToLimit(opened->get());
}

}  // namespace

Result<std::string> ReadTopologyText(const std::string& file) {
  auto text = ReadNamed(file);
  if (text.ok()) return text;
  Error error = std::move(text).error();
  error.failure = Failure::kTopology;
  error.file = file == "-" ? "standard input" : file;
  return error;
}

}  // namespace runner
