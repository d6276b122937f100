#include "exec/journal.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

namespace runner {
namespace {

Resource Plain(const std::string& node) {
  return {.id = {.kind = Kind::kNamespace, .name = node},
          .attributes = NamespaceAttributes{.name = "lab." + node, .node = node},
          .dependencies = {},
          .at = {}};
}

class JournalFile : public testing::Test {
 protected:
  JournalFile() {
    std::string pattern = testing::TempDir() + "journal.XXXXXX";
    folder_ = mkdtemp(pattern.data());
    path_ = folder_ + "/journal";
  }
  ~JournalFile() override { std::filesystem::remove_all(folder_); }

  Journal Open() {
    auto journal = Journal::Open(path_);
    EXPECT_TRUE(journal.ok()) << (journal.ok() ? "" : journal.error().text());
    return std::move(journal).value();
  }
  /// Two namespaces made, one gone again, one only begun.
  static Status Fill(Journal& journal) {
    LabHeader header;
    header.lab = "lab";
    header.file = "/x.yaml";
    header.set = {{"A", "1"}};
    header.nat_networks = {{"r", *IpPrefix::Parse("10.213.0.0/30")}};
    TRY(journal.SetHeader(header));
    for (const char* node : {"a", "b"}) {
      TRY(journal.Begin(Plain(node), {}));
      TRY(journal.Made(Plain(node).id, Plain(node).attributes));
    }
    TRY(journal.Gone(Plain("a").id));
    return journal.Begin(Plain("c"), NamespaceAttributes{.name = "former"});
  }
  void Write() {
    Journal journal = Open();
    ASSERT_TRUE(Fill(journal).ok());
  }

