// A file descriptor that closes itself, and whole-file reads and writes with errors that name the path.
#pragma once
#include <sys/types.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace runner {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.Release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { Reset(); }

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset(int fd = -1);

 private:
  int fd_ = -1;
};

/// open(2) with O_CLOEXEC added.
Result<Fd> OpenFile(const std::string& path, int flags, mode_t mode = 0644);

/// The file's content; for files of /proc too, whose size is not known before.
Result<std::string> ReadFile(const std::string& path);

/// Writes `content` with one write(2) into an existing file, as /proc and /sys want it.
Status WriteExisting(const std::string& path, std::string_view content);

/// Writes a new file and renames it over `path`: readers see the old content or the new, never half.
Status ReplaceFile(const std::string& path, std::string_view content, mode_t mode = 0644);

/// mkdir -p; folders that it makes get `mode`.
Status MakeFolders(const std::string& path, mode_t mode = 0755);

}  // namespace runner
