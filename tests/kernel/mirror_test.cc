#include "kernel/mirror.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "base/fd.h"
#include "throwaway.h"

namespace runner {
namespace {

/// In a process with a mount namespace of its own, which a change of the root does not outlive; failures are told
/// there.
void InOwnMounts(const std::function<void()>& body) {
  ASSERT_TRUE(test::BecomeRoot());
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNS) != 0 || mount("", "/", nullptr, MS_PRIVATE | MS_REC, nullptr) != 0) _exit(2);
    body();
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

dev_t DeviceOf(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? info.st_dev : 0;
}

TEST(Mirror, ShowsTheOldEntriesAndTakesNewOnes) {
  InOwnMounts([] {
    ASSERT_TRUE(kernel::MountTmpfs("/mnt", 0750).ok());
    ASSERT_EQ(mkdir("/mnt/folder", 0700), 0);
    ASSERT_TRUE(ReplaceFile("/mnt/folder/file", "deep").ok());
    ASSERT_TRUE(ReplaceFile("/mnt/file", "old").ok());
    ASSERT_TRUE(ReplaceFile("/mnt/left-out", "no").ok());
    ASSERT_EQ(symlink("folder/file", "/mnt/link"), 0);
    const Fd below(open("/mnt", O_PATH | O_DIRECTORY | O_CLOEXEC));
    const dev_t before = DeviceOf("/mnt");

    std::vector<std::string> missing;
    ASSERT_TRUE(kernel::MirrorFolder("/mnt", {"left-out"}, missing).ok());
    EXPECT_TRUE(missing.empty());
    EXPECT_NE(DeviceOf("/mnt"), before);
    EXPECT_EQ(ReadFile("/mnt/file").value(), "old");
    EXPECT_EQ(ReadFile("/mnt/link").value(), "deep");
    EXPECT_NE(access("/mnt/left-out", F_OK), 0);
    struct stat info {};
    ASSERT_EQ(stat("/mnt", &info), 0);
    EXPECT_EQ(info.st_mode & 07777U, 0750U);
    // New names stay above, what is shown is the old file itself.
    ASSERT_TRUE(ReplaceFile("/mnt/new", "new").ok());
    EXPECT_NE(faccessat(below.get(), "new", F_OK, 0), 0);
    ASSERT_TRUE(WriteExisting("/mnt/file", "OLD").ok());
    const Fd old(openat(below.get(), "file", O_RDONLY | O_CLOEXEC));
    char text[4] = {};
    EXPECT_EQ(read(old.get(), text, 3), 3);
    EXPECT_STREQ(text, "OLD");
  });
}

TEST(Mirror, TheRootCanBeOneToo) {
  InOwnMounts([] {
    const auto before = kernel::ListEntries("/");
    const auto stage = kernel::ListEntries("/mnt");
    ASSERT_TRUE(before.ok() && stage.ok());
    std::vector<std::string> missing;
    const Status done = kernel::MirrorRoot(missing);
    ASSERT_TRUE(done.ok()) << done.error().text();
    EXPECT_EQ(kernel::ListEntries("/").value().size() + missing.size(), before->size());
    EXPECT_EQ(kernel::ListEntries("/mnt").value(), *stage);
    EXPECT_EQ(access("/usr/bin/env", X_OK), 0);
    EXPECT_EQ(access("/proc/self/status", R_OK), 0);
    ASSERT_EQ(mkdir("/new-at-the-root", 0755), 0);
  });
  EXPECT_NE(access("/new-at-the-root", F_OK), 0);
}

}  // namespace
}  // namespace runner
