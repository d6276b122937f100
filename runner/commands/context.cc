#include "commands/context.h"

#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"

namespace runner {
namespace {

constexpr int kCapNetAdmin = 12;
constexpr int kCapSysAdmin = 21;

/// The set of capabilities that this process may use now.
Result<std::uint64_t> EffectiveCapabilities() {
  const std::string status = TRY(ReadFile("/proc/thread-self/status"));
  constexpr std::string_view kKey = "\nCapEff:\t";
  const std::size_t at = status.find(kKey);
  if (at == std::string::npos) return Fail("read /proc/thread-self/status", "it names no capabilities");
  return std::strtoull(status.c_str() + at + kKey.size(), nullptr, 16);
}

bool IsWritableOrCanBeMade(std::string path) {
  while (true) {
    if (access(path.c_str(), W_OK) == 0) return true;
    if (errno != ENOENT) return false;
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos || slash == 0) return access("/", W_OK) == 0;
    path.resize(slash);
  }
}

/// Nothing when all is there.
Result<std::vector<std::string>> WhatRootModeLacks(const Context& context) {
  const std::uint64_t held = TRY(EffectiveCapabilities());
  std::vector<std::string> missing;
  if ((held >> kCapSysAdmin & 1) == 0) missing.emplace_back("CAP_SYS_ADMIN is not held");
  if ((held >> kCapNetAdmin & 1) == 0) missing.emplace_back("CAP_NET_ADMIN is not held");
  if (!IsWritableOrCanBeMade(context.namespace_directory)) {
    missing.push_back(Quote(context.namespace_directory) + " cannot be written");
  }
  return missing;
}

}  // namespace

int Ending::StatusOf(const Errors& errors) {
  for (const Error& error : errors) {
    if (error.failure == Failure::kInterrupted) return static_cast<int>(error.failure);
  }
  return errors.empty() ? kExitFailed : static_cast<int>(errors.front().failure);
}

BackendOptions Context::backend_options(const std::string& lab) const {
  BackendOptions options;
  options.lab = lab;
  options.state = state;
  options.namespace_directory = namespace_directory;
  options.files_base = files_base;
  options.host_side = host_side;
  return options;
}

void PrintJson(const Context& context, const Json& json) { *context.out << JsonPretty(json) << "\n"; }

void Say(const Context& context, const std::string& sentence) {
  if (!context.quiet()) *context.err << sentence << "\n";
}

void PrintWarnings(const Context& context, const Errors& warnings) {
  if (context.quiet()) return;
  for (const Error& warning : warnings) {
    if (warning.severity == Severity::kWarning) *context.err << RenderError(warning, context.colour);
  }
}

void PrintErrors(const Context& context, const Errors& errors) {
  if (context.json()) {
    PrintJson(context, ErrorsJson(errors));
    return;
  }
  for (const Error& error : errors) *context.err << RenderError(error, context.colour);
}

Result<Ground> ChooseGround(const Context& context) {
  if (context.privilege == Privilege::kRootless) return Ground::kHolder;
  if (context.privilege == Privilege::kRoot) return Ground::kMachine;
  return TRY(WhatRootModeLacks(context)).empty() ? Ground::kMachine : Ground::kHolder;
}

Status CheckPrivilege(const Context& context) {
  if (context.ground == Ground::kHolder) return {};
  const std::vector<std::string> missing = TRY(WhatRootModeLacks(context));
  if (missing.empty()) return {};
  return Fail("run as root", Join(missing, ", ") + "; without --root it runs rootless");
}

std::string Seconds(std::chrono::steady_clock::duration duration) {
  return fmt::format("{:.2f} s", std::chrono::duration<double>(duration).count());
}

std::string Counted(std::size_t count, const std::string& noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace runner
