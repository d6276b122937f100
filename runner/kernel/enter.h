// A command inside a node: its network, its files over /etc, its host name, as `ip netns exec` does it.
#pragma once
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace runner::kernel {

/// What setgroups(2) does in the command: where a user namespace of one id denies it, it can be passed over.
enum class Groups { kSet, kPassedOver };

/// From SIGTERM to SIGKILL for a command whose time is over.
constexpr std::chrono::milliseconds kGrace{2000};

struct EnterSpec {
  int ns_fd = -1;  // the network namespace; -1 stays in the caller's (the node `host`)
  /// A pidfd: the mount, host name and process namespaces of that process are entered, and neither `files` nor
  /// `host_name` count; -1 makes a view of its own.
  int view_fd = -1;
  std::string name = {};       // LAB.NODE, for messages
  std::string files = {};      // its folder of files laid over /etc, /etc/netns/NAME; absent or empty is none
  std::string host_name = {};  // the node's name; empty keeps the caller's
  std::vector<std::pair<std::string, std::string>> environment = {};  // over the caller's own
  std::string working_dir = {};                                       // empty keeps the caller's
  std::string user = {};                                              // name or uid; empty keeps the caller's
  std::vector<std::string> argv = {};
  Groups groups = Groups::kSet;
  std::optional<std::chrono::milliseconds> timeout = {};
};

/// Exit statuses as a shell gives them: the command's own, 128 + signal, 127 not found, 126 cannot be run (or the
/// node cannot be entered: the reason is on standard error), 124 on timeout as timeout(1).
inline constexpr int kExitTimeout = 124;
inline constexpr int kExitCannotRun = 126;
inline constexpr int kExitNotFound = 127;

/// Runs the command with the caller's own standard streams and waits. It shares the caller's process group, as below a
/// shell: the terminal's keys reach it, and SIGINT, SIGQUIT, SIGTERM and SIGHUP that others send are passed on. With a
/// timeout it has a group of its own, in the terminal's foreground meanwhile, that is ended whole when time is over.
Result<int> RunIn(const EnterSpec& spec);

enum class Stream { kOutput, kError };
/// One line without its newline.
using LineSink = std::function<void(Stream, std::string_view line)>;
/// A piece of a stream, cut anywhere.
using ByteSink = std::function<void(std::string_view bytes)>;

/// A command whose output is read line by line, standard input empty. Several can be driven side by side.
struct CapturedCommand {
  EnterSpec spec;
  LineSink sink;
  ByteSink bytes = {};  // takes standard output as it comes, in place of `sink`
};

/// Runs them all at once (at most `at_once` of them), returns their statuses in order. A timeout, and SIGINT or
/// SIGTERM to the caller while its handlers set `*interrupted` to non-zero, end a command's whole process group.
Result<std::vector<int>> RunCapturedAll(const std::vector<CapturedCommand>& commands, std::size_t at_once = 64,
                                        const volatile int* interrupted = nullptr);
Result<int> RunCaptured(const EnterSpec& spec, const LineSink& sink, const volatile int* interrupted = nullptr);

}  // namespace runner::kernel
