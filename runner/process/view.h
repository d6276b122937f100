// A node's own view of the file system, in the keeper's mount namespace. What is new in it stands on file systems of
// its own: a folder that has to take something new is covered by one first, so that nothing of the host's is touched.
#pragma once
#include <sys/types.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "process/spec.h"

namespace runner::process {

class View {
 public:
  /// In mount, host name and process namespaces that the caller, process 1 there, has to itself: /proc and /sys are the
  /// node's, its binds and tmpfs are mounted, its hosts and resolver laid over /etc. What could not be had and need not
  /// be is told in `missing`.
  static Result<View> Make(const KeeperSpec& spec, std::vector<std::string>& missing);

  /// The file `path` holds `content` from now on.
  Status Put(const std::string& path, std::string_view content, mode_t mode);
  /// The node's hosts and resolver as they are now.
  Status Refresh();

 private:
  explicit View(const KeeperSpec& spec) : spec_(spec) {}

  Status MountAll();
  Status AddTmpfs(const std::string& path);
  Status AddTree(int tree, const BindSpec& bind);
  Status Lay(const std::string& name);
  /// A file of our own at `path`, whatever stood there.
  Status Place(const std::string& path, std::string_view content, mode_t mode);
  /// The folder is there, and new entries in it are nobody else's.
  Status OwnFolder(const std::string& path);
  Status NoteOwn(const std::string& path);

  KeeperSpec spec_;
  std::set<dev_t> own_;  // our file systems
  // Held open: the view may hide them.
  Fd node_files_;
  Fd state_folder_;
  std::vector<std::string> missing_;
};

}  // namespace runner::process
