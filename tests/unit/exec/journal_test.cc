#include "exec/journal.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace runner {
namespace {

Resource Space(const std::string& node) {
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
  void Write() {
    Journal journal = Open();
    LabHeader header;
    header.lab = "lab";
    header.file = "/x.yaml";
    header.set = {{"A", "1"}};
    header.nat_networks = {{"r", *IpPrefix::Parse("10.213.0.0/30")}};
    ASSERT_TRUE(journal.SetHeader(header).ok());
    for (const char* node : {"a", "b"}) {
      ASSERT_TRUE(journal.Begin(Space(node), {}).ok());
      ASSERT_TRUE(journal.Made(Space(node).id, Space(node).attributes).ok());
    }
    ASSERT_TRUE(journal.Gone(Space("a").id).ok());
    ASSERT_TRUE(journal.Begin(Space("c"), NamespaceAttributes{.name = "former"}).ok());
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
    ASSERT_TRUE(journal.Begin(Space("new"), {}).ok());
    ASSERT_TRUE(journal.Made(Space("new").id, Space("new").attributes).ok());
    EXPECT_EQ(Open().record().size(), before.size() + 1) << size;
  }
  EXPECT_EQ(most, 2U);
}

TEST_F(JournalFile, ForgottenIsGoneOnceFlushed) {
  Write();
  {
    Journal journal = Open();
    ASSERT_TRUE(journal.Forget(Space("b").id).ok());
    EXPECT_EQ(Open().record().size(), 2U);
    ASSERT_TRUE(journal.Flush().ok());
  }
  EXPECT_EQ(Open().record().size(), 1U);
}

TEST_F(JournalFile, DamagedInTheMiddleSaysSo) {
  Write();
  std::string text = *ReadFile(path_);
  const std::size_t second_line = text.find('\n') + 1;
  text[second_line] = 'x';
  ASSERT_TRUE(ReplaceFile(path_, text).ok());
  EXPECT_EQ(Open().damage(), "line 2 of the record is damaged: what stands behind it is not read");
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
