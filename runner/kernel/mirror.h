// Folders in a mount namespace of one's own that may be written without the old ones being touched: a tmpfs over each,
// whose entries are the old ones, mounted again.
#pragma once
#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace runner::kernel {

/// The names in a folder.
Result<std::vector<std::string>> ListEntries(const std::string& folder);

/// With all that is mounted below: what a more privileged mount namespace put together cannot be taken apart.
Status BindTree(const std::string& from, const std::string& to);

/// A new tmpfs on the folder. Neither devices nor set-user-id programs count in it.
Status MountTmpfs(const std::string& path, mode_t mode);

/// `name` of the folder `old` at `to`, where nothing stands: a link is copied, all else is mounted again. Nothing
/// happens when it has gone.
Status ShowEntry(const Fd& old, const std::string& name, const std::string& to);
Status CopyLink(const Fd& folder, const std::string& name, const std::string& to);

/// A tmpfs over `path`, which is not the root; its entries, but for `left_out`, are shown in it. Those that cannot be
/// are told in `missing`; so is a folder that must not be read, and it is empty then.
Status MirrorFolder(const std::string& path, const std::vector<std::string>& left_out,
                    std::vector<std::string>& missing);
/// The same for the root, which the calling process gets another one of.
Status MirrorRoot(std::vector<std::string>& missing);

}  // namespace runner::kernel
