#include "base/fd.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace runner {
namespace {

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

class Files : public testing::Test {
 protected:
  Files() {
    std::string name = testing::TempDir() + "toporun-files-XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~Files() override { std::filesystem::remove_all(folder_); }
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }

  std::string folder_;
};

TEST(Fd, ClosesAtTheEndAndMovesOnce) {
  int raw = -1;
  {
    const Fd first(open("/dev/null", O_RDONLY | O_CLOEXEC));
    raw = first.get();
    ASSERT_TRUE(IsOpen(raw));
  }
  EXPECT_FALSE(IsOpen(raw));

  Fd from(open("/dev/null", O_RDONLY | O_CLOEXEC));
  raw = from.get();
  Fd to;
  to = std::move(from);
  EXPECT_EQ(to.get(), raw);
  EXPECT_FALSE(from.is_open());  // NOLINT(bugprone-use-after-move): a moved-from Fd is closed, by promise.
  EXPECT_EQ(to.Release(), raw);
  EXPECT_TRUE(IsOpen(raw));
  close(raw);
}

TEST_F(Files, OpenIsCloseOnExec) {
  auto fd = OpenFile(Path("a"), O_WRONLY | O_CREAT);
  ASSERT_TRUE(fd.ok()) << fd.error().text();
  EXPECT_EQ(fcntl(fd->get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST_F(Files, ErrorsNameThePath) {
  EXPECT_EQ(ReadFile(Path("none")).error().text(), "open \"" + Path("none") + "\": no such file or directory");
  EXPECT_EQ(ReadFile(folder_).error().text(), "read \"" + folder_ + "\": is a directory");
  EXPECT_EQ(WriteExisting(Path("none"), "x").error().code, ENOENT);
}

TEST_F(Files, ReadsBackWhatWasReplaced) {
  const std::string large(100'000, 'x');
  ASSERT_TRUE(ReplaceFile(Path("a"), "old").ok());
  ASSERT_TRUE(ReplaceFile(Path("a"), large, 0600).ok());
  EXPECT_EQ(*ReadFile(Path("a")), large);
  struct stat about {};
  ASSERT_EQ(stat(Path("a").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600U);
  // Nothing but the file itself is left.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(Files, AFailedReplacementLeavesTheOldContent) {
  ASSERT_TRUE(ReplaceFile(Path("a"), "old").ok());
  // The new file cannot be made where a folder has its name.
  ASSERT_TRUE(MakeFolders(Path("a.new")).ok());
  EXPECT_EQ(ReplaceFile(Path("a"), "new").error().code, EISDIR);
  EXPECT_EQ(*ReadFile(Path("a")), "old");
}

TEST_F(Files, ReadsFilesOfProcWithoutASize) { EXPECT_THAT(*ReadFile("/proc/self/status"), testing::HasSubstr("Pid:")); }

TEST_F(Files, MakesFoldersOnceAndAgain) {
  ASSERT_TRUE(MakeFolders(Path("a/b/c"), 0700).ok());
  ASSERT_TRUE(MakeFolders(Path("a/b/c"), 0700).ok());
  struct stat about {};
  ASSERT_EQ(stat(Path("a/b").c_str(), &about), 0);
  EXPECT_TRUE(S_ISDIR(about.st_mode));
  EXPECT_EQ(about.st_mode & 0777, 0700U);
}

TEST_F(Files, AFileInTheWayOfAFolderIsAnError) {
  ASSERT_TRUE(ReplaceFile(Path("a"), "").ok());
  EXPECT_EQ(MakeFolders(Path("a/b")).error().code, ENOTDIR);
  EXPECT_EQ(MakeFolders(Path("a")).error().code, ENOTDIR);
}

}  // namespace
}  // namespace runner
