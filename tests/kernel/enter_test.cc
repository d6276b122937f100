#include "kernel/enter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "kernel/files.h"
#include "kernel/process.h"
#include "tests/kernel/throwaway.h"

namespace runner::kernel {
namespace {

using test::ThrowawayNet;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct Outcome {
  int status = -1;
  std::string output;
  std::string error;
};

Outcome Capture(const EnterSpec& spec, const volatile int* interrupted = nullptr) {
  Outcome outcome;
  const auto status = RunCaptured(
      spec,
      [&](Stream stream, std::string_view line) {
        (stream == Stream::kOutput ? outcome.output : outcome.error).append(line).append("\n");
      },
      interrupted);
  EXPECT_TRUE(status.ok()) << status.error().text();
  if (status) outcome.status = *status;
  return outcome;
}

class EnterTest : public ::testing::Test {
 protected:
  EnterTest() {
    std::string path = ::testing::TempDir() + "toporun-enter-XXXXXX";
    if (mkdtemp(path.data()) == nullptr) std::abort();
    folder_ = path;
  }
  ~EnterTest() override { net_.Run("rm -r " + folder_); }

  EnterSpec Spec(std::vector<std::string> argv) const {
    return {.ns_fd = net_.fd(), .name = "lab.r1", .host_name = "r1", .argv = std::move(argv)};
  }
  EnterSpec Sh(const std::string& script) const { return Spec({"sh", "-c", script}); }

