// A single check, as it is written on the command line: --from NODE --tcp HOST:PORT --within 10s.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "topology/model.h"

namespace runner {

/// The options that take a target, as the language calls the kinds.
inline constexpr std::array<std::string_view, 8> kProbeOptions = {"ping", "tcp",   "udp",  "http",
                                                                  "dns",  "route", "path", "throughput"};

struct ProbeWords {
  std::string from;
  std::array<std::string, kProbeOptions.size()> targets;
  bool run = false;
  std::string expect;
  std::string within;
  std::string family;
  int count = 0;
  bool any() const;
};

/// `command` is what stands behind `--`. The error says what is wrong with which option.
Result<Check> OneCheck(const ProbeWords& words, const std::vector<std::string>& command);

Result<std::optional<Family>> ReadFamily(const std::string& word);

}  // namespace runner
