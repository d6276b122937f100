// The keeper of a node: process 1 in process, mount and host name namespaces of the node's own, which its declared
// processes, `exec` and `shell` share. It is this program, started as `toporun node-keeper LAB NODE STATE_FOLDER`; what
// runs in the node ends with it.
#pragma once

namespace runner::process {

inline constexpr char kKeeperCommand[] = "node-keeper";

// What the keeper inherits, beside its log as standard error.
inline constexpr int kKeeperOrdersFd = 3;
inline constexpr int kKeeperReadyFd = 4;
inline constexpr int kKeeperHolderFd = 5;  // a pidfd, at whose end the keeper ends; or /dev/null
inline constexpr int kKeeperFds = 6;

/// The keeper's own main.
int KeeperMain(int argc, char** argv);

}  // namespace runner::process
