#include "kernel/label_route.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <cstdio>

#include "base/json.h"
#include "kernel/sysctl.h"
#include "tests/kernel/l3.h"

namespace runner {
namespace {

using test::Address;
using test::InSandbox;
using test::Ip;

TEST(LabelRoute, IsReadBackAsItWasWritten) {
  InSandbox([] {
    test::TwoLinks();
    NetlinkSocket socket = test::Socket();
    const int v0 = test::Index(socket, "v0");
    const int w0 = test::Index(socket, "w0");
    // What a kernel without MPLS tells of is no route for a label.
    ASSERT_TRUE(ReadLabelRoutes(socket)->empty());
    if (!WriteSysctl("net.mpls.platform_labels", "1000").ok()) {
      const Status added = AddLabelRoute(socket, {.label = 100, .hops = {{.oif = v0}}});
      ASSERT_FALSE(added.ok());
      EXPECT_EQ(added.error().code, EOPNOTSUPP);
      std::puts("not run: the kernel routes no labels");
      return;
    }
    const LabelRoute swap{.label = 100, .hops = {{.via = Address("10.0.0.2"), .oif = v0, .as = "200/300"}}};
    const LabelRoute pop{.label = 101, .hops = {{.via = Address("fd00::2"), .oif = v0}}};
    const LabelRoute here{.label = 102, .hops = {{.oif = v0}}};
    const LabelRoute both{
        .label = 103,
        .hops = {{.via = Address("10.0.0.2"), .oif = v0, .as = "201"}, {.via = Address("fd00:1::2"), .oif = w0}}};
    for (const LabelRoute& route : {swap, pop, here, both}) ASSERT_TRUE(AddLabelRoute(socket, route).ok());
    EXPECT_THAT(*ReadLabelRoutes(socket), testing::UnorderedElementsAre(swap, pop, here, both));
    const Json told = test::Find(Ip("-f mpls route"), "dst", "100");
    EXPECT_EQ(told["to"], "200/300");
    EXPECT_EQ(told["via"]["host"], "10.0.0.2");
    EXPECT_EQ(AddLabelRoute(socket, swap).error().code, EEXIST);
    LabelRoute other = swap;
    other.hops[0].as = "222";
    ASSERT_TRUE(ReplaceLabelRoute(socket, other).ok());
    EXPECT_EQ(test::Find(Ip("-f mpls route"), "dst", "100")["to"], "222");
    for (const LabelRoute& route : {swap, pop, here, both}) EXPECT_TRUE(DeleteLabelRoute(socket, route.label).ok());
    EXPECT_TRUE(ReadLabelRoutes(socket)->empty());
    EXPECT_EQ(DeleteLabelRoute(socket, 100).error().code, ESRCH);
  });
}

}  // namespace
}  // namespace runner
