#include "kernel/link_counters.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/json.h"
#include "tests/kernel/l3.h"

namespace runner {
namespace {

using test::InSandbox;
using test::Ip;
using test::Shell;
using test::Socket;

LinkCounters Find(const std::vector<LinkCounters>& all, const std::string& name) {
  const auto found = std::ranges::find(all, name, &LinkCounters::name);
  return found == all.end() ? LinkCounters{} : *found;
}

TEST(LinkCounters, AreWhatIpShows) {
  InSandbox([] {
    test::TwoLinks();
    Shell("ip link set w1 down; ping -q -c 3 -i 0.1 -W 1 -I v0 10.0.0.9 >/dev/null 2>&1 || true");
    // Nothing is sent by itself from now on.
    Shell("for i in v0 v1 w0 w1; do ip link set $i down; done; ip link set v1 up");
    NetlinkSocket socket = Socket();
    const auto counted = ReadLinkCounters(socket);
    ASSERT_TRUE(counted.ok()) << counted.error().text();
    for (const Json& shown : Ip("-s link show")) {
      const LinkCounters link = Find(*counted, shown["ifname"].get<std::string>());
      const Json& stats = shown["stats64"];
      EXPECT_EQ(link.index, shown["ifindex"]);
      EXPECT_EQ(link.received, stats["rx"]["bytes"]) << link.name;
      EXPECT_EQ(link.sent, stats["tx"]["bytes"]) << link.name;
      EXPECT_EQ(link.dropped,
                stats["rx"]["dropped"].get<std::uint64_t>() + stats["tx"]["dropped"].get<std::uint64_t>());
    }
    EXPECT_GT(Find(*counted, "v0").sent, 0U);
    EXPECT_FALSE(Find(*counted, "v0").up);
    EXPECT_TRUE(Find(*counted, "v1").up);
    EXPECT_FALSE(Find(*counted, "v1").carrier);
  });
}

TEST(LinkCounters, OfAQueueingDisciplineTellWhatItDrops) {
  InSandbox([] {
    test::TwoLinks();
    NetlinkSocket socket = Socket();
    const int v0 = test::Index(socket, "v0");
    // No packet is as short as what passes.
    Shell(
        "tc qdisc add dev v0 root tbf rate 1kbit burst 50 limit 50;"
        "ip neigh replace 10.0.0.8 lladdr 02:00:00:00:00:08 dev v0;"
        "ping -q -c 5 -i 0.01 -W 0.1 10.0.0.8 >/dev/null 2>&1 || true");
    // The kernel goes on announcing the link's neighbours and groups, and those are dropped too.
    const auto shown = [] {
      return (*ParseJson(Shell("tc -j -s qdisc show dev v0 root")))[0]["drops"].get<std::uint64_t>();
    };
    const std::uint64_t before = shown();
    const auto drops = ReadQueueDrops(socket);
    ASSERT_TRUE(drops.ok()) << drops.error().text();
    const std::uint64_t after = shown();
    EXPECT_GT(before, 0U);
    EXPECT_GE(drops->at(v0), before);
    EXPECT_LE(drops->at(v0), after);
  });
}

}  // namespace
}  // namespace runner
