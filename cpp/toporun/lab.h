// Labs in GoogleTest, by the JSON that toporun prints. C++17; needs GoogleTest and nlohmann/json 3.
//
//     TEST(Web, Answers) {
//       toporun::Lab lab("lab.yaml");
//       EXPECT_EQ(lab.Run("client", {"curl", "-fsS", "http://web/"}).out, "hello\n");
//       EXPECT_TRUE(lab.Check("web *"));
//     }
//
// The lab comes up under a name of its own and goes down with the object, or with the process, whatever ends that.
// TOPORUN names the binary. What the command refuses is a toporun::Error, which GoogleTest reports as a failure.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace toporun {

class Error : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Output {
  int status = 0;  // as a shell gives it: 128 + the signal's number, 127 not found
  std::string out;
  std::string err;
};

struct Options {
  std::map<std::string, std::string> set;  // variables of the file
  std::string name;                        // the lab's; empty: one of its own
  std::vector<std::string> arguments;      // more words for `up`
  std::string binary;                      // empty: $TOPORUN, else `toporun`
  std::chrono::seconds down_limit{60};     // how long `down` waits for another command that changes the lab
};

namespace detail {

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { Close(); }
  int get() const { return fd_; }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  int Release() { return std::exchange(fd_, -1); }
  void Take(int fd) {
    Close();
    fd_ = fd;
  }

 private:
  int fd_;
};

struct Pipe {
  Fd from;
  Fd to;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw Error(std::string("make a pipe: ") + std::strerror(errno));
    from.Take(ends[0]);
    to.Take(ends[1]);
  }
};

/// What becomes of the standard streams of a program; -1: the caller's own.
struct Streams {
  int in = -1;
  int out = -1;
  int err = -1;
};

inline pid_t Spawn(const std::vector<std::string>& argv, const Streams& streams, bool own_session) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  if (streams.in >= 0) {
    posix_spawn_file_actions_adddup2(&actions, streams.in, STDIN_FILENO);
  } else {
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  }
  if (streams.out >= 0) posix_spawn_file_actions_adddup2(&actions, streams.out, STDOUT_FILENO);
  if (streams.err >= 0) posix_spawn_file_actions_adddup2(&actions, streams.err, STDERR_FILENO);
  if (own_session) posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_t child = -1;
  const int failed = posix_spawnp(&child, words[0], &actions, &attributes, words.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw Error("start " + argv[0] + ": " + std::strerror(failed));
  return child;
}

inline int Wait(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) throw Error(std::string("wait for a process: ") + std::strerror(errno));
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

inline std::string ReadAll(int fd) {
  std::string text;
  std::array<char, 16384> buffer;
  while (true) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got > 0) text.append(buffer.data(), static_cast<std::size_t>(got));
    if (got == 0 || (got < 0 && errno != EINTR)) return text;
  }
}

/// Runs a program to its end and keeps what it says.
inline Output Run(const std::vector<std::string>& argv) {
  Pipe out;
  Pipe err;
  const pid_t child = Spawn(argv, {-1, out.to.get(), err.to.get()}, false);
  out.to.Close();
  err.to.Close();
  Output output;
  std::array<pollfd, 2> waiting = {pollfd{out.from.get(), POLLIN, 0}, pollfd{err.from.get(), POLLIN, 0}};
  const std::array<std::string*, 2> texts = {&output.out, &output.err};
  while (waiting[0].fd >= 0 || waiting[1].fd >= 0) {
    if (poll(waiting.data(), waiting.size(), -1) < 0) continue;  // An interrupted wait goes on.
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      if (waiting[i].fd < 0 || waiting[i].revents == 0) continue;
      std::array<char, 16384> buffer;
      const ssize_t got = read(waiting[i].fd, buffer.data(), buffer.size());
      if (got > 0) texts[i]->append(buffer.data(), static_cast<std::size_t>(got));
      if (got == 0 || (got < 0 && errno != EINTR)) waiting[i].fd = -1;
    }
  }
  output.status = Wait(child);
  return output;
}

inline std::string RandomName() {
  constexpr char kDigits[] = "0123456789abcdef";
  std::random_device random;
  std::string name = "gtest-";
  for (int i = 0; i < 12; ++i) name += kDigits[random() % 16];
  return name;
}

}  // namespace detail

/// A lab that is up.
class Lab {
 public:
  /// Brings it up; an Error has what the command said.
  explicit Lab(const std::string& file, Options options = {})
      : binary_(options.binary.empty() ? DefaultBinary() : options.binary),
        name_(options.name.empty() ? detail::RandomName() : options.name) {
    std::vector<std::string> words = {"-q", "up", file, "--name", name_, "--json"};
    for (const auto& [variable, value] : options.set) words.insert(words.end(), {"--set", variable + "=" + value});
    words.insert(words.end(), options.arguments.begin(), options.arguments.end());
    try {
      Document("up", Up(words, options.down_limit), 0);
    } catch (...) {
      Down();  // What failed before tells more than this could.
      throw;
    }
  }
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;
  ~Lab() {
    const int status = Down();
    if (status != 0) ADD_FAILURE() << "toporun down " << name_ << ": exit status " << status;
  }

  const std::string& name() const { return name_; }

  /// A command in a node, to its end; after `limit` it is ended and its status is 124. No such node is an Error.
  Output Run(const std::string& node, const std::vector<std::string>& argv,
             std::chrono::seconds limit = std::chrono::seconds(60)) const {
    constexpr int kNoSuchNode = 125;
    std::vector<std::string> words = {binary_, "exec", name_, node, "--timeout", std::to_string(limit.count()) + "s",
                                      "--"};
    words.insert(words.end(), argv.begin(), argv.end());
    Output output = detail::Run(words);
    if (output.status == kNoSuchNode) throw Error(node + ": " + output.err);
    return output;
  }

