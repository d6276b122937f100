// The holder: a process that does nothing but keep the namespaces of one rootless lab alive. It is this program,
// started again as `toporun lab-holder LAB STATE`, so that it can be told, and found, by its command line.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/process.h"

namespace runner::rootless {

inline constexpr char kHolderCommand[] = "lab-holder";

/// Inode numbers of /proc/PID/ns/….
struct NamespaceNumbers {
  std::uint64_t user = 0;
  std::uint64_t mount = 0;
  std::uint64_t network = 0;
  friend bool operator==(const NamespaceNumbers&, const NamespaceNumbers&) = default;
};

/// What the record of a holder says. A pid comes again; together with the start time, the boot and the namespaces it
/// does not.
struct HolderRecord {
  kernel::ProcessIdentity process = {};
  std::string boot_id;
  NamespaceNumbers namespaces = {};
  friend bool operator==(const HolderRecord&, const HolderRecord&) = default;
};

/// Where a lab's holder is recorded: `lab`, and the folder of all labs (absolute, without links).
struct HolderPlace {
  std::string lab;
  std::string state;
  std::string RecordPath() const { return state + "/" + lab + "/holder"; }
};

/// A holder that lives.
struct Holder {
  HolderRecord record = {};
  Fd pidfd = {};
  pid_t pid() const { return record.process.pid; }
};

Result<HolderRecord> ReadHolderRecord(const std::string& path);

/// The lab's holder: the recorded one, if it is still that process; else one with the lab's command line. Nothing when
/// none lives.
Result<std::optional<Holder>> FindHolder(const HolderPlace& place);

struct StartedHolder {
  Holder holder = {};
  std::vector<std::string> missing = {};  // as MakeGround tells it
};
/// Starts and records one. The lab's folder exists, and the caller holds the lab's lock. If the caller is killed
/// meanwhile, the holder ends by itself or is recorded.
Result<StartedHolder> StartHolder(const HolderPlace& place);

/// Ends the holder and all other processes in its namespaces, and removes its record. Returns the processes that were
/// ended beside it.
Result<std::vector<kernel::ProcessInfo>> EndHolder(const HolderPlace& place, const Holder& holder);

/// The holder's own main.
int HolderMain(int argc, char** argv);

}  // namespace runner::rootless
