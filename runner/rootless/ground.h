// The ground that a rootless lab stands on: user, mount, network and host name namespaces of its own, in which its
// owner is root, and in which /run/netns and /etc/netns can be written.
#pragma once
#include <string>
#include <vector>

#include "base/error.h"

namespace runner::rootless {

struct GroundOptions {
  /// Of its own: its user and group are root there, the only ids that are mapped. Else as they are, for who is root.
  bool own_users = true;
  /// Entries of the old /run that the new one does not show.
  std::vector<std::string> hidden = {"netns"};
};

/// Moves the calling process, which must have one thread only, into fresh namespaces:
///   - its users, where it asks for that;
///   - what the system mounts later is still seen, what is mounted here stays here;
///   - /run is new, with all entries of the old one but the hidden; /etc too, with all entries leading to the old
///   one's;
///   - /sys shows the new network, whose `lo` is up.
/// Returns what could not be had and need not be. The error names the remedy where one is known.
Result<std::vector<std::string>> MakeGround(const GroundOptions& options = {});

}  // namespace runner::rootless
