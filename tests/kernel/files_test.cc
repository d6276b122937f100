#include "kernel/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/fd.h"

namespace runner::kernel {
namespace {

class FilesTest : public ::testing::Test {
 protected:
  ~FilesTest() override { std::filesystem::remove_all(root_); }

  static std::string MakeFolder() {
    std::string path = ::testing::TempDir() + "toporun-files-XXXXXX";
    if (mkdtemp(path.data()) == nullptr) std::abort();
    return path;
  }

  std::string root_ = MakeFolder();
  NodeFiles files_{root_ + "/netns", "lab.r1"};
};

TEST_F(FilesTest, WritesReadsAndRemovesTillNothingIsLeft) {
  EXPECT_EQ(files_.Read("hosts").value(), std::nullopt);
  ASSERT_TRUE(files_.Write("hosts", "one\n").ok());
  ASSERT_TRUE(files_.Write("hosts", "two\n").ok());
  EXPECT_EQ(files_.Read("hosts").value(), "two\n");
  EXPECT_EQ(*ReadFile(root_ + "/netns/lab.r1/hosts"), "two\n");
  EXPECT_EQ(files_.LinkTarget("hosts"), std::nullopt);
  struct stat info {};
  ASSERT_EQ(stat(files_.path("hosts").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0644U);
  EXPECT_TRUE(files_.Remove("hosts").ok());
  EXPECT_TRUE(files_.Remove("hosts").ok());
  EXPECT_TRUE(files_.RemoveFolderIfEmpty().ok());
  EXPECT_TRUE(files_.RemoveFolderIfEmpty().ok());
  EXPECT_TRUE(files_.RemoveBaseIfEmpty().ok());
  EXPECT_TRUE(std::filesystem::is_empty(root_));
}

TEST_F(FilesTest, LinksToASharedFileAndReplacesBothWays) {
  ASSERT_TRUE(ReplaceFile(root_ + "/shared", "all\n").ok());
  ASSERT_TRUE(files_.Write("hosts", "own\n").ok());
  ASSERT_TRUE(files_.Link("hosts", root_ + "/shared").ok());
  ASSERT_TRUE(files_.Link("hosts", root_ + "/shared").ok());
  EXPECT_EQ(files_.LinkTarget("hosts"), root_ + "/shared");
  EXPECT_EQ(files_.Read("hosts").value(), "all\n");
  ASSERT_TRUE(files_.Write("hosts", "own\n").ok());
  EXPECT_EQ(files_.LinkTarget("hosts"), std::nullopt);
  EXPECT_EQ(*ReadFile(root_ + "/shared"), "all\n");
  ASSERT_TRUE(files_.Link("hosts", root_ + "/shared").ok());
  ASSERT_TRUE(files_.Remove("hosts").ok());
  EXPECT_EQ(*ReadFile(root_ + "/shared"), "all\n");
  EXPECT_TRUE(std::filesystem::is_empty(files_.folder()));
}

TEST_F(FilesTest, LeavesAFolderThatHoldsSomebodyElsesFile) {
  ASSERT_TRUE(files_.Write("hosts", "x").ok());
  ASSERT_TRUE(ReplaceFile(files_.path("nsswitch.conf"), "theirs").ok());
  ASSERT_TRUE(files_.Remove("hosts").ok());
  EXPECT_TRUE(files_.RemoveFolderIfEmpty().ok());
  EXPECT_TRUE(files_.RemoveBaseIfEmpty().ok());
  EXPECT_EQ(files_.Read("nsswitch.conf").value(), "theirs");
}

TEST_F(FilesTest, NamesThePathThatItCannotWrite) {
  ASSERT_TRUE(ReplaceFile(root_ + "/netns", "a file").ok());
  const Status written = files_.Write("hosts", "x");
  ASSERT_FALSE(written.ok());
  EXPECT_THAT(written.error().text(), ::testing::HasSubstr(root_ + "/netns"));
}

}  // namespace
}  // namespace runner::kernel