  ThrowawayNet net_;
  std::string folder_;
};

TEST_F(EnterTest, IsInTheNodesNetworkUnderItsName) {
  net_.Run("ip link add br7 type bridge");
  const Outcome seen = Capture(Sh("hostname; ls /sys/class/net; cat /proc/sys/kernel/hostname; ip -br link show br7"));
  EXPECT_EQ(seen.status, 0) << seen.error;
  EXPECT_THAT(seen.output, ::testing::StartsWith("r1\n"));
  EXPECT_THAT(seen.output, HasSubstr("br7\nlo\nr1\nbr7 "));
  char name[256] = "";
  gethostname(name, sizeof(name));
  EXPECT_STRNE(name, "r1");
}

TEST_F(EnterTest, KeepsTheControlGroupsInSight) {
  if (access("/sys/fs/cgroup/cgroup.controllers", F_OK) != 0) GTEST_SKIP() << "no control groups here";
  EXPECT_EQ(Capture(Sh("test -e /sys/fs/cgroup/cgroup.controllers")).status, 0);
}

TEST_F(EnterTest, LaysTheNodesFilesOverEtc) {
  const NodeFiles files(folder_ + "/netns", "lab.r1");
  ASSERT_TRUE(files.Write("resolv.conf", "nameserver 192.0.2.53\n").ok());
  ASSERT_TRUE(ReplaceFile(folder_ + "/shared-hosts", "192.0.2.9 r9\n").ok());
  ASSERT_TRUE(files.Link("hosts", folder_ + "/shared-hosts").ok());
  EnterSpec spec = Sh("cat /etc/resolv.conf; getent hosts r9");
  spec.files = files.folder();
  const Outcome seen = Capture(spec);
  EXPECT_EQ(seen.status, 0) << seen.error;
  EXPECT_THAT(seen.output, HasSubstr("nameserver 192.0.2.53"));
  EXPECT_THAT(seen.output, HasSubstr("192.0.2.9"));
  EXPECT_THAT(*ReadFile("/etc/hosts"), Not(HasSubstr("192.0.2.9")));
  EXPECT_THAT(*ReadFile("/proc/self/mountinfo"), Not(HasSubstr(folder_)));
}

TEST_F(EnterTest, ShowsFilesThatEtcLacks) {
  const NodeFiles files(folder_ + "/with, and: in it", "lab.r1");
  ASSERT_TRUE(files.Write("toporun-no-such-file", "here\n").ok());
  ASSERT_TRUE(files.Write("passwd", "none\n").ok());
  EnterSpec spec = Sh("cat /etc/toporun-no-such-file /etc/passwd; test -e /etc/group");
  spec.files = files.folder();
  const Outcome seen = Capture(spec);
  EXPECT_EQ(seen.error, "");
  EXPECT_EQ(seen.output, "here\nnone\n");
  EXPECT_EQ(seen.status, 0);
  EXPECT_NE(access("/etc/toporun-no-such-file", F_OK), 0);
}

TEST_F(EnterTest, RunsAlthoughAFileHasNoPlaceInEtc) {
  std::filesystem::create_directories(folder_ + "/lab.r1/passwd");  // a folder has none over a file
  EnterSpec spec = Sh("echo there");
  spec.files = folder_ + "/lab.r1";
  const Outcome seen = Capture(spec);
  EXPECT_EQ(seen.output, "there\n");
  EXPECT_THAT(seen.error, HasSubstr("toporun: lab.r1: show "));
}

TEST_F(EnterTest, GivesStatusesAsAShell) {
  EXPECT_EQ(Capture(Sh("exit 7")).status, 7);
  EXPECT_EQ(Capture(Sh("kill -9 $$")).status, 128 + SIGKILL);
  const Outcome missing = Capture(Spec({"toporun-no-such-command"}));
  EXPECT_EQ(missing.status, 127);
  EXPECT_EQ(missing.error, "toporun: lab.r1: run \"toporun-no-such-command\": no such file or directory\n");
  EXPECT_EQ(Capture(Spec({"/etc"})).status, 126);
  EnterSpec lost = Sh("true");
  lost.working_dir = "/no/such/folder";
  EXPECT_EQ(Capture(lost).status, 126);
  EnterSpec stranger = Sh("true");
  stranger.user = "no-such-user-here";
  const Outcome refused = Capture(stranger);
  EXPECT_EQ(refused.status, 126);
  EXPECT_THAT(refused.error, HasSubstr("there is no user \"no-such-user-here\""));
  EXPECT_EQ(Capture({.ns_fd = STDIN_FILENO, .name = "lab.x", .argv = {"true"}}).status, 126);
}

TEST_F(EnterTest, TakesEnvironmentFolderAndUser) {
  EnterSpec spec = Sh("echo $GREETING; pwd; id -un; echo $HOME");
  spec.environment = {{"GREETING", "hello"}};
  spec.working_dir = "/usr";
  EXPECT_THAT(Capture(spec).output, ::testing::StartsWith("hello\n/usr\n"));
  if (getuid() != 0 || Capture(Sh("setpriv --reuid 1 true")).status != 0) GTEST_SKIP() << "only one user is mapped";
  spec.user = "daemon";
  EXPECT_EQ(Capture(spec).output, "hello\n/usr\ndaemon\n/usr/sbin\n");
  spec.user = "54321";
  spec.argv = {"id", "-u"};
  EXPECT_EQ(Capture(spec).output, "54321\n");
}

TEST_F(EnterTest, SplitsBothStreamsIntoLines) {
  const Outcome seen = Capture(Sh("echo one; echo two >&2; printf three; printf 'x\\n\\ny' >&2"));
  EXPECT_EQ(seen.output, "one\nthree\n");
  EXPECT_EQ(seen.error, "two\nx\n\ny\n");
  EXPECT_EQ(Capture(Spec({"cat"})).status, 0) << "standard input is empty";
}

TEST_F(EnterTest, CarriesALotOfOutput) {
  const Outcome seen = Capture(Sh("seq 200000"));
  EXPECT_EQ(std::count(seen.output.begin(), seen.output.end(), '\n'), 200000);
  EXPECT_THAT(seen.output, ::testing::EndsWith("\n200000\n"));
}

TEST_F(EnterTest, TimeoutEndsTheWholeGroup) {
  EnterSpec spec = Sh("trap '' TERM; sleep 50 & echo started; wait; sleep 50");
  spec.timeout = std::chrono::milliseconds(300);
  const auto start = std::chrono::steady_clock::now();
  const Outcome seen = Capture(spec);
  EXPECT_EQ(seen.status, kExitTimeout);
  EXPECT_EQ(seen.output, "started\n");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  spec.argv[2] = "trap '' TERM; sleep 50 & wait; sleep 50";
  EXPECT_EQ(*RunIn(spec), kExitTimeout);
  // Killed ones leave the namespace on their own time.
  const auto left = FindProcesses(net_.fd());
  for (const ProcessInfo& process : *left) {
    const Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, process.identity.pid, 0)));
    pollfd ended{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
    // One that is gone already has no descriptor.
    if (!pidfd.is_open()) continue;
    EXPECT_EQ(poll(&ended, 1, 10000), 1);
  }
  EXPECT_THAT(*FindProcesses(net_.fd()), IsEmpty());
}

TEST_F(EnterTest, DoesNotWaitForWhatTheCommandLeavesRunning) {
  const auto start = std::chrono::steady_clock::now();
  const Outcome seen = Capture(Sh("sleep 50 & echo done"));
  EXPECT_EQ(seen.output, "done\n");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  const auto left = FindProcesses(net_.fd());
  ASSERT_EQ(left->size(), 1U);
  EXPECT_TRUE(SignalAndWait({left->front().identity}).ok());
}

