#include "commands/record.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "kernel/boot.h"

namespace runner {
namespace {

Resource NamespaceOf(const std::string& node, bool is_switch = false) {
  return {.id = {.kind = Kind::kNamespace, .name = node},
          .attributes = NamespaceAttributes{.name = "home." + node, .node = node, .is_switch = is_switch}};
}

Resource FileOf(const std::string& node) {
  return {.id = {.kind = Kind::kFile, .name = node + "/hosts"},
          .attributes = FileAttributes{.ns = "home." + node, .name = "hosts", .content = "x"}};
}

class RecordOfALab : public testing::Test {
 protected:
  RecordOfALab() {
    char folder[] = "/tmp/record_test.XXXXXX";
    context_.state.path = mkdtemp(folder);
    context_.out = &out_;
    context_.err = &err_;
    header_.lab = "home";
    header_.file = "/home.yaml";
    header_.boot_id = BootId().value();
    header_.host_namespace = HostNamespaceId().value();
  }
  ~RecordOfALab() override { std::filesystem::remove_all(context_.state.path); }

  void Write(const std::vector<Resource>& resources) {
    std::filesystem::create_directories(context_.state.LabFolder("home"));
    auto journal = Journal::Open(context_.state.JournalPath("home"));
    ASSERT_TRUE(journal->SetHeader(header_).ok());
    for (const Resource& resource : resources) {
      ASSERT_TRUE(journal->Begin(resource, std::nullopt).ok());
      ASSERT_TRUE(journal->Made(resource.id, resource.attributes).ok());
    }
  }
  std::vector<std::string> Ids(Access access) {
    const auto journal = OpenRecord(context_, "home", access);
    if (!journal.ok()) return {journal.error().text()};
    std::vector<std::string> ids;
    for (const RecordEntry& entry : journal->record()) ids.push_back(entry.resource.id.text());
    return ids;
  }

  Context context_;
  LabHeader header_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(RecordOfALab, OfThisBootIsWhole) {
  Write({NamespaceOf("a"), FileOf("a")});
  EXPECT_EQ((std::vector<std::string>{"namespace a", "file a/hosts"}), Ids(Access::kWrite));
}

TEST_F(RecordOfALab, FromBeforeARebootKeepsItsFiles) {
  header_.boot_id = "another";
  Write({NamespaceOf("a"), FileOf("a")});
  EXPECT_EQ((std::vector<std::string>{"file a/hosts"}), Ids(Access::kPlan));
  EXPECT_EQ((std::vector<std::string>{"namespace a", "file a/hosts"}), Ids(Access::kLook))
      << "kPlan must write nothing";
  EXPECT_EQ((std::vector<std::string>{"file a/hosts"}), Ids(Access::kWrite));
  EXPECT_EQ((std::vector<std::string>{"file a/hosts"}), Ids(Access::kLook)) << "kWrite must have written";
}

TEST_F(RecordOfALab, OfAnotherHostIsAConflict) {
  header_.host_namespace += 1;
  Write({NamespaceOf("a")});
  const auto journal = OpenRecord(context_, "home", Access::kPlan);
  ASSERT_FALSE(journal.ok());
  EXPECT_EQ(Failure::kConflict, journal.error().failure);
  EXPECT_EQ(
      "lab \"home\": use its record: it was brought up from another network namespace: `host` means another one "
      "there",
      journal.error().text());
}

TEST_F(RecordOfALab, ThatIsNotThereIsEmpty) {
  const auto journal = OpenRecord(context_, "nobody", Access::kWrite);
  ASSERT_TRUE(journal.ok());
  EXPECT_FALSE(journal->exists());
}

TEST_F(RecordOfALab, TellsNodesBeforeSwitches) {
  Record record;
  for (const Resource& resource : {NamespaceOf("b"), NamespaceOf("lan", true), NamespaceOf("a"), FileOf("a")}) {
    record.push_back({.resource = resource, .former = {}});
  }
  std::vector<std::string> names;
  for (const RecordedPlace& place : PlacesOf(record)) names.push_back(place.node);
  EXPECT_EQ((std::vector<std::string>{"b", "a", "lan"}), names);
  EXPECT_EQ("home.lan", FindPlace(PlacesOf(record), "home", "lan")->ns_name);
  EXPECT_EQ("lab \"home\" has no node \"lam\" (did you mean \"lan\"?)",
            FindPlace(PlacesOf(record), "home", "lam").error().text());
}

}  // namespace
}  // namespace runner
