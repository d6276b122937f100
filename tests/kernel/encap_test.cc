#include "kernel/encap.h"
#include "base/json.h"

#include <gmock/gmock.h>

#include "kernel/route.h"
#include "tests/kernel/l3.h"

namespace runner {
namespace {

using test::InSandbox;
using test::Ip;
using test::Prefix;
using test::Shell;
using testing::HasSubstr;

/// The route as the kernel took it, by our reader; what `ip` says of it in `told`. Nothing where the kernel has no such
/// encapsulation.
std::optional<std::string> TakenAs(const char* to, const std::string& encap, std::string& told) {
  NetlinkSocket socket = test::Socket();
  RouteSpec route{.to = Prefix(to), .encap = encap, .nexthops = {{.oif = test::Index(socket, "v0")}}};
  const Status added = AddRoute(socket, route);
  if (!added.ok() && added.error().code == EOPNOTSUPP) return std::nullopt;
  EXPECT_TRUE(added.ok()) << encap << ": " << added.error().text();
  told = Shell(std::string(route.to.is_ipv6() ? "ip -6" : "ip -4") + " route show " + to);
  const auto routes = ReadRoutes(socket);
  EXPECT_TRUE(routes.ok());
  for (const RouteInfo& one : *routes) {
    if (one.to == route.to) return one.encap;
  }
  return "gone";
}

TEST(Encap, EachFormIsReadBackAsItWasWritten) {
  InSandbox([] {
    test::TwoLinks();
    struct Case {
      const char* to;
      const char* encap;
      const char* words;  // as ip-route(8) tells it
    };
    const Case cases[] = {
        {"fd00:a::/64", "seg6 mode encap segs fd00:1::1", "encap seg6 mode encap segs 1 [ fd00:1::1 ]"},
        {"fd00:b::/64", "seg6 mode encap segs fd00:1::1,fd00:2::2", "segs 2 [ fd00:1::1 fd00:2::2 ]"},
        {"fd00:c::/64", "seg6 mode inline segs fd00:1::1,fd00:2::2", "mode inline segs 3 [ fd00:1::1 fd00:2::2 :: ]"},
        {"10.9.0.0/24", "seg6 mode encap segs fd00:1::1", "encap seg6 mode encap segs 1 [ fd00:1::1 ]"},
        {"fd00:d::1/128", "seg6local action End", "encap seg6local action End "},
        {"fd00:d::2/128", "seg6local action End.X nh6 fd00::9", "action End.X nh6 fd00::9"},
        {"fd00:d::3/128", "seg6local action End.DX4 nh4 10.0.0.9", "action End.DX4 nh4 10.0.0.9"},
        {"fd00:d::4/128", "seg6local action End.T table 100", "action End.T table 100"},
        {"fd00:d::5/128", "seg6local action End.B6.Encaps srh segs fd00:3::1,fd00:4::1",
         "End.B6.Encaps segs 2 [ fd00:3::1 fd00:4::1 ]"},
        {"10.8.0.0/24", "mpls 100/200", "encap mpls"},
    };
    int taken = 0;
    for (const Case& one : cases) {
      std::string told;
      const auto read = TakenAs(one.to, one.encap, told);
      if (!read) continue;
      ++taken;
      EXPECT_EQ(*read, one.encap);
      EXPECT_THAT(told, HasSubstr(one.words));
    }
    EXPECT_GE(taken, 9) << "SRv6 at least";
  });
}

TEST(Encap, WhatIsNoneIsRefusedBeforeTheKernelIsAsked) {
  NetlinkMessage message(RTM_NEWROUTE, 0);
  for (const char* encap : {"", "vxlan", "mpls", "mpls x", "seg6 mode encap segs 10.0.0.1", "seg6local action End.Q",
                            "seg6local action End.X nh6 10.0.0.1", "seg6local action End.T table x"}) {
    const Status encoded = EncodeEncap(message, encap);
    ASSERT_FALSE(encoded.ok()) << encap;
    EXPECT_EQ(encoded.error().code, EINVAL) << encap;
  }
}

}  // namespace
}  // namespace runner
