#include "kernel/nftables_user.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernel/throwaway.h"

namespace runner::kernel {
namespace {

using test::ThrowawayNet;
using ::testing::HasSubstr;

const TableId kOwn{.family = "inet", .name = "toporun"};

constexpr const char* kOwnText = R"(table inet toporun {
  chain c { type nat hook postrouting priority 100; oifname "eth0" masquerade comment "ours"; }
})";

std::vector<TableId> Ids(const std::vector<LoadedTable>& tables) {
  std::vector<TableId> ids;
  for (const LoadedTable& table : tables) ids.push_back(table.id);
  return ids;
}

class UserRulesTest : public ::testing::Test {
 protected:
  std::vector<LoadedTable> Load(const UserRules& rules) {
    auto loaded = LoadUserRules(worker_, net_.fd(), rules);
    EXPECT_TRUE(loaded.ok()) << loaded.error().text();
    return loaded ? *loaded : std::vector<LoadedTable>{};
  }
  Error LoadError(const UserRules& rules) {
    auto loaded = LoadUserRules(worker_, net_.fd(), rules);
    EXPECT_FALSE(loaded.ok());
    return loaded.ok() ? Error{} : loaded.error();
  }
  std::string Tables() { return net_.Run("nft list tables | sort"); }

  ThrowawayNet net_;
  NftWorker worker_;
};

TEST_F(UserRulesTest, ReplacesWhatTheFormerLoadMade) {
  net_.Run("nft 'add table ip others'");
  const auto first = Load({.text = "table ip a { chain c { accept; }; }\ntable ip6 b {}\n", .own_tables = {kOwn}});
  EXPECT_EQ(Ids(first), (std::vector<TableId>{{"ip", "a"}, {"ip6", "b"}}));
  const auto second =
      Load({.text = "table ip a { chain d { drop; }; }", .old_tables = Ids(first), .own_tables = {kOwn}});
  EXPECT_EQ(Ids(second), (std::vector<TableId>{{"ip", "a"}}));
  EXPECT_EQ(Tables(), "table ip a\ntable ip others\n");
  EXPECT_THAT(net_.Run("nft list table ip a"), ::testing::Not(HasSubstr("chain c")));
  EXPECT_THAT(second[0].listing, HasSubstr("\"drop\""));
}

TEST_F(UserRulesTest, EmptyTextRemovesWhatTheFormerLoadMade) {
  const auto first = Load({.text = "table ip a {}"});
  EXPECT_TRUE(Load({.text = "", .old_tables = Ids(first)}).empty());
  EXPECT_EQ(Tables(), "");
}

TEST_F(UserRulesTest, KeepsTheFormerLoadWhenTheNewOneFails) {
  const auto first = Load({.text = "table ip a { chain c { accept; }; }"});
  const Error error = LoadError({.text = "table ip a {\n chain c { jump nowhere; }\n}\n", .old_tables = Ids(first)});
  EXPECT_EQ(error.at.line, 2);
  EXPECT_EQ(error.excerpt, " chain c { jump nowhere; }");
  EXPECT_EQ(Load({.text = "", .old_tables = {}}).size(), 0U);
  EXPECT_THAT(net_.Run("nft list ruleset"), HasSubstr("accept"));
}

TEST_F(UserRulesTest, OwnTableOutlivesFlushRuleset) {
  net_.Run(std::string("nft '") + kOwnText + "'");
  const std::string before = net_.Run("nft list table inet toporun");
  const auto loaded = Load({.text = "flush ruleset\ntable ip a {}", .own_tables = {kOwn, {"ip", "not-there"}}});
  EXPECT_EQ(Ids(loaded), (std::vector<TableId>{{"ip", "a"}}));
  EXPECT_EQ(net_.Run("nft list table inet toporun"), before);
}

TEST_F(UserRulesTest, OwnTableIsAsBeforeWhateverTheTextAddsToIt) {
  net_.Run(std::string("nft '") + kOwnText + "'");
  const std::string before = net_.Run("nft list table inet toporun");
  EXPECT_TRUE(Load({.text = "table inet toporun { chain mine {}; }", .own_tables = {kOwn}}).empty());
  EXPECT_EQ(net_.Run("nft list table inet toporun"), before);
}

TEST_F(UserRulesTest, TellsAnUnfinishedTextAtItsOwnEnd) {
  net_.Run(std::string("nft '") + kOwnText + "'");
  const Error error = LoadError({.text = "flush ruleset\ntable ip a {\n", .own_tables = {kOwn}});
  EXPECT_EQ(error.at.line, 3);
  EXPECT_THAT(net_.Run("nft list tables"), HasSubstr("toporun"));
}

TEST_F(UserRulesTest, RefusesToFlushWhatIsNotTheLabs) {
  net_.Run("nft 'add table ip others'");
  const Error error = LoadError({.text = "flush ruleset\ntable ip a {}\n", .owner = NamespaceOwner::kSomebodyElse});
  EXPECT_EQ(error.failure, Failure::kConflict);
  EXPECT_THAT(error.text(), HasSubstr("flushes the ruleset"));
  EXPECT_EQ(Tables(), "table ip others\n");
}

TEST_F(UserRulesTest, RefusesToAddToATableThatIsNotTheLabs) {
  net_.Run("nft 'add table ip others'");
  const Error error = LoadError({.text = "table ip others { chain c {}; }", .owner = NamespaceOwner::kSomebodyElse});
  EXPECT_EQ(error.failure, Failure::kConflict);
  EXPECT_THAT(error.text(), HasSubstr("\"ip others\""));
  EXPECT_EQ(net_.Run("nft list ruleset"), "table ip others {\n}\n");
  const auto loaded = Load({.text = "table ip a {}", .owner = NamespaceOwner::kSomebodyElse});
  EXPECT_EQ(
      Load({.text = "table ip a { chain c {}; }", .old_tables = Ids(loaded), .owner = NamespaceOwner::kSomebodyElse})
          .size(),
      1U);
}

TEST_F(UserRulesTest, CheckTellsMistakesAndTouchesNothing) {
  EXPECT_TRUE(
      CheckUserRules(worker_, {.text = "table ip a { chain c { iif eth0 accept; }; }", .interfaces = {"eth0"}}).ok());
  const auto bad = CheckUserRules(worker_, {.text = "table ip a {\n chain c { bogus; }\n}\n"});
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().at.line, 2);
  EXPECT_FALSE(CheckUserRules(worker_, {.text = "flush ruleset", .owner = NamespaceOwner::kSomebodyElse}).ok());
  EXPECT_EQ(Tables(), "");
}

TEST_F(UserRulesTest, ReadTablesSeesAnEditAndALoss) {
  const auto loaded = Load({.text = "table ip a { chain c { accept; }; }\ntable ip b {}"});
  auto read = ReadTables(worker_, net_.fd(), Ids(loaded));
  ASSERT_TRUE(read.ok()) << read.error().text();
  EXPECT_EQ(*read, loaded);
  net_.Run("nft 'add rule ip a c drop; delete table ip b'");
  read = ReadTables(worker_, net_.fd(), Ids(loaded));
  ASSERT_TRUE(read.ok()) << read.error().text();
  ASSERT_EQ(read->size(), 1U);
  EXPECT_NE((*read)[0], loaded[0]);
}

}  // namespace
}  // namespace runner::kernel
