// The runner's side of an uplink: starts the helper, asks it, changes it, stops it. The helper is known by pid, start
// time and token, and found again by its command line.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "base/json_fwd.h"
#include "uplink/spec.h"

namespace runner {

/// The argument that makes `toporun` the helper: `toporun uplink-helper LAB NODE STATE_FOLDER`.
inline constexpr char kUplinkHelperCommand[] = "uplink-helper";

/// A helper's identity, worth recording in the journal.
struct UplinkProcess {
  std::string node;
  pid_t pid = 0;
  std::uint64_t start_time = 0;  // field 22 of /proc/PID/stat
  std::string token;             // random, of this start; empty where the process was found without asking it
  Json ToJson() const;
  static Result<UplinkProcess> FromJson(const Json& json);
  friend bool operator==(const UplinkProcess&, const UplinkProcess&) = default;
};

/// What a helper says of itself.
struct UplinkState {
  enum class Life {
    kGone,    // no such process
    kSilent,  // the process lives and does not answer on its socket
    kServing
  };
  Life life = Life::kGone;
  UplinkProcess process;              // kServing, kSilent
  UplinkSpec spec;                    // kServing: as it runs
  std::vector<ForwardSpec> forwards;  // kServing
  std::string slirp_version;          // kServing, of Kind::kSlirp
};

/// Where the lab's side of an uplink stands already: open descriptors of /…/ns/net.
struct NodeSide {
  int netns = -1;      // the node's, which has the interface: a tap of CreateTap, or an end of a veth
  int far_netns = -1;  // where that veth's other end is, under the same name; negative: it is a tap
};

/// Starts the helper, detached, and waits until it serves. `outer_netns` is the namespace that the traffic leaves from.
/// `executable` is this program ("/proc/self/exe"). The error is the helper's own text where it had one; nothing is
/// left running then.
Result<UplinkProcess> StartUplink(const UplinkSpec& spec, const std::vector<ForwardSpec>& forwards,
                                  const NodeSide& node, int outer_netns, const std::string& executable);

/// Starts the helper's process, detached, and waits until it serves. `node_end` is what OpenTap or OpenPacketEnd
/// opened, or for the relay alone the node's namespace; `outer_netns` is where the traffic leaves from, negative for
/// the caller's own namespace.
Result<UplinkProcess> LaunchHelper(const UplinkSpec& spec, const std::vector<ForwardSpec>& forwards, int node_end,
                                   int outer_netns, const std::string& executable);

/// As above, with another process that launches the helper: one in the namespaces that the traffic leaves from.
using HelperLauncher = std::function<Result<UplinkProcess>(const UplinkSpec& spec, int node_end)>;
Result<UplinkProcess> StartUplink(const UplinkSpec& spec, const NodeSide& node, const HelperLauncher& launch);

/// Asks the helper of `node` in `state_folder`. With `recorded`, another process than that one counts as gone.
UplinkState ReadUplink(const std::string& state_folder, const std::string& node,
                       const std::optional<UplinkProcess>& recorded = {});

/// Publishes or withdraws ports of a running helper. Withdrawing leaves established TCP connections alone.
/// Ports that the helper, which has no privilege, may not bind are bound here, in the namespace `outer_netns`;
/// negative: none is.
Status AddForward(const std::string& state_folder, const std::string& node, const ForwardSpec& forward,
                  int outer_netns);
Status RemoveForward(const std::string& state_folder, const std::string& node, const ForwardSpec& forward);

/// Gives a running helper a spec for which CanChangeInPlace holds.
Status ChangeUplink(const UplinkSpec& wanted);

/// SIGTERM, then SIGKILL, and waits for the end. A process that is gone already, or whose pid is somebody else's now,
/// is success.
Status StopUplink(const UplinkProcess& process);

/// The helpers of the lab with this name and state folder that we may have started (under our user id, or as nobody
/// where we are root), with or without a journal.
std::vector<UplinkProcess> FindUplinks(const std::string& lab, const std::string& state_folder);

/// Binds each host port in the namespace and lets go again. The error names the port, and its owner where it can be
/// read; a negative `outer_netns` is the caller's own namespace.
Status CheckPortsFree(const std::vector<ForwardSpec>& forwards, int outer_netns);

/// One bound socket a port, of a forward that has a port below the namespace's `net.ipv4.ip_unprivileged_port_start`;
/// none of other forwards, and none with a negative `outer_netns`.
Result<std::vector<Fd>> BindLowPorts(const ForwardSpec& forward, int outer_netns);

}  // namespace runner
