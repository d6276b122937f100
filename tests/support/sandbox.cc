#include "tests/support/sandbox.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"

namespace runner::test {
namespace {

constexpr int kFailed = 1;
constexpr int kNoSandbox = 2;

// Ends the child: without a sandbox the test's body would change the machine.
void Must(bool done, const char* what) {
  if (done) return;
  std::fprintf(stderr, "sandbox: %s: %s\n", what, std::strerror(errno));
  _exit(kNoSandbox);
}

void Write(const std::string& path, const std::string& content) {
  Must(WriteExisting(path, content).ok(), path.c_str());
}

void EnterFreshNamespaces(Processes processes) {
  const uid_t user = geteuid();
  const gid_t group = getegid();
  int flags = CLONE_NEWNS | CLONE_NEWNET;
  if (processes == Processes::kOwn) flags |= CLONE_NEWPID;
  if (user != 0) flags |= CLONE_NEWUSER;
  Must(unshare(flags) == 0, "unshare");
  if (user != 0) {
    Write("/proc/self/setgroups", "deny");
    Write("/proc/self/uid_map", "0 " + std::to_string(user) + " 1");
    Write("/proc/self/gid_map", "0 " + std::to_string(group) + " 1");
  }
  // Nothing of what follows may reach the machine's own mounts.
  Must(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "make mounts private");
  Must(mount("none", "/run", "tmpfs", 0, "mode=755") == 0, "mount /run");
  Must(mkdir("/run/upper", 0755) == 0 && mkdir("/run/work", 0755) == 0, "make the folders of an overlay");
  Must(mount("none", "/etc", "overlay", 0, "lowerdir=/etc,upperdir=/run/upper,workdir=/run/work") == 0, "overlay /etc");
  Must(mkdir("/etc/netns", 0755) == 0 || errno == EEXIST, "make /etc/netns");
  Must(mount("none", "/etc/netns", "tmpfs", 0, "mode=755") == 0, "mount /etc/netns");
}

void RunBody(const std::function<void()>& body) {
  body();
  std::fflush(nullptr);
  _exit(testing::Test::HasFailure() ? kFailed : 0);
}

// Ends as the process did.
void EndLike(int status) {
  if (WIFSIGNALED(status)) std::fprintf(stderr, "sandbox: ended by signal %d\n", WTERMSIG(status));
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : kFailed);
}

pid_t Fork() {
  std::fflush(nullptr);
  const pid_t child = fork();
  Must(child >= 0, "fork");
  return child;
}

// Process 1 of a process namespace: waits for whatever is orphaned, and ends with the body.
void RunAsFirstProcess(const std::function<void()>& body) {
  if (const pid_t first = Fork(); first > 0) {
    int status = 0;
    Must(waitpid(first, &status, 0) == first, "wait for the first process");
    EndLike(status);
  }
  Must(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "end with the parent");
  Must(mount("proc", "/proc", "proc", 0, nullptr) == 0, "mount /proc");
  const pid_t child = Fork();
  if (child == 0) RunBody(body);
  int status = 0;
  pid_t ended = 0;
  do {
    ended = wait(&status);
  } while (ended != child);
  EndLike(status);
}

}  // namespace

void InSandbox(const std::function<void()>& body) { InSandbox({}, body); }

void InSandbox(const SandboxOptions& options, const std::function<void()>& body) {
  // Or both processes would print what waits in the buffers.
  std::fflush(nullptr);
  const pid_t child = fork();
  ASSERT_GE(child, 0) << std::strerror(errno);
  if (child == 0) {
    alarm(options.limit_seconds);
    EnterFreshNamespaces(options.processes);
    if (options.processes == Processes::kOwn) RunAsFirstProcess(body);
    RunBody(body);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << "the sandbox was ended by signal " << WTERMSIG(status);
  ASSERT_NE(WEXITSTATUS(status), kNoSandbox) << "no sandbox could be made";
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the assertions above failed in the sandbox";
}

std::string Shell(const std::string& command) {
  std::string output;
  FILE* pipe = popen(command.c_str(), "re");
  if (pipe == nullptr) {
    ADD_FAILURE() << "popen: " << std::strerror(errno);
    return output;
  }
  char buffer[4096];
  for (std::size_t count; (count = fread(buffer, 1, sizeof buffer, pipe)) > 0;) output.append(buffer, count);
  EXPECT_EQ(pclose(pipe), 0) << command;
  return output;
}

Json Ip(const std::string& arguments) {
  const std::string text = Shell("ip -j -d " + arguments);
  if (text.find_first_not_of(" \n") == std::string::npos) return Json::array();
  auto json = ParseJson(text);
  if (json.ok()) return *json;
  ADD_FAILURE() << "ip " << arguments << " printed " << Quote(text) << ": " << json.error().text();
  return Json::array();
}

Json Find(const Json& list, const std::string& key, const Json& value) {
  for (const Json& object : list) {
    if (object.contains(key) && object.at(key) == value) return object;
  }
  return {};
}

}  // namespace runner::test
