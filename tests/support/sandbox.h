// A place for tests that change the kernel: a child process in fresh mount and network namespaces (and a user namespace
// where we are not root), with its own /run and /etc/netns. What the test makes there ends with the child.
#pragma once
#include <functional>
#include <string>

#include "base/json.h"

namespace runner::test {

/// Runs `body` in the child. GTest's assertions work in it and fail the calling test; so does a child that dies, or
/// that is not done within a minute.
void InSandbox(const std::function<void()>& body);

enum class Processes { kShared, kOwn };
struct SandboxOptions {
  unsigned limit_seconds = 60;
  /// kOwn: a process namespace and a /proc of its own; what the body leaves running ends with it.
  Processes processes = Processes::kShared;
};
void InSandbox(const SandboxOptions& options, const std::function<void()>& body);

/// The truth: what `ip -j -d ARGUMENTS` prints, in the calling thread's namespace or, with "-n NAME …", in another. An
/// empty list when it prints nothing. A failing ip fails the test.
Json Ip(const std::string& arguments);

/// Runs a command of the shell and fails the test when it fails; what it printed.
std::string Shell(const std::string& command);

/// The object of `list` whose `key` is `value`; null when there is none.
Json Find(const Json& list, const std::string& key, const Json& value);

}  // namespace runner::test
