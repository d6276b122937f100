#include "main/probe_words.h"

#include <algorithm>

#include "base/text.h"
#include "main/duration.h"

namespace runner {
namespace {

bool NeedsPort(std::string_view kind) { return kind == "tcp" || kind == "udp"; }

bool HasPort(const std::string& target) {
  const std::size_t colon = target.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  const auto port = ParseInteger(std::string_view(target).substr(colon + 1));
  return port && *port > 0 && *port <= 65535;
}

Status ReadKind(const ProbeWords& words, const std::vector<std::string>& command, Check& check) {
  int kinds = 0;
  for (std::size_t i = 0; i < kProbeOptions.size(); ++i) {
    if (words.targets[i].empty()) continue;
    ++kinds;
    check.kind = kProbeOptions[i];
    check.target = words.targets[i];
  }
  if (words.run || !command.empty()) {
    ++kinds;
    check.kind = "run";
    check.run = command;
  }
  if (kinds != 1)
    return Fail(
        "a check is exactly one of --ping, --tcp, --udp, --http, --dns, --route, --path, "
        "--throughput and --run -- COMMAND…");
  if (check.kind == "run" && command.empty()) return Fail("--run takes its command behind `--`");
  if (NeedsPort(check.kind) && !HasPort(check.target)) {
    return Fail("--" + check.kind + " takes HOST:PORT, not " + Quote(check.target));
  }
  if (check.kind == "http" && !check.target.starts_with("http://")) {
    return Fail("--http takes a URL that begins with http://, not " + Quote(check.target));
  }
  return {};
}

}  // namespace

bool ProbeWords::any() const {
  return !from.empty() || run || !expect.empty() || count != 0 ||
         std::ranges::any_of(targets, [](const std::string& target) { return !target.empty(); });
}

Result<std::optional<Family>> ReadFamily(const std::string& word) {
  if (word.empty()) return std::optional<Family>();
  if (word == "ipv4") return std::optional(Family::kIpv4);
  if (word == "ipv6") return std::optional(Family::kIpv6);
  return Fail("--family is ipv4 or ipv6, not " + Quote(word));
}

Result<Check> OneCheck(const ProbeWords& words, const std::vector<std::string>& command) {
  Check check;
  if (words.from.empty()) return Fail("--from NODE is missing: the node that the check is made from, or `outside`");
  check.from = words.from;
  TRY(ReadKind(words, command, check));
  check.family = TRY(ReadFamily(words.family));
  if (words.count < 0) return Fail("--count is 1 or more");
  if (words.count > 0) check.count = words.count;
  if (words.expect == "unreachable") {
    check.expect.kind = Expectation::Kind::kUnreachable;
  } else if (!words.expect.empty() && words.expect != "reachable") {
    return Fail("--expect is reachable or unreachable, not " + Quote(words.expect));
  }
  if (!words.within.empty()) {
    const auto within = ParseDuration(words.within);
    if (!within) return Fail("--within is a time as 500ms or 10s, not " + Quote(words.within));
    check.within_ms = within->count();
  }
  return check;
}

}  // namespace runner
