// What every command is given: the options that all commands share, where records live, where results go.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json_fwd.h"
#include "base/report.h"
#include "commands/ending.h"
#include "exec/linux_backend.h"
#include "exec/state.h"

namespace runner {

enum class Output { kText, kJson };
enum class Privilege { kAsFound, kRoot, kRootless };

struct Context {
  Output output = Output::kText;
  Privilege privilege = Privilege::kAsFound;
  int verbosity = 0;                 // -1 errors only, 1 each change, 2 everything
  Colour colour = Colour::kOff;      // of standard error
  Colour out_colour = Colour::kOff;  // of standard output
  bool terminal = false;             // standard error is one
  StateRoot state = {};
  Ground ground = Ground::kMachine;
  HostSide host_side = {};  // inside a rootless lab
  std::chrono::milliseconds lock_timeout{0};
  std::vector<std::pair<std::string, std::string>> set = {};
  std::optional<std::string> name = {};  // --name
  std::string namespace_directory = "/run/netns";
  std::string files_base = "/etc/netns";
  /// The running kernel's; tests put one in between that fails on demand.
  std::function<Result<std::unique_ptr<Backend>>(BackendOptions)> open_backend = OpenLinuxBackend;
  std::ostream* out = nullptr;  // results
  std::ostream* err = nullptr;  // everything else

  bool json() const { return output == Output::kJson; }
  bool quiet() const { return verbosity < 0; }
  BackendOptions backend_options(const std::string& lab) const;
};

/// A command's one JSON document.
void PrintJson(const Context& context, const Json& json);
/// A sentence for people: on standard error, not with -q.
void Say(const Context& context, const std::string& sentence);
/// Warnings as the loader and the planner give them; not with -q.
void PrintWarnings(const Context& context, const Errors& warnings);
/// Once, at the very end: as text on standard error, or as JSON on standard output.
void PrintErrors(const Context& context, const Errors& errors);

/// Root mode where the capabilities are held and the namespace directory can be written, unless the command line says
/// which.
Result<Ground> ChooseGround(const Context& context);
/// Why not, where root mode was asked for and cannot be.
Status CheckPrivilege(const Context& context);

/// "0.21 s"
std::string Seconds(std::chrono::steady_clock::duration duration);
/// "1 object", "3 objects"
std::string Counted(std::size_t count, const std::string& noun);

}  // namespace runner
