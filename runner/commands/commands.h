// The commands of the command line, one file each. LAB is a topology file or a lab that is up (lab.h).
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/context.h"
#include "commands/ending.h"

namespace runner {

struct UpOptions {
  std::string lab;
  bool keep = false;  // what a failed run did stays
};
/// Makes the system match the file.
Ending Up(const Context& context, const UpOptions& options);

struct DownOptions {
  std::string lab;
  bool all = false;  // every lab instead
};
/// Removes all that a lab has made, from the record alone.
Ending Down(const Context& context, const DownOptions& options);

struct PlanOptions {
  std::string lab;
  bool exit_code = false;  // 5 when there are differences
  bool script = false;     // as a shell script
  std::string why;         // explain this object
};
/// Says what `up` would do, and why.
Ending ShowPlan(const Context& context, const PlanOptions& options);

struct StatusOptions {
  std::string lab;  // empty: every lab
  bool heal = false;
};
/// Says where the system is not as recorded; `heal` puts it back.
Ending ShowStatus(const Context& context, const StatusOptions& options);

struct WatchOptions {
  std::string lab;
  bool heal = false;
  std::chrono::milliseconds interval{2000};  // between two looks at what the kernel does not announce
};
/// Says what drifts as it drifts, until it is interrupted or the lab is down.
Ending Watch(const Context& context, const WatchOptions& options);

/// The labs that are up.
Ending List(const Context& context);

/// What there is now: interfaces, routes, links, uplinks, from the kernel.
Ending Inspect(const Context& context, const std::string& lab);

struct ExecOptions {
  std::string lab;
  std::string node;  // "host" stays outside
  bool all = false;  // every node instead
  std::vector<std::string> command;
  std::vector<std::pair<std::string, std::string>> environment;
  std::string working_dir;
  std::string user;
  std::optional<std::chrono::milliseconds> timeout;
};
/// Runs a command in a node; its exit status is the command's.
Ending Exec(const Context& context, const ExecOptions& options);

struct ImpairOptions {
  std::string lab;
  std::string interface;           // NODE:IFNAME; a node may be a switch or bridge, or "host". Empty: all impaired ones
  std::vector<std::string> words;  // tc-netem(8), or one of up, down, clear; empty: show it
};
/// Changes a link for a while, see commands/overrides.h; or shows what is in force.
Ending Impair(const Context& context, const ImpairOptions& options);

struct CaptureOptions {
  std::string lab;
  std::vector<std::string> interfaces;  // NODE:IFNAME; a node may be a switch, or "host"
  std::string file;                     // to be written, "-" is standard output; empty: told line by line
  std::vector<std::string> filter;      // pcap-filter(7)
};
/// Shows or writes the packets of interfaces until it is interrupted, by tcpdump in their nodes.
Ending Capture(const Context& context, const CaptureOptions& options);

/// An interactive shell in a node.
Ending Shell(const Context& context, const std::string& lab, const std::string& node);

/// The processes in a lab's nodes; of one node, if `node` is not empty.
Ending ListProcesses(const Context& context, const std::string& lab, const std::string& node);

/// The declared processes, and what has become of them.
Ending ShowProcesses(const Context& context, const std::string& lab);

struct LogsOptions {
  std::string lab;
  std::string process;                // NODE or NODE/PROC; empty: all
  bool follow = false;                // until it is interrupted, or the lab is down
  std::optional<std::size_t> tail{};  // of each only the last lines
};
/// What declared processes have printed.
Ending ShowLogs(const Context& context, const LogsOptions& options);

/// Stops and starts declared processes; `process` is NODE or NODE/PROC. Returns when they are healthy again.
Ending Restart(const Context& context, const std::string& lab, const std::string& process);

/// The lab and node that a process is in; without a pid, the caller's.
Ending Identify(const Context& context, std::optional<int> pid);

struct ValidateOptions {
  enum class Print { kNothing, kYaml, kJson };
  std::string lab;
  Print print = Print::kNothing;
};
/// Parses and checks only.
Ending Validate(const Context& context, const ValidateOptions& options);

/// The JSON Schema of the language.
Ending PrintSchema(const Context& context);

/// What this machine lets the runner do, and how to mend what is missing.
Ending Diagnose(const Context& context);

struct GraphOptions {
  std::string lab;
  std::string format;
};
/// The lab as a drawing.
Ending DrawGraph(const Context& context, const GraphOptions& options);

}  // namespace runner
