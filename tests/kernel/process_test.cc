#include "kernel/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>

#include <csignal>
#include <thread>

#include "tests/kernel/throwaway.h"

namespace runner::kernel {
namespace {

using test::ThrowawayNet;
using ::testing::HasSubstr;

/// A child that has told that it is ready; it ends with the test.
class Child {
 public:
  template <class Body>
  explicit Child(const Body& body) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      body();
      if (write(ends[1], "r", 1) != 1) _exit(1);
      while (true) pause();
    }
    close(ends[1]);
    char ready = 0;
    EXPECT_EQ(read(ends[0], &ready, 1), 1);
    close(ends[0]);
    identity_ = ReadProcessIdentity(pid_).value_or(ProcessIdentity{});
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (!waited_) {
      kill(pid_, SIGKILL);
      Wait();
    }
  }
  const ProcessIdentity& identity() const { return identity_; }
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    waited_ = true;
    return status;
  }

 private:
  pid_t pid_ = 0;
  bool waited_ = false;
  ProcessIdentity identity_;
};

void EnterOrExit(const ThrowawayNet& net) {
  if (setns(net.fd(), CLONE_NEWNET) != 0) _exit(1);
}

TEST(FindProcesses, FindsThoseInsideAndNobodyElse) {
  const ThrowawayNet net;
  const Child outside([] {});
  const Child inside([&] {
    EnterOrExit(net);
    prctl(PR_SET_NAME, "od) d (name");
  });
  const auto found = FindProcesses(net.fd());
  ASSERT_TRUE(found.ok()) << found.error().text();
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ((*found)[0].identity, inside.identity());
  EXPECT_EQ((*found)[0].comm, "od) d (name");
  EXPECT_NE(inside.identity().start_time, 0U);
}

TEST(FindProcesses, FindsOneWhoseSecondThreadIsInside) {
  const ThrowawayNet net;
  const Child child([&] {
    int ends[2];
    if (pipe(ends) != 0) _exit(1);
    std::thread([&net, out = ends[1]] {
      EnterOrExit(net);
      if (write(out, "r", 1) != 1) _exit(1);
      while (true) pause();
    }).detach();
    char ready = 0;
    if (read(ends[0], &ready, 1) != 1) _exit(1);
  });
  const auto found = FindProcesses(net.fd());
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ((*found)[0].identity, child.identity());
}

TEST(FindProcesses, QuotesTheCommandLine) {
  const ThrowawayNet net;
  net.Run("sleep 60 >/dev/null 2>&1 &");
  const auto found = FindProcesses(net.fd());
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ((*found)[0].command_line, "sleep 60");
  EXPECT_TRUE(SignalAndWait({(*found)[0].identity}).ok());
}

TEST(IdentifyProcess, TellsTheNamespace) {
  const ThrowawayNet net;
  const Child inside([&] { EnterOrExit(net); });
  const auto inode = IdentifyProcess(inside.identity().pid);
  ASSERT_TRUE(inode.ok());
  EXPECT_EQ(*inode, *ReadNamespaceInode(net.fd()));
  EXPECT_NE(*inode, *IdentifyProcess(getpid()));
  EXPECT_EQ(IdentifyProcess(0x3fffffff).error().code, ENOENT);
}

TEST(OpenProcess, RefusesAPidThatCameAgain) {
  const Child child([] {});
  ProcessIdentity other = child.identity();
  ++other.start_time;
  EXPECT_TRUE(OpenProcess(child.identity()).ok());
  ASSERT_FALSE(OpenProcess(other).ok());
  EXPECT_EQ(OpenProcess(other).error().code, ESRCH);
  EXPECT_TRUE(IsRunning(child.identity()));
  EXPECT_FALSE(IsRunning(other));
}

TEST(SignalAndWait, EndsAWillingOneByTerm) {
  Child child([] {});
  ASSERT_TRUE(SignalAndWait({child.identity()}).ok());
  EXPECT_FALSE(IsRunning(child.identity()));
  EXPECT_EQ(WTERMSIG(child.Wait()), SIGTERM);
}

TEST(SignalAndWait, KillsAnUnwillingOneAfterTheGrace) {
  Child willing([] {});
  Child unwilling([] { signal(SIGTERM, SIG_IGN); });
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(
      SignalAndWait({unwilling.identity(), willing.identity()}, {.grace = std::chrono::milliseconds(100)}).ok());
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(100));
  EXPECT_EQ(WTERMSIG(unwilling.Wait()), SIGKILL);
  EXPECT_EQ(WTERMSIG(willing.Wait()), SIGTERM);
}

TEST(SignalAndWait, EndsAStoppedOne) {
  Child child([] {});
  kill(child.identity().pid, SIGSTOP);
  ASSERT_TRUE(SignalAndWait({child.identity()}, {.grace = std::chrono::milliseconds(100)}).ok());
  EXPECT_TRUE(WIFSIGNALED(child.Wait()));
}

TEST(SignalAndWait, SparesItselfItsParentsAndStrangers) {
  const Child stranger([] {});
  ProcessIdentity reused = stranger.identity();
  ++reused.start_time;
  const std::vector<ProcessIdentity> ours = {*ReadProcessIdentity(getpid()), *ReadProcessIdentity(getppid())};
  const auto spared = SignalAndWait({ours[0], ours[1], reused});
  ASSERT_TRUE(spared.ok()) << spared.error().text();
  EXPECT_EQ(*spared, ours);
  EXPECT_TRUE(IsRunning(stranger.identity()));
}

TEST(EndProcesses, EndsWhatTheOthersStartOnTheirWayOut) {
  const ThrowawayNet net;
  net.Run("sh -c 'trap \"sleep 60 & sleep 60 & exit\" TERM; echo; while :; do sleep 0.01; done' >/dev/null 2>&1 &");
  while (FindProcesses(net.fd())->empty()) {
  }
  const auto ended = EndProcesses(net.fd());
  ASSERT_TRUE(ended.ok()) << ended.error().text();
  EXPECT_FALSE(ended->empty());
  EXPECT_TRUE(FindProcesses(net.fd())->empty());
  EXPECT_TRUE(EndProcesses(net.fd())->empty());
}

TEST(EndProcesses, SparesTheCallerThatIsInside) {
  const ThrowawayNet net;
  net.Inside([&] {
    const auto ended = EndProcesses(net.fd());
    EXPECT_TRUE(ended.ok()) << ended.error().text();
    if (ended) {
      EXPECT_TRUE(ended->empty());
    }
    return 0;
  });
}

}  // namespace
}  // namespace runner::kernel
