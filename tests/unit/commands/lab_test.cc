#include "commands/lab.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace runner {
namespace {

LabHeader Header(const std::string& lab, const std::string& file) {
  LabHeader header;
  header.lab = lab;
  header.file = file;
  header.boot_id = "a boot";
  header.digest = "a digest";
  header.since = "2020-01-01T00:00:00Z";
  return header;
}

LabHeader Copy(const std::string& lab, const std::string& file) {
  LabHeader header = Header(lab, file);
  header.is_copy = true;
  return header;
}

/// Labs that are "up" have a record in a folder of the test's own.
class Lab : public testing::Test {
 protected:
  Lab() {
    char folder[] = "/tmp/lab_test.XXXXXX";
    folder_ = mkdtemp(folder);
    context_.state.path = folder_ + "/state";
    context_.out = &out_;
    context_.err = &err_;
  }
  ~Lab() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }
  void Record(const LabHeader& header) {
    std::filesystem::create_directories(context_.state.LabFolder(header.lab));
    auto journal = Journal::Open(context_.state.JournalPath(header.lab));
    ASSERT_TRUE(journal.ok());
    ASSERT_TRUE(journal->SetHeader(header).ok());
  }
  static std::string Text(const Errors& errors) { return errors.empty() ? "" : errors.front().text(); }

