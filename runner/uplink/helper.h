// The helper's own main: `toporun uplink-helper LAB NODE STATE_FOLDER`, started by the supervisor only. It serves until
// its lab is gone or it is told to stop.
#pragma once

namespace runner {

/// The descriptors that the supervisor hands over. 2 is the log.
inline constexpr int kHelperConfigFd = 3;  // one JSON document: {spec, forwards, token}
inline constexpr int kHelperReadyFd = 4;   // lines of JSON go out: {pid}, then {ready} or {error}
inline constexpr int kHelperNodeFd =
    5;  // the open tap, or a packet socket in its place; for the relay alone the node's network namespace
inline constexpr int kHelperFds = 6;

int UplinkHelperMain(int argc, char** argv);

}  // namespace runner
