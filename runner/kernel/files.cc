#include "kernel/files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>

#include "base/fd.h"

namespace runner::kernel {
namespace {

Status RemoveFolder(const std::string& path) {
  if (rmdir(path.c_str()) == 0) return {};
  // Not empty: somebody else's files are in it. Gone already is what was wanted.
  if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOENT) return {};
  return SystemError(errno, "remove").Wrap(path);
}

}  // namespace

Status NodeFiles::Write(std::string_view file, std::string_view content) const {
  TRY(MakeFolders(folder_));
  return ReplaceFile(path(file), content);
}

Status NodeFiles::Link(std::string_view file, const std::string& target) const {
  TRY(MakeFolders(folder_));
  const std::string link = path(file);
  const std::string made = link + ".new";
  // A run that was killed between the two calls left one behind.
  if (unlink(made.c_str()) != 0 && errno != ENOENT) return SystemError(errno, "replace").Wrap(made);
  if (symlink(target.c_str(), made.c_str()) != 0) return SystemError(errno, "link to " + target).Wrap(link);
  if (rename(made.c_str(), link.c_str()) != 0) {
    const int code = errno;
    unlink(made.c_str());
    return SystemError(code, "link to " + target).Wrap(link);
  }
  return {};
}

Result<std::optional<std::string>> NodeFiles::Read(std::string_view file) const {
  auto content = ReadFile(path(file));
  if (content) return std::optional<std::string>(std::move(content).value());
  if (content.error().code == ENOENT) return std::optional<std::string>();
  return std::move(content).error();
}

std::optional<std::string> NodeFiles::LinkTarget(std::string_view file) const {
  std::array<char, PATH_MAX> target;
  const ssize_t n = readlink(path(file).c_str(), target.data(), target.size());
  if (n < 0) return std::nullopt;
  return std::string(target.data(), static_cast<std::size_t>(n));
}

Status NodeFiles::Remove(std::string_view file) const {
  const std::string victim = path(file);
  // What a run that was killed was about to put there.
  if (const std::string fresh = victim + ".new"; unlink(fresh.c_str()) != 0 && errno != ENOENT) {
    return SystemError(errno, "remove").Wrap(fresh);
  }
  if (unlink(victim.c_str()) == 0 || errno == ENOENT) return {};
  return SystemError(errno, "remove").Wrap(victim);
}

Status NodeFiles::RemoveFolderIfEmpty() const { return RemoveFolder(folder_); }

Status NodeFiles::RemoveBaseIfEmpty() const { return RemoveFolder(base_); }

}  // namespace runner::kernel
