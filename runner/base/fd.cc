#include "base/fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"

namespace runner {
namespace {

Status WriteAll(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return SystemError(errno, "write " + Quote(path));
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

void Fd::Reset(int fd) {
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
}

Result<Fd> OpenFile(const std::string& path, int flags, mode_t mode) {
  Fd fd(open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd.is_open()) return SystemError(errno, "open " + Quote(path));
  return fd;
}

Result<std::string> ReadFile(const std::string& path) {
  const Fd fd = TRY(OpenFile(path, O_RDONLY));
  std::string content;
  char buffer[16384];
  while (true) {
    const ssize_t count = read(fd.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return SystemError(errno, "read " + Quote(path));
    if (count == 0) return content;
    // A large one is not to grow bit by bit. What /proc has is short, and has no size.
    if (struct stat info{}; content.empty() && count == sizeof buffer && fstat(fd.get(), &info) == 0) {
      content.reserve(static_cast<std::size_t>(info.st_size));
    }
    content.append(buffer, static_cast<std::size_t>(count));
  }
}

Status WriteExisting(const std::string& path, std::string_view content) {
  const Fd fd = TRY(OpenFile(path, O_WRONLY));
  const ssize_t written = write(fd.get(), content.data(), content.size());
  if (written < 0) return SystemError(errno, "write " + Quote(path));
  if (static_cast<std::size_t>(written) != content.size()) return Fail("write " + Quote(path), "only a part was taken");
  return {};
}

Status ReplaceFile(const std::string& path, std::string_view content, mode_t mode) {
  const std::string fresh = path + ".new";
  Status status;
  {
    const Fd fd = TRY(OpenFile(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode));
    status = WriteAll(fd.get(), content, fresh);
  }
  if (status.ok() && rename(fresh.c_str(), path.c_str()) != 0) {
    status = SystemError(errno, "rename " + Quote(fresh));
  }
  // Half a file, or one that found no place, helps nobody.
  if (!status.ok()) unlink(fresh.c_str());
  return status;
}

Status MakeFolders(const std::string& path, mode_t mode) {
  for (std::size_t end = 1; end != std::string::npos;) {
    end = path.find('/', end + 1);
    const std::string folder = path.substr(0, end);
    if (mkdir(folder.c_str(), mode) != 0 && errno != EEXIST) return SystemError(errno, "make folder " + Quote(folder));
  }
  struct stat about {};
  if (stat(path.c_str(), &about) != 0) return SystemError(errno, "make folder " + Quote(path));
  if (!S_ISDIR(about.st_mode)) return SystemError(ENOTDIR, "make folder " + Quote(path));
  return {};
}

}  // namespace runner