  std::string folder_;
  Context context_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(Lab, LooksLikeAFileByItsFormOnly) {
  for (const char* word : {"-", "./home", "a/b", "home.yaml", "home.yml"}) EXPECT_TRUE(LooksLikeFile(word)) << word;
  for (const char* word : {"home", "home.json", "yaml"}) EXPECT_FALSE(LooksLikeFile(word)) << word;
}

TEST_F(Lab, OfAPathIsTheOneThatWasBroughtUpFromIt) {
  const std::map<std::string, LabHeader> up = {{"a", Header("a", "/x/a.yaml")}, {"b", Header("b", "/x/b.yaml")}};
  EXPECT_EQ("b", *LabOfPath(up, "/x/b.yaml", std::nullopt).value());
  EXPECT_EQ(std::nullopt, LabOfPath(up, "/x/c.yaml", "a").value());
}

TEST_F(Lab, OfAPathWithCopiesIsTheOriginal) {
  const std::map<std::string, LabHeader> up = {{"a", Header("a", "/x")}, {"b", Copy("b", "/x")}};
  EXPECT_EQ("a", *LabOfPath(up, "/x", std::nullopt).value());
  EXPECT_EQ("b", *LabOfPath(up, "/x", "b").value());
}

TEST_F(Lab, OfAPathWithTwoCopiesHasToBeNamed) {
  const std::map<std::string, LabHeader> up = {{"b", Copy("b", "/x")}, {"c", Copy("c", "/x")}};
  const auto lab = LabOfPath(up, "/x", "a");
  ASSERT_FALSE(lab.ok());
  EXPECT_EQ("find the lab of \"/x\": it was brought up more than once: b, c; name one of them", lab.error().text());
}

TEST_F(Lab, StandardInputIsNobodysPath) {
  const std::map<std::string, LabHeader> up = {{"a", Header("a", "-")}};
  EXPECT_EQ(std::nullopt, LabOfPath(up, "-", std::nullopt).value());
}

TEST_F(Lab, IsFoundByNameBeforeAFileOfThatName) {
  Record(Header("home", "/elsewhere.yaml"));
  const auto lab = FindLab(context_, "home");
  ASSERT_TRUE(lab.ok());
  EXPECT_EQ("home", lab->name);
  EXPECT_TRUE(lab->is_up);
}

TEST_F(Lab, IsFoundByAPathWhoseFileIsGone) {
  Record(Header("home", folder_ + "/gone.yaml"));
  const auto lab = FindLab(context_, folder_ + "/gone.yaml");
  ASSERT_TRUE(lab.ok()) << Text(lab.error());
  EXPECT_EQ("home", lab->name);
}

TEST_F(Lab, ThatIsNotUpHasANearName) {
  Record(Header("home", "/x"));
  const auto lab = FindLabThatIsUp(context_, "hme");
  ASSERT_FALSE(lab.ok());
  EXPECT_EQ("lab \"hme\" is not up (did you mean \"home\"?)", Text(lab.error()));
}

TEST_F(Lab, OfAFileThatNobodyBroughtUpHasTheFilesName) {
  const auto lab = FindLab(context_, Write("x.yaml", "name: yard\nnodes: {a: }\n"));
  ASSERT_TRUE(lab.ok()) << Text(lab.error());
  EXPECT_EQ("yard", lab->name);
  EXPECT_FALSE(lab->is_up);
}

TEST_F(Lab, ByNameIsReadFromItsRecordedPathWithItsSettings) {
  LabHeader header = Header("home", Write("x.yaml", "nodes: {\"${NODE}\": , \"${OTHER}\": }\n"));
  header.set = {{"NODE", "a"}, {"OTHER", "b"}};
  Record(header);
  context_.set = {{"OTHER", "c"}};
  const auto wanted = ReadWantedLab(context_, "home");
  ASSERT_TRUE(wanted.ok()) << Text(wanted.error());
  EXPECT_EQ("home", wanted->topology.name);
  EXPECT_TRUE(wanted->topology.FindNode("a"));
  EXPECT_TRUE(wanted->topology.FindNode("c"));
  EXPECT_EQ((Settings{{"NODE", "a"}, {"OTHER", "c"}}), wanted->set);
}

TEST_F(Lab, FromStandardInputCannotBeReadAgain) {
  Record(Header("home", "-"));
  const auto wanted = ReadWantedLab(context_, "home");
  ASSERT_FALSE(wanted.ok());
  EXPECT_EQ("read the file of lab \"home\": it came from standard input, which is gone; name a file",
            Text(wanted.error()));
}

TEST_F(Lab, NeitherUpNorAFileIsTold) {
  const auto wanted = ReadWantedLab(context_, "nothing");
  ASSERT_FALSE(wanted.ok());
  EXPECT_EQ("lab \"nothing\" is not up, and there is no file of that name", Text(wanted.error()));
  EXPECT_EQ(1, Ending::StatusOf(wanted.error()));
}

TEST_F(Lab, WhoseFileGotAnotherNameStaysAndWarns) {
  const std::string path = Write("x.yaml", "name: fresh\nnodes: {a: }\n");
  Record(Header("old", AbsolutePath(path)));
  const auto wanted = ReadWantedLab(context_, path);
  ASSERT_TRUE(wanted.ok()) << Text(wanted.error());
  EXPECT_EQ("old", wanted->topology.name);
  EXPECT_NE(std::string::npos, err_.str().find("was up as \"old\"")) << err_.str();
}

TEST_F(Lab, WhoseFileWasMovedWarns) {
  const std::string path = Write("fresh.yaml", "nodes: {a: }\n");
  LabHeader header = Header("old", folder_ + "/old.yaml");
  header.digest = ReadSource(path)->digest;
  Record(header);
  const auto wanted = ReadWantedLab(context_, path);
  ASSERT_TRUE(wanted.ok()) << Text(wanted.error());
  EXPECT_EQ("fresh", wanted->topology.name);
  EXPECT_NE(std::string::npos, err_.str().find("was up as \"old\"")) << err_.str();
}

TEST_F(Lab, OfAFileWithACopyUpIsTheFilesOwn) {
  const std::string path = Write("x.yaml", "name: own\nnodes: {a: }\n");
  Record(Copy("copy", AbsolutePath(path)));
  const auto wanted = ReadWantedLab(context_, path);
  ASSERT_TRUE(wanted.ok()) << Text(wanted.error());
  EXPECT_EQ("own", wanted->topology.name);
  EXPECT_EQ("", err_.str());
}

TEST_F(Lab, UnderAnotherNameIsACopy) {
  context_.name = "second";
  const auto wanted = ReadWantedLab(context_, Write("x.yaml", "name: own\nnodes: {a: }\n"));
  ASSERT_TRUE(wanted.ok()) << Text(wanted.error());
  EXPECT_EQ("second", wanted->topology.name);
  EXPECT_TRUE(wanted->is_copy);
}

TEST_F(Lab, ErrorsOfALaterStageShowTheLine) {
  const Source source{.shown = "x.yaml", .path = "/x.yaml", .text = "nodes:\n  a: {}\n", .digest = {}};
  Error conflict = Fail("it is in the way");
  conflict.failure = Failure::kConflict;
  conflict.at = {.line = 2, .column = 3};
  const Errors errors = WithExcerpts({Fail("no place"), conflict}, source);
  ASSERT_EQ(2U, errors.size());
  EXPECT_EQ("", errors[0].file);
  EXPECT_EQ("x.yaml", errors[1].file);
  EXPECT_EQ("  a: {}", errors[1].excerpt);
  EXPECT_EQ(Failure::kConflict, errors[1].failure);
}

TEST_F(Lab, AnInterruptionOutweighsWhatItLedTo) {
  Error interrupted = Fail("interrupted");
  interrupted.failure = Failure::kInterrupted;
  EXPECT_EQ(130, Ending::StatusOf({Fail("x"), interrupted}));
  EXPECT_EQ(1, Ending(Fail("x")).status());
}

}  // namespace
}  // namespace runner