  /// The first address of an interface without its prefix's length; of IPv6 one that is not link-local. `version` 0
  /// takes either, IPv4 first. None is an Error.
  std::string Address(const std::string& node, const std::string& interface, int version = 0) const {
    const nlohmann::json place = Find(Inspect()["nodes"], "node", node);
    const nlohmann::json addresses = Find(place["interfaces"], "name", interface)["addresses"];
    std::string found;
    for (const auto& one : addresses) {
      const std::string text = one["address"];
      const std::string address = text.substr(0, text.find('/'));
      const bool is_ipv6 = address.find(':') != std::string::npos;
      if (is_ipv6 && address.compare(0, 4, "fe80") == 0) continue;
      if (version == (is_ipv6 ? 6 : 4) || (version == 0 && !is_ipv6)) return address;
      if (version == 0 && found.empty()) found = address;
    }
    if (found.empty()) throw Error(node + ":" + interface + " has no such address");
    return found;
  }

  /// What `toporun inspect --json` tells.
  nlohmann::json Inspect() const { return Call({"inspect", name_}); }

  /// Runs the file's tests whose names fit. What fails, or cannot be done here, is told.
  testing::AssertionResult Check(const std::string& pattern = "*") const {
    const nlohmann::json verdicts = Call({"check", name_, pattern}, 1);
    std::string text;
    for (const auto& test : verdicts["tests"]) {
      if (test["verdict"] == "ok") continue;
      for (const auto& step : test["steps"]) {
        if (step["verdict"] == "ok") continue;
        text += Text(test["name"]) + ": " + Text(step["what"]) + ": expected " + Text(step["expected"]) + ", but " +
                Text(step["found"]) + "\n";
      }
      if (test.contains("why")) text += Text(test["name"]) + ": " + Text(test["why"]) + "\n";
    }
    return text.empty() ? testing::AssertionSuccess() : testing::AssertionFailure() << text;
  }

  /// The document that a command prints with --json. Another exit status than 0 and `also` is an Error.
  nlohmann::json Call(std::vector<std::string> words, int also = 0) const {
    const std::string command = words[0];
    words.insert(words.begin(), binary_);
    words.emplace_back("--json");
    return Document(command, detail::Run(words), also);
  }

 private:
  static std::string DefaultBinary() {
    const char* named = std::getenv("TOPORUN");
    return named == nullptr ? "toporun" : named;
  }
  static std::string Text(const nlohmann::json& value) { return value.get<std::string>(); }
  static nlohmann::json Find(const nlohmann::json& list, const char* key, const std::string& wanted) {
    for (const auto& one : list) {
      if (one[key] == wanted) return one;
    }
    throw Error("there is no " + std::string(key) + " " + wanted);
  }

  static nlohmann::json Document(const std::string& command, const Output& output, int also) {
    const nlohmann::json document = nlohmann::json::parse(output.out, nullptr, false);
    const bool is_refused = document.is_object() && document.contains("errors");
    if ((output.status == 0 || output.status == also) && !document.is_discarded() && !is_refused) return document;
    std::string text = "toporun " + command + ": exit status " + std::to_string(output.status) + "\n" + output.err;
    if (!is_refused) throw Error(text + output.out);
    for (const auto& error : document["errors"]) {
      const int line = error["line"];
      std::string told = line == 0 ? "" : Text(error["file"]) + ":" + std::to_string(line);
      for (const char* part : {"where", "tried", "why"}) {
        if (!Text(error[part]).empty()) told += (told.empty() ? "" : ": ") + Text(error[part]);
      }
      text += told + "\n";
    }
    throw Error(text);
  }

  /// Starts a process that brings the lab up, and takes it down when nobody holds the other end of its standard input
  /// any more: when the object goes, or this process by whatever signal, at whatever time. It has a session of its own,
  /// where keys and signals to the group don't reach it. Returns what `up` says.
  Output Up(const std::vector<std::string>& words, std::chrono::seconds down_limit) {
    // Behind `up`, nobody may be left to be told of its status.
    const std::string script = R"(name=$1 limit=$2
      shift 2
      "$0" "$@"
      status=$?
      (trap '' PIPE; printf '\036%d' "$status") 2>/dev/null
      exec >&2
      read -r _
      exec "$0" -q down "$name" --lock-timeout "$limit")";
    std::vector<std::string> argv = {"sh", "-c", script, binary_, name_, std::to_string(down_limit.count()) + "s"};
    argv.insert(argv.end(), words.begin(), words.end());
    detail::Pipe in;
    detail::Pipe out;
    guard_ = detail::Spawn(argv, {in.from.get(), out.to.get(), -1}, true);
    hold_.Take(in.to.Release());
    out.to.Close();
    Output output;
    output.out = detail::ReadAll(out.from.get());
    const std::size_t mark = output.out.rfind('\036');
    if (mark == std::string::npos) throw Error("toporun up: its process ended without a word");
    output.status = std::atoi(output.out.c_str() + mark + 1);
    output.out.erase(mark);
    return output;
  }

  int Down() {
    hold_.Close();
    // A child that the test has forked is not the owner.
    return guard_ >= 0 && owner_ == getpid() ? detail::Wait(guard_) : 0;
  }

  std::string binary_;
  std::string name_;
  const pid_t owner_ = getpid();
  pid_t guard_ = -1;
  detail::Fd hold_;  // of the guard's pipe
};

}  // namespace toporun
