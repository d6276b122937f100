// A node's folder of files over /etc (BASE/LAB.NODE, BASE being /etc/netns): what `ip netns exec` and our own exec
// lay over the system's.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace runner::kernel {

inline constexpr std::string_view kNetnsFilesBase = "/etc/netns";

class NodeFiles {
 public:
  /// `name` is LAB.NODE.
  NodeFiles(std::string base, std::string name) : base_(std::move(base)), folder_(base_ + "/" + std::move(name)) {}

  const std::string& folder() const { return folder_; }
  std::string path(std::string_view file) const { return folder_ + "/" + std::string(file); }

  /// Writes the file, whole or not at all; makes the folders.
  Status Write(std::string_view file, std::string_view content) const;
  /// A symbolic link to a file that several nodes share; replaces what stands there in one step.
  Status Link(std::string_view file, const std::string& target) const;
  /// The content, through a link too; nothing when there is no such file.
  Result<std::optional<std::string>> Read(std::string_view file) const;
  /// Where the link leads; nothing when it is no link or not there.
  std::optional<std::string> LinkTarget(std::string_view file) const;

  /// Gone already is fine.
  Status Remove(std::string_view file) const;
  /// Files of others in it keep the folder; gone already is fine.
  Status RemoveFolderIfEmpty() const;
  /// For who made the base.
  Status RemoveBaseIfEmpty() const;

 private:
  std::string base_;
  std::string folder_;
};

}  // namespace runner::kernel
