#include "kernel/nftables.h"
#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>

#include "base/fd.h"
#include "tests/kernel/throwaway.h"

namespace runner::kernel {
namespace {

using test::ThrowawayNet;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Json TruthListing(const ThrowawayNet& net) {
  auto json = ParseJson(net.Run("nft -j list ruleset"));
  EXPECT_TRUE(json.ok());
  return json ? *json : Json();
}

TEST(ParseNftErrors, TellsPlaceWidthAndSentence) {
  EXPECT_THAT(ParseNftErrors("/proc/self/fd/4:3:16-20: Error: syntax error, unexpected newline\n"
                             "  tcp dport 80 acept # Error: no\n"
                             "               ^^^^^\n"
                             "internal:0:0-0: Error: Could not process rule: No such file or directory\n"),
              ElementsAre(NftError{.line = 3, .column = 16, .width = 5, .text = "syntax error, unexpected newline"},
                          NftError{.text = "could not process rule: No such file or directory"}));
  EXPECT_THAT(ParseNftErrors("netlink: Error: cache initialization failed: Operation not permitted\n"),
              ElementsAre(NftError{.text = "cache initialization failed: Operation not permitted"}));
}

TEST(ParseNftErrors, PutsAnIncludedFilesMistakeWhereItIsIncluded) {
  EXPECT_THAT(ParseNftErrors("In file included from /proc/self/fd/4:2:1-21:\n"
                             "/run/i.nft:1:30-30: Error: syntax error\n"),
              ElementsAre(NftError{.line = 2, .column = 1, .width = 21, .text = "/run/i.nft:1:30: syntax error"}));
}

TEST(NftWorker, RunsInTheGivenNamespaceOnly) {
  const ThrowawayNet a;
  const ThrowawayNet b;
  NftWorker worker;
  EXPECT_EQ(worker.pid(), 0);
  ASSERT_TRUE(worker.Run(a.fd(), "add table inet one", NftInput::kText).ok());
  ASSERT_TRUE(
      worker.Run(b.fd(), R"({"nftables":[{"add":{"table":{"family":"ip","name":"fwd"}}}]})", NftInput::kJson).ok());
  EXPECT_EQ(a.Run("nft list tables"), "table inet one\n");
  EXPECT_EQ(b.Run("nft list tables"), "table ip fwd\n");
  auto tables = worker.ListTables(b.fd());
  ASSERT_TRUE(tables.ok()) << tables.error().text();
  EXPECT_THAT(*tables, ElementsAre(TableId{.family = "ip", .name = "fwd"}));
}

TEST(NftWorker, DoesABatchWhollyOrNotAtAll) {
  const ThrowawayNet net;
  NftWorker worker;
  const auto done = worker.Run(net.fd(), "table inet a {\n chain c {\n  jump nowhere\n }\n}\n", NftInput::kText);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(net.Run("nft list ruleset"), "");
  EXPECT_EQ(done.error().at.line, 3);
  EXPECT_EQ(done.error().excerpt, "  jump nowhere");
  EXPECT_THAT(done.error().text(), HasSubstr("nftables: "));
}

TEST(NftWorker, TellsEachMistakeWithItsPlace) {
  const ThrowawayNet net;
  NftWorker worker;
  const auto done = worker.Check(
      net.fd(), "table inet a {\n chain c {\n  tcp dport 80 acept\n  iif \"zz\" accept\n }\n}\n", NftInput::kText);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().why, "syntax error, unexpected newline");
  EXPECT_EQ(done.error().at, (Position{.line = 3, .column = 21, .width = 1}));
  ASSERT_EQ(done.error().notes.size(), 1U);
  EXPECT_EQ(done.error().notes[0].text, "interface does not exist");
  EXPECT_EQ(done.error().notes[0].at, (Position{.line = 4, .column = 7, .width = 4}));
}

TEST(NftWorker, CheckChangesNothing) {
  const ThrowawayNet net;
  NftWorker worker;
  ASSERT_TRUE(worker.Check(net.fd(), "table inet a { chain c { accept; }; }", NftInput::kText).ok());
  EXPECT_EQ(net.Run("nft list ruleset"), "");
}

TEST(NftWorker, RehearsesWithInterfacesAndLeavesNothing) {
  const ThrowawayNet net;
  NftWorker worker;
  net.Inside([&] {
    const auto tables =
        worker.Rehearse("table inet a { chain c { iif \"eth7\" accept; }; }", NftInput::kText, {"lo", "eth7"});
    EXPECT_TRUE(tables.ok()) << tables.error().text();
    if (tables) {
      EXPECT_THAT(*tables, ElementsAre(TableId{.family = "inet", .name = "a"}));
    }
    EXPECT_FALSE(worker.Rehearse("table inet a { chain c { iif \"eth7\" accept; }; }", NftInput::kText, {"lo"}).ok());
    return 0;
  });
  EXPECT_EQ(net.Run("nft list ruleset"), "");
  EXPECT_THAT(net.Run("ip -br link"), Not(HasSubstr("eth7")));
}

TEST(NftWorker, StartsAgainAfterItsWorkerDied) {
  const ThrowawayNet net;
  NftWorker worker;
  ASSERT_TRUE(worker.ListTables(net.fd()).ok());
  const pid_t first = worker.pid();
  ASSERT_EQ(kill(first, SIGKILL), 0);
  const auto failed = worker.ListTables(net.fd());
  ASSERT_FALSE(failed.ok());
  EXPECT_THAT(failed.error().text(), HasSubstr("the worker process ended"));
  EXPECT_THAT(failed.error().text(), HasSubstr("signal 9"));
  EXPECT_EQ(failed.error().code, ETIMEDOUT);  // Whoever asked looks for what became of it.
  EXPECT_TRUE(worker.ListTables(net.fd()).ok());
  EXPECT_NE(worker.pid(), first);
}

TEST(NftWorker, HoldsNoDescriptorOfTheRunAndNoNamespace) {
  const ThrowawayNet net;
  NftWorker worker;
  ASSERT_TRUE(worker.Run(net.fd(), "add table inet one", NftInput::kText).ok());
  const std::string proc = "/proc/" + std::to_string(worker.pid());
  // Standard streams, the socket and the way home.
  EXPECT_EQ(net.Run("ls " + proc + "/fd | wc -l"), "5\n") << net.Run("ls -l " + proc + "/fd");
  EXPECT_NE(net.Run("readlink " + proc + "/ns/net"), net.Run("readlink /proc/self/ns/net"));
}

TEST(NftWorker, EndsWithItsOwner) {
  const ThrowawayNet net;
  pid_t pid = 0;
  {
    NftWorker worker;
    ASSERT_TRUE(worker.ListTables(net.fd()).ok());
    pid = worker.pid();
  }
  EXPECT_EQ(kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST(NftWorker, CarriesRequestsLargerThanASocketsBuffer) {
  const ThrowawayNet net;
  NftWorker worker;
  // A batch of netlink of that size is root's alone (net.core.wmem_max); the request to the worker is long anyway.
  const int elements = ReadFile("/proc/self/uid_map")->find("4294967295") != std::string::npos ? 30000 : 2000;
  std::string text(std::size_t{300'000}, '\n');
  text += "table ip big {\n set s {\n type ipv4_addr\n elements = {";
  for (int i = 0; i < elements; ++i) text += " 10." + std::to_string(i / 250) + "." + std::to_string(i % 250) + ".1,";
  text += " 11.0.0.1 }\n }\n}\n";
  ASSERT_GT(text.size(), 300'000U);
  const auto done = worker.Run(net.fd(), text, NftInput::kText);
  ASSERT_TRUE(done.ok()) << done.error().text();
  const auto listing = worker.ListTable(net.fd(), {.family = "ip", .name = "big"});
  ASSERT_TRUE(listing.ok()) << listing.error().text();
  EXPECT_EQ((*listing)["nftables"][2]["set"]["elem"].size(), static_cast<std::size_t>(elements) + 1);
}

TEST(NftWorker, TellsAMissingTableByItsCode) {
  const ThrowawayNet net;
  NftWorker worker;
  const auto listing = worker.ListTable(net.fd(), {.family = "ip", .name = "no"});
  ASSERT_FALSE(listing.ok());
  EXPECT_EQ(listing.error().code, ENOENT) << listing.error().text();
  EXPECT_TRUE(DeleteTables(worker, net.fd(), {{.family = "ip", .name = "no"}}).ok());
}

TEST(NftWorker, RefusesADescriptorThatIsNoNamespace) {
  NftWorker worker;
  const Fd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto listing = worker.ListTables(null.get());
  ASSERT_FALSE(listing.ok());
  EXPECT_THAT(listing.error().text(), HasSubstr("enter the namespace"));
}

constexpr const char* kManyKinds = R"(
table inet t {
  set seen { type ipv4_addr; flags dynamic,timeout; timeout 1h; }
  set fed { type ipv4_addr; size 99; }
  set fixed { type ipv4_addr; elements = { 10.0.0.1, 10.0.0.2 } }
  counter hits { }
  quota much { over 10 mbytes }
  chain c {
    type filter hook output priority 0; policy accept;
    counter name hits
    ip daddr 127.0.0.1 counter accept comment "local"
    add @seen { ip saddr }
    quota over 5 mbytes drop
  }
})";

TEST(NormalListing, IsTheSameAfterPacketsPassedAndAfterReloading) {
  const ThrowawayNet net;
  NftWorker worker;
  ASSERT_TRUE(worker.Run(net.fd(), kManyKinds, NftInput::kText).ok());
  const Json fresh = TruthListing(net);
  net.Run("ping -c 1 127.0.0.1; nft 'add element inet t seen { 1.2.3.4 }'");
  const Json used = TruthListing(net);
  EXPECT_NE(JsonText(fresh), JsonText(used));
  EXPECT_EQ(NormalListing(fresh), NormalListing(used));
  ASSERT_TRUE(worker.Run(net.fd(), std::string("delete table inet t\n") + kManyKinds, NftInput::kText).ok());
  EXPECT_EQ(NormalListing(fresh), NormalListing(TruthListing(net)));
}

TEST(NormalListing, DiffersAfterEachKindOfEdit) {
  for (const char* edit : {
           "add element inet t fixed { 10.0.0.3 }",
           "delete element inet t fixed { 10.0.0.1 }",
           "add rule inet t c accept",
           "flush chain inet t c",
           "add chain inet t d",
           "delete set inet t fed",
           "chain inet t c { policy drop; }",
           "delete table inet t",
       }) {
    const ThrowawayNet net;
    NftWorker worker;
    ASSERT_TRUE(worker.Run(net.fd(), kManyKinds, NftInput::kText).ok());
    const std::string before = NormalListing(TruthListing(net));
    net.Run("nft '" + std::string(edit) + "'");
    EXPECT_NE(before, NormalListing(TruthListing(net))) << edit;
  }
}

TEST(NormalListing, LeavesOutWhatARuleFeedsASetWith) {
  const auto listing = [](const char* element) {
    return *ParseJson(std::string(R"({"nftables": [
      {"set": {"family": "ip", "table": "t", "name": "s", "type": "ipv4_addr", "elem": [")") +
                      element + R"("]}},
      {"rule": {"family": "ip", "table": "t", "chain": "c", "handle": 4, "expr": [
        {"set": {"op": "add", "elem": {"payload": {"protocol": "ip", "field": "saddr"}}, "set": "@s"}}]}}]})");
  };
  EXPECT_EQ(NormalListing(listing("1.1.1.1")), NormalListing(listing("1.1.1.2")));
}

TEST(NormalListing, KeepsTheLimitOfAQuota) {
  const auto listing = [](int bytes, int used) {
    Json quota = {{"family", "ip"}, {"name", "q"}, {"table", "t"}, {"bytes", bytes}, {"used", used}};
    return Json{{"nftables", Json::array({{{"quota", quota}}})}};
  };
  EXPECT_EQ(NormalListing(listing(10, 1)), NormalListing(listing(10, 2)));
  EXPECT_NE(NormalListing(listing(10, 1)), NormalListing(listing(11, 1)));
}

}  // namespace
}  // namespace runner::kernel
