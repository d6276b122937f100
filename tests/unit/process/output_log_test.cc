#include "process/output_log.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"

namespace runner::process {
namespace {

class OutputLogTest : public testing::Test {
 protected:
  OutputLogTest() : folder_(mkdtemp(template_)), path_(folder_ + "/log") {}
  ~OutputLogTest() override {
    unlink(path_.c_str());
    unlink((path_ + ".1").c_str());
    rmdir(folder_.c_str());
  }
  char template_[40] = "/tmp/toporun-output-XXXXXX";
  std::string folder_;
  std::string path_;
};

TEST_F(OutputLogTest, KeepsTwoHalvesOfBoundedSize) {
  OutputLog log(path_);
  const std::string piece(100'000, 'x');
  for (int i = 0; i < 50; ++i) log.Append(piece);
  log.Append("the end\n");
  const auto newer = ReadFile(path_);
  const auto older = ReadFile(path_ + ".1");
  ASSERT_TRUE(newer.ok() && older.ok());
  EXPECT_TRUE(newer->ends_with("the end\n"));
  EXPECT_LE(newer->size(), OutputLog::kFull + piece.size());
  EXPECT_GE(older->size(), OutputLog::kFull);
  EXPECT_LE(older->size(), OutputLog::kFull + piece.size());
}

TEST_F(OutputLogTest, GoesOnWhereAnotherEnded) {
  OutputLog(path_).Append("one\n");
  OutputLog(path_).Append("two\n");
  EXPECT_EQ(ReadFile(path_).value(), "one\ntwo\n");
}

TEST_F(OutputLogTest, MatchesLinesThatComeInPieces) {
  OutputLog log(path_);
  log.Append("is ready\n");
  log.LookFor("^is ready$");
  EXPECT_FALSE(log.has_matched());  // It was said before anybody asked.
  log.Append("it is ready\nis re");
  EXPECT_FALSE(log.has_matched());
  log.Append("ady\n");
  EXPECT_TRUE(log.has_matched());
  log.LookFor("never");
  EXPECT_FALSE(log.has_matched());
}

TEST_F(OutputLogTest, MatchesWhatEndsInNoNewline) {
  OutputLog log(path_);
  log.LookFor("login: $");
  log.Append("web login: ");
  EXPECT_TRUE(log.has_matched());
}

}  // namespace
}  // namespace runner::process