TEST_F(EnterTest, InterruptEndsAllThatRun) {
  volatile int interrupted = 0;
  std::vector<CapturedCommand> commands;
  for (int i = 0; i < 3; ++i) {
    commands.push_back(
        {.spec = Sh("echo up; exec sleep 50"), .sink = [&](Stream, std::string_view) { interrupted = 1; }});
  }
  const auto statuses = RunCapturedAll(commands, 2, &interrupted);
  ASSERT_TRUE(statuses.ok());
  EXPECT_EQ(*statuses, (std::vector<int>{130, 130, 130}));
}

TEST_F(EnterTest, RunsSideBySideAndAnswersInOrder) {
  // Each waits for the other: one after the other they would never end.
  net_.Run("mkfifo " + folder_ + "/a " + folder_ + "/b");
  const auto quiet = [](Stream, std::string_view) {};
  std::vector<CapturedCommand> commands = {
      {.spec = Sh("echo x > " + folder_ + "/a; cat " + folder_ + "/b; exit 3"), .sink = quiet},
      {.spec = Sh("cat " + folder_ + "/a; echo x > " + folder_ + "/b; exit 4"), .sink = quiet}};
  EXPECT_EQ(*RunCapturedAll(commands), (std::vector<int>{3, 4}));
  commands = {{.spec = Sh("exit 1"), .sink = quiet}, {.spec = Sh("exit 2"), .sink = quiet}};
  EXPECT_EQ(*RunCapturedAll(commands, 1), (std::vector<int>{1, 2}));
}

TEST_F(EnterTest, HostIsWhereTheCallerIs) {
  EnterSpec spec = Sh("readlink /proc/self/ns/net; readlink /proc/self/ns/mnt; hostname");
  spec.ns_fd = -1;
  spec.host_name = "never-set";
  const Outcome seen = Capture(spec);
  EXPECT_THAT(seen.output, Not(HasSubstr("never-set")));
  char link[64] = "";
  EXPECT_GT(readlink("/proc/self/ns/mnt", link, sizeof(link) - 1), 0);
  EXPECT_THAT(seen.output, HasSubstr(link));
}

/// RunIn in a process of its own, whose signals the test can send; the command writes when it is ready.
class Foreground {
 public:
  explicit Foreground(EnterSpec spec) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(ends[1], 1);
      const auto status = RunIn(spec);
      _exit(status.ok() ? *status : 99);
    }
    close(ends[1]);
    char ready = 0;
    EXPECT_EQ(read(ends[0], &ready, 1), 1);
    close(ends[0]);
  }
  pid_t pid() const { return pid_; }
  int Wait() const {
    int status = 0;
    waitpid(pid_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = 0;
};

TEST_F(EnterTest, PassesSignalsOn) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
    const Foreground run(Sh("trap 'exit 41' TERM INT HUP QUIT; echo ready; while :; do sleep 0.01; done"));
    kill(run.pid(), number);
    EXPECT_EQ(run.Wait(), 41) << number;
  }
}

TEST_F(EnterTest, OutlivesASignalThatTheCommandTakesInItsStride) {
  const Foreground run(Sh("trap 'n=1' INT; echo ready; while [ -z \"$n\" ]; do sleep 0.01; done; exit 5"));
  kill(run.pid(), SIGINT);
  EXPECT_EQ(run.Wait(), 5);
}

TEST_F(EnterTest, RunInRestoresTheCallersSignals) {
  sigset_t before;
  sigprocmask(SIG_BLOCK, nullptr, &before);
  EXPECT_EQ(*RunIn(Sh("exit 3")), 3);
  sigset_t after;
  sigprocmask(SIG_BLOCK, nullptr, &after);
  for (int number = 1; number < 32; ++number) {
    EXPECT_EQ(sigismember(&before, number), sigismember(&after, number)) << number;
  }
}

TEST_F(EnterTest, IpNetnsExecTakesALinkToASharedFileToo) {
  // In a view of the files of its own, with an /etc and a /run that nobody else sees.
  ASSERT_TRUE(ReplaceFile(folder_ + "/script", R"(
    set -e
    mount --make-rprivate /
    mount -t tmpfs run /run
    mkdir -p /run/etc/netns/lab.r1 /run/lab
    touch /run/etc/hosts
    mount --bind /run/etc /etc
    echo '192.0.2.9 r9' > /run/lab/hosts
    ln -s /run/lab/hosts /etc/netns/lab.r1/hosts
    ip netns add lab.r1
    ip netns exec lab.r1 cat /etc/hosts
    ip netns del lab.r1
)")
                  .ok());
  EXPECT_EQ(net_.Run("unshare -m sh " + folder_ + "/script"), "192.0.2.9 r9\n");
}

}  // namespace
}  // namespace runner::kernel
