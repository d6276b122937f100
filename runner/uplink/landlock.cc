#include "uplink/landlock.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/fd.h"

namespace runner {
namespace {

// Newer than the headers of Debian 12 in part, and the same on all architectures (linux/landlock.h).
constexpr long kCreateRuleset = 444;
constexpr long kRestrictSelf = 446;
constexpr std::uint32_t kAskVersion = 1;

struct RulesetAttributes {
  std::uint64_t files = 0;
  std::uint64_t network = 0;  // from version 4
  std::uint64_t scopes = 0;   // from version 6
};

constexpr std::uint64_t kScopes = 3;  // abstract sockets, signals

std::uint64_t FileRights(int version) {
  const int rights = version >= 5 ? 16 : version >= 3 ? 15 : version == 2 ? 14 : 13;
  return (1ULL << rights) - 1;
}

}  // namespace

int LandlockVersion() {
  const long version = syscall(kCreateRuleset, nullptr, 0, kAskVersion);
  return version < 0 ? 0 : static_cast<int>(version);
}

Status DenyFiles() {
  const long version = syscall(kCreateRuleset, nullptr, 0, kAskVersion);
  if (version < 0) return SystemError(errno, "ask for Landlock");
  const bool has_scopes = version >= 6;
  const RulesetAttributes attributes = {
      .files = FileRights(static_cast<int>(version)), .network = 0, .scopes = has_scopes ? kScopes : 0};
  const std::size_t size = has_scopes ? sizeof attributes : version >= 4 ? 16 : 8;
  const Fd ruleset(static_cast<int>(syscall(kCreateRuleset, &attributes, size, 0)));
  if (!ruleset.is_open()) return SystemError(errno, "make a Landlock ruleset");
  if (syscall(kRestrictSelf, ruleset.get(), 0) != 0) return SystemError(errno, "deny files by Landlock");
  return {};
}

}  // namespace runner
