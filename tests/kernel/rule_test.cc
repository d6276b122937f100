#include "kernel/rule.h"
#include "base/json.h"

#include <gmock/gmock.h>
#include <linux/rtnetlink.h>

#include "tests/kernel/l3.h"

namespace runner {
namespace {

using test::InSandbox;
using test::Ip;
using test::Prefix;
using test::Shell;
using test::Socket;

std::vector<RuleInfo> Ours(NetlinkSocket& socket) {
  auto rules = ReadRules(socket);
  if (!rules.ok()) ADD_FAILURE() << rules.error().text();
  std::erase_if(*rules, [](const RuleInfo& rule) { return rule.protocol != kProtocol; });
  return *rules;
}

TEST(Rule, AddsReadsAndDeletesEveryForm) {
  InSandbox([] {
    NetlinkSocket socket = Socket();
    const std::vector<RuleInfo> rules = {
        {.priority = 1000, .from = Prefix("10.0.0.0/8"), .to = Prefix("192.0.2.1/32"), .table = 1000},
        {.priority = 1001, .iif = "eth0", .oif = "eth1", .table = 200},
        {.priority = 1002, .fwmark = 5, .table = 200},
        {.priority = 1003, .fwmark = 0x10, .fwmask = 0xff, .table = 200},
        {.priority = 1004, .fwmark = 0, .table = 200},
        {.priority = 1005, .from = Prefix("10.9.0.0/16"), .action = FR_ACT_PROHIBIT},
        {.family = Family::kIpv6, .priority = 1000, .from = Prefix("fd00::/8"), .table = 4000000000U},
        {.family = Family::kIpv6, .priority = 1001, .to = Prefix("fd00::1/128"), .action = FR_ACT_BLACKHOLE}};
    for (const RuleInfo& rule : rules) {
      const auto added = AddRule(socket, rule);
      ASSERT_TRUE(added.ok()) << added.error().text();
      EXPECT_EQ(AddRule(socket, rule).error().code, EEXIST) << rule.priority;
    }
    EXPECT_EQ(Ours(socket), rules);
    const Json ipv4 = Ip("-4 rule show");
    EXPECT_EQ(ipv4.size(), 3U + 6U);
    const Json first = test::Find(ipv4, "priority", 1000);
    EXPECT_EQ(first.at("src"), "10.0.0.0");
    EXPECT_EQ(first.at("srclen"), 8);
    EXPECT_EQ(first.at("dst"), "192.0.2.1");
    EXPECT_EQ(first.at("table"), "1000");
    EXPECT_EQ(first.at("protocol"), "213");
    EXPECT_EQ(test::Find(ipv4, "priority", 1001).at("iif"), "eth0");
    EXPECT_EQ(test::Find(ipv4, "priority", 1001).at("oif"), "eth1");
    EXPECT_EQ(test::Find(ipv4, "priority", 1003).at("fwmark"), "0x10");
    EXPECT_EQ(test::Find(ipv4, "priority", 1003).at("fwmask"), "0xff");
    EXPECT_EQ(test::Find(ipv4, "priority", 1005).at("action"), "prohibit");
    EXPECT_EQ(test::Find(Ip("-6 rule show"), "priority", 1000).at("table"), "4000000000");
    for (const RuleInfo& rule : rules) {
      ASSERT_TRUE(DeleteRule(socket, rule).ok());
      EXPECT_EQ(DeleteRule(socket, rule).error().code, ENOENT);
    }
    EXPECT_EQ(Ip("-4 rule show").size(), 3U);
    EXPECT_EQ(Ip("-6 rule show").size(), 2U);
  });
}

TEST(Rule, ReadsTheKernelsOwn) {
  InSandbox([] {
    NetlinkSocket socket = Socket();
    const auto rules = ReadRules(socket);
    ASSERT_EQ(rules->size(), 5U);
    EXPECT_EQ((*rules)[0], (RuleInfo{.priority = 0, .table = RT_TABLE_LOCAL, .protocol = RTPROT_KERNEL}));
  });
}

TEST(Rule, LeavesForeignRulesAlone) {
  InSandbox([] {
    Shell("ip rule add from 10.0.0.0/8 table 100 priority 1000 protocol static");
    NetlinkSocket socket = Socket();
    EXPECT_FALSE(DeleteRule(socket, {.priority = 1000, .from = Prefix("10.0.0.0/8"), .table = 100}).ok());
    EXPECT_EQ(Ip("-4 rule show").size(), 4U);
  });
}

}  // namespace
}  // namespace runner
