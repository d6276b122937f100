#include "kernel/impair.h"
#include "base/json.h"

#include <gmock/gmock.h>

#include <numeric>

#include "tests/kernel/l3.h"

namespace runner {
namespace {

using test::InSandbox;
using test::Shell;

Json Qdiscs(const char* dev) { return *ParseJson(Shell(std::string("tc -j qdisc show dev ") + dev)); }

std::vector<RootQdisc> Read(NetlinkSocket& socket) {
  auto found = ReadRootQdiscs(socket);
  if (!found.ok()) ADD_FAILURE() << found.error().text();
  return *found;
}

TEST(Impair, ARateIsLimitedByWhatTheKernelHas) {
  InSandbox([] {
    test::TwoLinks();
    NetlinkSocket socket = test::Socket();
    const int v0 = test::Index(socket, "v0");
    NetemSettings settings;
    settings.rate = 1'250'000;
    ASSERT_TRUE(SetImpairment(socket, v0, settings).ok());
    const Json told = Qdiscs("v0");
    ASSERT_EQ(told.size(), 1U);
    EXPECT_THAT(told[0].at("kind"), testing::AnyOf("netem", "tbf"));
    EXPECT_EQ(told[0].at("handle"), "d5:");
    const auto found = Read(socket);
    ASSERT_EQ(found.size(), 1U) << "the defaults of other interfaces are left out";
    EXPECT_EQ(found[0].index, v0);
    EXPECT_EQ(found[0].handle, kImpairHandle);
    EXPECT_EQ(found[0].netem.rate, 1'250'000U);
    // In place of the one before, also above what 32 bits of bytes a second hold.
    settings.rate = 5'000'000'000;
    ASSERT_TRUE(SetImpairment(socket, v0, settings).ok());
    EXPECT_EQ(Read(socket).at(0).netem.rate, 5'000'000'000U);
    ASSERT_TRUE(ClearImpairment(socket, v0).ok());
    EXPECT_TRUE(ClearImpairment(socket, v0).ok()) << "nothing there";
    EXPECT_TRUE(Read(socket).empty());
  });
}

TEST(Impair, EverySettingOfNetemIsReadBack) {
  InSandbox([] {
    test::TwoLinks();
    NetlinkSocket socket = test::Socket();
    const int v0 = test::Index(socket, "v0");
    NetemSettings settings;
    settings.delay_ns = 20'000'000;
    settings.jitter_ns = 5'000'000;
    settings.correlation = 1U << 30;
    settings.loss = 1U << 26;
    settings.duplicate = 3U << 20;
    settings.corrupt = 5U << 20;
    settings.reorder = 7U << 20;
    settings.rate = 125'000;
    settings.limit = 321;
    settings.distribution = "normal";
    const Status set = SetImpairment(socket, v0, settings);
    if (!set.ok() && set.error().code == ENOENT) {
      // Nothing but a rate can be done without netem.
      EXPECT_TRUE(Read(socket).empty());
      return;
    }
    ASSERT_TRUE(set.ok()) << set.error().text();
    NetemSettings found = Read(socket).at(0).netem;
    found.seed.reset();
    settings.distribution.clear();  // the kernel does not tell it
    EXPECT_EQ(found, settings);
    const Json told = Qdiscs("v0")[0].at("options");
    EXPECT_DOUBLE_EQ(told.at("delay").at("delay"), 0.02);
    EXPECT_EQ(told.at("limit"), 321);
  });
}

TEST(Impair, OthersQdiscsAreTold) {
  InSandbox([] {
    test::TwoLinks();
    Shell("tc qdisc add dev w0 root handle 7: tbf rate 1mbit burst 10k latency 50ms");
    NetlinkSocket socket = test::Socket();
    const auto found = Read(socket);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].handle, 7U << 16);
    EXPECT_EQ(found[0].kind, "tbf");
    EXPECT_EQ(found[0].netem.rate, 125'000U);
  });
}

TEST(Impair, DistributionsHaveTheirShape) {
  for (const char* name : {"normal", "pareto", "paretonormal"}) {
    const auto table = DistributionTable(name);
    ASSERT_EQ(table.size(), 4096U) << name;
    EXPECT_TRUE(std::ranges::is_sorted(table)) << name;
    const double mean = std::accumulate(table.begin(), table.end(), 0.0) / 4096;
    EXPECT_NEAR(mean / 8192, 0, 0.05) << name;
  }
  const auto normal = DistributionTable("normal");
  EXPECT_NEAR(normal[2048], 0, 5);
  EXPECT_NEAR(normal[3446], 8192, 20) << "one standard deviation lies at 84.13 %";
  const auto pareto = DistributionTable("pareto");
  EXPECT_LT(pareto[2048], 0) << "its tail is on the right";
  EXPECT_TRUE(DistributionTable("uniform").empty());
  EXPECT_TRUE(DistributionTable("").empty());
}

}  // namespace
}  // namespace runner
