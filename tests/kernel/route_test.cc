#include "kernel/route.h"
#include "base/json.h"

#include <gmock/gmock.h>

#include "tests/kernel/l3.h"

namespace runner {
namespace {

using test::Address;
using test::InSandbox;
using test::Ip;
using test::Prefix;
using test::Shell;
using test::Socket;
using testing::ElementsAre;

std::vector<RouteInfo> Ours(NetlinkSocket& socket) {
  auto routes = ReadRoutes(socket);
  if (!routes.ok()) ADD_FAILURE() << routes.error().text();
  std::erase_if(*routes, [](const RouteInfo& route) { return route.protocol != kProtocol; });
  return *routes;
}

void Add(NetlinkSocket& socket, const RouteInfo& route) {
  const auto added = AddRoute(socket, route);
  EXPECT_TRUE(added.ok()) << route.to.text() << ": " << added.error().text();
}

TEST(Route, AddsReadsAndDeletesEveryForm) {
  InSandbox([] {
    test::TwoLinks();
    NetlinkSocket socket = Socket();
    const int v0 = test::Index(socket, "v0");
    const int w0 = test::Index(socket, "w0");
    const std::uint8_t world = RT_SCOPE_UNIVERSE;
    // As they are to be read back: with scope and metric filled in.
    const std::vector<RouteInfo> routes = {
        {.to = Prefix("0.0.0.0/0"), .scope = world, .nexthops = {{.via = Address("10.0.0.254"), .oif = v0}}},
        {.to = Prefix("10.1.0.0/16"),
         .table = 1000,
         .scope = world,
         .metric = 50,
         .prefsrc = Address("10.0.0.1"),
         .mtu = 1400,
         .nexthops = {{.via = Address("10.0.0.254"), .oif = v0}}},
        {.to = Prefix("10.2.0.0/16"), .scope = RT_SCOPE_LINK, .nexthops = {{.oif = v0}}},
        {.to = Prefix("10.3.0.0/16"), .scope = world, .type = RTN_BLACKHOLE},
        {.to = Prefix("10.4.0.0/16"), .scope = world, .type = RTN_UNREACHABLE},
        {.to = Prefix("10.5.0.0/16"),
         .scope = world,
         .nexthops = {{.via = Address("10.0.0.254"), .oif = v0, .weight = 3},
                      {.via = Address("10.0.1.254"), .oif = w0}}},
        {.to = Prefix("10.6.0.0/16"), .scope = world, .nexthops = {{.via = Address("fd00::9"), .oif = v0}}},
        {.to = Prefix("10.7.0.0/16"),
         .scope = world,
         .nexthops = {{.via = Address("192.0.2.1"), .oif = v0, .onlink = true}}},
        {.to = Prefix("10.8.0.0/16"), .scope = RT_SCOPE_HOST, .type = RTN_LOCAL, .nexthops = {{.oif = 1}}},
        {.to = Prefix("::/0"), .scope = world, .metric = 1024, .nexthops = {{.via = Address("fd00::fe"), .oif = v0}}},
        {.to = Prefix("fd01::/64"),
         .table = 300,
         .scope = world,
         .metric = 7,
         .mtu = 1300,
         .nexthops = {{.via = Address("fd00::fe"), .oif = v0}}},
        {.to = Prefix("fd02::/64"), .scope = world, .metric = 1024, .nexthops = {{.oif = v0}}},
        {.to = Prefix("fd03::/64"), .scope = world, .type = RTN_PROHIBIT, .metric = 1024},
        {.to = Prefix("fd05::/64"),
         .scope = world,
         .metric = 1024,
         .nexthops = {{.via = Address("fd00::fe"), .oif = v0},
                      {.via = Address("fd00:1::fe"), .oif = w0, .weight = 2}}}};
    for (const RouteInfo& route : routes) {
      RouteInfo asked = route;
      // The defaults must lead to the same.
      if (route.metric == 1024) asked.metric = 0;
      asked.scope.reset();
      EXPECT_EQ(DefaultScope(asked), route.scope) << route.to.text();
      Add(socket, asked);
    }
    EXPECT_THAT(Ours(socket), testing::UnorderedElementsAreArray(routes));

    const Json ipv4 = Ip("-4 route show table all proto 213");
    EXPECT_EQ(test::Find(ipv4, "dst", "default").at("gateway"), "10.0.0.254");
    const Json full = test::Find(ipv4, "dst", "10.1.0.0/16");
    EXPECT_EQ(full.at("table"), "1000");
    EXPECT_EQ(full.at("metric"), 50);
    EXPECT_EQ(full.at("prefsrc"), "10.0.0.1");
    EXPECT_EQ(full.at("metrics")[0].at("mtu"), 1400);
    EXPECT_EQ(test::Find(ipv4, "dst", "10.3.0.0/16").at("type"), "blackhole");
    const Json many = test::Find(ipv4, "dst", "10.5.0.0/16").at("nexthops");
    ASSERT_EQ(many.size(), 2U);
    EXPECT_EQ(many[0].at("gateway"), "10.0.0.254");
    EXPECT_EQ(many[0].at("dev"), "v0");
    EXPECT_EQ(many[0].at("weight"), 3);
    EXPECT_EQ(many[1].at("dev"), "w0");
    EXPECT_EQ(test::Find(ipv4, "dst", "10.6.0.0/16").at("via").at("host"), "fd00::9");
    EXPECT_EQ(test::Find(ipv4, "dst", "10.7.0.0/16").at("flags"), Json::parse(R"(["onlink"])"));
    EXPECT_EQ(test::Find(ipv4, "dst", "10.8.0.0/16").at("type"), "local");
    const Json ipv6 = Ip("-6 route show table all proto 213");
    EXPECT_EQ(test::Find(ipv6, "dst", "fd01::/64").at("metric"), 7);
    EXPECT_EQ(test::Find(ipv6, "dst", "fd01::/64").at("table"), "300");
    EXPECT_EQ(test::Find(ipv6, "dst", "fd03::/64").at("type"), "prohibit");
    EXPECT_EQ(test::Find(ipv6, "dst", "fd05::/64").at("nexthops").size(), 2U);

    for (const RouteInfo& route : routes) {
      const auto deleted = DeleteRoute(socket, route);
      EXPECT_TRUE(deleted.ok()) << route.to.text() << ": " << deleted.error().text();
      EXPECT_EQ(DeleteRoute(socket, route).error().code, ESRCH) << route.to.text();
    }
    EXPECT_EQ(Ip("-4 route show table all proto 213").size(), 0U);
    EXPECT_EQ(Ip("-6 route show table all proto 213").size(), 0U);
  });
}

TEST(Route, ReadsEverythingButWhatTheKernelKeepsForAddresses) {
  InSandbox([] {
    test::TwoLinks();
    NetlinkSocket socket = Socket();
    const auto routes = ReadRoutes(socket);
    ASSERT_TRUE(routes.ok());
    std::vector<std::string> seen;
    for (const RouteInfo& route : *routes) {
      if (!route.to.address().is_link_local()) seen.push_back(route.to.text());
    }
    EXPECT_THAT(seen, ElementsAre("10.0.0.0/24", "10.0.1.0/24", "fd00::/64", "fd00:1::/64"));
    EXPECT_EQ(routes->front().protocol, RTPROT_KERNEL);
    EXPECT_EQ(routes->front().prefsrc, Address("10.0.0.1"));
    const auto all = ReadRoutes(socket, RouteFilter::kAll);
    EXPECT_EQ(all->size(), Ip("-4 route show table all").size() + Ip("-6 route show table all").size());
  });
}

TEST(Route, DeletesTheOneOfThatMetric) {
  InSandbox([] {
    test::TwoLinks();
    NetlinkSocket socket = Socket();
    const int v0 = test::Index(socket, "v0");
    const RouteInfo preferred{
        .to = Prefix("fd01::/64"), .metric = 5, .nexthops = {{.via = Address("fd00::fe"), .oif = v0}}};
    RouteInfo usual = preferred;
    usual.metric = 0;
    Add(socket, preferred);
    Add(socket, usual);
    ASSERT_TRUE(DeleteRoute(socket, usual).ok());
    const Json left = Ip("-6 route show proto 213");
    ASSERT_EQ(left.size(), 1U);
    EXPECT_EQ(left[0].at("metric"), 5);
  });
}

TEST(Route, LeavesForeignRoutesAlone) {
  InSandbox([] {
    test::TwoLinks();
    Shell("ip route add 10.9.0.0/16 via 10.0.0.254 proto static; ip -6 route add fd09::/64 via fd00::fe proto static");
    NetlinkSocket socket = Socket();
    const int v0 = test::Index(socket, "v0");
    for (const RouteInfo& route :
         {RouteInfo{.to = Prefix("10.9.0.0/16"), .nexthops = {{.via = Address("10.0.0.254"), .oif = v0}}},
          RouteInfo{.to = Prefix("fd09::/64"), .nexthops = {{.via = Address("fd00::fe"), .oif = v0}}}}) {
      EXPECT_EQ(AddRoute(socket, route).error().code, EEXIST);
      EXPECT_EQ(DeleteRoute(socket, route).error().code, ESRCH);
    }
    EXPECT_EQ(Ip("-4 route show proto static").size(), 1U);
    EXPECT_EQ(Ip("-6 route show proto static").size(), 1U);
  });
}

TEST(Route, TellsTheKernelsOwnWords) {
  InSandbox([] {
    test::TwoLinks();
    NetlinkSocket socket = Socket();
    const auto added = AddRoute(socket, {.to = Prefix("0.0.0.0/0"), .nexthops = {{.via = Address("192.0.2.9")}}});
    ASSERT_FALSE(added.ok());
    EXPECT_EQ(added.error().code, ENETUNREACH);
    EXPECT_EQ(added.error().text(),
              "add via 192.0.2.9: network is unreachable (kernel: \"Nexthop has invalid gateway\")");
  });
}

TEST(Route, SaysThatALinkIsDown) {
  InSandbox([] {
    test::TwoLinks();
    NetlinkSocket socket = Socket();
    const int v0 = test::Index(socket, "v0");
    Add(socket, {.to = Prefix("10.5.0.0/16"), .nexthops = {{.via = Address("10.0.0.254"), .oif = v0}}});
    // The kernel marks the route a while later, when it has noticed the lost carrier.
    Shell("timeout 10 sh -c 'ip link set v1 down; until ip route show | grep -q linkdown; do :; done'");
    const auto routes = Ours(socket);
    ASSERT_EQ(routes.size(), 1U);
    EXPECT_TRUE(routes[0].nexthops[0].linkdown);
    EXPECT_FALSE(routes[0].nexthops[0].dead);
  });
}

TEST(Route, JoinsSiblingsThatAnOldKernelTellsApart) {
  RouteInfo first{.to = Prefix("fd05::/64"), .metric = 1024, .nexthops = {{.via = Address("fd00::fe"), .oif = 2}}};
  RouteInfo second = first;
  second.nexthops = {{.via = Address("fd00:1::fe"), .oif = 3}};
  const RouteInfo start = first;
  EXPECT_TRUE(JoinSibling(first, second));
  EXPECT_THAT(first.nexthops, ElementsAre(start.nexthops[0], second.nexthops[0]));
  for (const auto& differ : std::vector<void (*)(RouteInfo&)>{
           [](RouteInfo& route) { route.metric = 1; }, [](RouteInfo& route) { route.table = 5; },
           [](RouteInfo& route) { route.protocol = RTPROT_STATIC; },
           [](RouteInfo& route) { route.nexthops[0].via.reset(); },  // two connected routes stay two
           [](RouteInfo& route) { route.to = Prefix("fd06::/64"); }}) {
    RouteInfo route = start;
    RouteInfo other = second;
    differ(other);
    EXPECT_FALSE(JoinSibling(route, other));
    EXPECT_EQ(route, start);
  }
}

}  // namespace
}  // namespace runner
