// One look at a process' health: what a healthcheck asks for, done in a child of the keeper, which may block.
#pragma once
#include "kernel/enter.h"
#include "process/spec.h"

namespace runner::process {

/// In a fresh child: ends with 0 when the check holds; else why not is on standard error. `as_process` says as whom and
/// where the process itself runs; a `test` runs so too.
[[noreturn]] void Probe(const HealthSpec& check, const kernel::EnterSpec& as_process);

/// http://HOST[:PORT][/PATH]
struct HttpUrl {
  std::string host = {};
  std::string port = "80";
  std::string path = "/";
};
std::optional<HttpUrl> ParseHttpUrl(const std::string& text);

}  // namespace runner::process