  std::string folder_;
  std::string path_;
};

TEST_F(JournalFile, IsNotThereUntilSomethingIsWritten) {
  EXPECT_FALSE(Open().exists());
  EXPECT_NE(access(path_.c_str(), F_OK), 0);
}

TEST_F(JournalFile, TellsWhatWasWritten) {
  Write();
  const Journal journal = Open();
  EXPECT_TRUE(journal.exists());
  EXPECT_EQ(journal.header().file, "/x.yaml");
  EXPECT_EQ(journal.header().set[0].second, "1");
  EXPECT_EQ(journal.header().nat_networks.at("r").text(), "10.213.0.0/30");
  const Record record = journal.record();
  ASSERT_EQ(record.size(), 2U);
  EXPECT_EQ(record[0].resource.id.name, "b");
  EXPECT_EQ(record[0].state, RecordEntry::State::kMade);
  EXPECT_EQ(record[1].resource.id.name, "c");
  EXPECT_EQ(record[1].state, RecordEntry::State::kBegun);
  EXPECT_EQ(std::get<NamespaceAttributes>(*record[1].former).name, "former");
}

// A crash may cut the file anywhere: what stands before the cut is read, and the next run writes on.
TEST_F(JournalFile, CutAtAnyByteIsReadUpToThere) {
  Write();
  const std::string whole = *ReadFile(path_);
  std::size_t most = 0;
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    ASSERT_TRUE(ReplaceFile(path_, std::string_view(whole).substr(0, size)).ok());
    Journal journal = Open();
    EXPECT_EQ(journal.damage(), "") << size;
    const Record before = journal.record();
    most = std::max(most, before.size());
    ASSERT_TRUE(journal.Begin(Plain("new"), {}).ok());
    ASSERT_TRUE(journal.Made(Plain("new").id, Plain("new").attributes).ok());
    EXPECT_EQ(Open().record().size(), before.size() + 1) << size;
  }
  EXPECT_EQ(most, 2U);
}

TEST_F(JournalFile, ForgottenIsGoneOnceFlushed) {
  Write();
  {
    Journal journal = Open();
    ASSERT_TRUE(journal.Forget(Plain("b").id).ok());
    EXPECT_EQ(Open().record().size(), 2U);
    ASSERT_TRUE(journal.Flush().ok());
  }
  EXPECT_EQ(Open().record().size(), 1U);
}

TEST_F(JournalFile, DamagedInTheMiddleSaysSo) {
  Write();
  std::string text = *ReadFile(path_);
  const std::size_t second_line = text.find('\n') + 1;
  text[second_line] = 'x';  // The first of "a", which is gone later on.
  ASSERT_TRUE(ReplaceFile(path_, text).ok());
  const Journal journal = Open();
  EXPECT_EQ(journal.damage(), "line 2 of the record is damaged: it is passed over");
  EXPECT_FALSE(journal.is_settled());
  // What stands behind the damage is still known.
  ASSERT_EQ(journal.record().size(), 2U);
  EXPECT_EQ(journal.record()[0].resource.id.name, "b");
  EXPECT_EQ(journal.record()[1].resource.id.name, "c");
}

// A file system that is full ends a write anywhere. What could not be written is written on from there, or, by another
// run, over the torn line.
TEST_F(JournalFile, FullAtAnyByteLosesNothing) {
  Write();
  const auto whole = static_cast<rlim_t>(ReadFile(path_)->size());
  ASSERT_EQ(unlink(path_.c_str()), 0);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, SIG_IGN);
  for (rlim_t size = 1; size < whole; ++size) {
    const rlimit limit{.rlim_cur = size, .rlim_max = before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    Journal journal = Open();
    EXPECT_FALSE(Fill(journal).ok()) << size;
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_EQ(Open().damage(), "") << size;
    ASSERT_TRUE(Fill(journal).ok()) << size;
    const Journal read = Open();
    EXPECT_EQ(read.damage(), "") << size;
    EXPECT_EQ(read.record().size(), 2U) << size;
    ASSERT_EQ(unlink(path_.c_str()), 0);
  }
  signal(SIGXFSZ, SIG_DFL);
}

TEST_F(JournalFile, IsSettledOnlyWhenARunEnded) {
  Write();
  {
    Journal journal = Open();
    EXPECT_FALSE(journal.is_settled()) << "nobody said that this is all";
    ASSERT_TRUE(journal.Settle().ok());
  }
  EXPECT_FALSE(Open().is_settled()) << "what was cut once is never trusted again";
  ASSERT_EQ(unlink(path_.c_str()), 0);
  {
    Journal journal = Open();
    ASSERT_TRUE(Fill(journal).ok());
    ASSERT_TRUE(journal.Settle().ok());
  }
  EXPECT_TRUE(Open().is_settled());
  const std::string text = *ReadFile(path_);
  {
    Journal journal = Open();
    ASSERT_TRUE(journal.Settle().ok());
  }
  EXPECT_EQ(*ReadFile(path_), text) << "said once is enough";
  // A file that ends earlier, at whichever line, is not all.
  for (std::size_t end = text.rfind('\n', text.size() - 2); end != std::string::npos && end > 0;
       end = text.rfind('\n', end - 1)) {
    ASSERT_TRUE(ReplaceFile(path_, std::string_view(text).substr(0, end + 1)).ok());
    EXPECT_FALSE(Open().is_settled()) << end;
  }
}

TEST_F(JournalFile, OfAnotherFormatIsRefused) {
  ASSERT_TRUE(ReplaceFile(path_, "{\"toporun\": 999}\n").ok());
  EXPECT_FALSE(Journal::Open(path_).ok());
}

TEST_F(JournalFile, HeaderAloneIsTheLastOne) {
  Write();
  LabHeader header = Open().header();
  header.file = "/another.yaml";
  {
    Journal journal = Open();
    ASSERT_TRUE(journal.SetHeader(header).ok());
  }
  ASSERT_TRUE(Journal::ReadHeader(path_).ok());
  EXPECT_EQ(*Journal::ReadHeader(path_), header);
  const std::string text = *ReadFile(path_);
  ASSERT_TRUE(ReplaceFile(path_, text.substr(0, text.size() - 1)).ok());
  EXPECT_NE(*Journal::ReadHeader(path_), header) << "a torn last line does not count";
  ASSERT_TRUE(ReplaceFile(path_, "").ok());
  EXPECT_FALSE(Journal::ReadHeader(path_).ok());
}

TEST_F(JournalFile, CompactedTellsTheSame) {
  Write();
  {
    Journal journal = Open();
    ASSERT_TRUE(journal.Compact().ok());
  }
  const Journal journal = Open();
  EXPECT_EQ(journal.record().size(), 2U);
  EXPECT_EQ(journal.header().lab, "lab");
}

}  // namespace
}  // namespace runner
