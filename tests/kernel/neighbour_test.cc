#include "kernel/neighbour.h"
#include "base/json.h"

#include <gmock/gmock.h>
#include <linux/rtnetlink.h>

#include "tests/kernel/l3.h"

namespace runner {
namespace {

using test::Address;
using test::InSandbox;
using test::Ip;
using test::Mac;
using test::Shell;
using test::Socket;
using testing::UnorderedElementsAreArray;

TEST(Neighbour, AddsReadsAndDeletesEveryForm) {
  InSandbox([] {
    test::TwoLinks();
    NetlinkSocket socket = Socket();
    const int v0 = test::Index(socket, "v0");
    const std::vector<NeighbourInfo> neighbours = {
        {.index = v0, .to = Address("10.0.0.7"), .mac = Mac("02:00:00:00:00:07")},
        {.index = v0, .to = Address("fd00::7"), .mac = Mac("02:00:00:00:00:08")},
        {.index = v0, .to = Address("10.0.0.8"), .proxy = true},
        {.index = v0, .to = Address("fd00::8"), .proxy = true}};
    for (const NeighbourInfo& neighbour : neighbours) {
      const auto added = AddNeighbour(socket, neighbour);
      ASSERT_TRUE(added.ok()) << added.error().text();
    }
    EXPECT_THAT(*ReadNeighbours(socket), UnorderedElementsAreArray(neighbours));
    const Json shown = Ip("neighbour show dev v0 nud permanent");
    EXPECT_EQ(test::Find(shown, "dst", "10.0.0.7").at("lladdr"), "02:00:00:00:00:07");
    EXPECT_EQ(test::Find(shown, "dst", "fd00::7").at("lladdr"), "02:00:00:00:00:08");
    const Json proxies = Ip("neighbour show proxy");
    EXPECT_EQ(proxies.size(), 2U);
    EXPECT_FALSE(test::Find(proxies, "dst", "10.0.0.8").is_null());
    EXPECT_EQ(AddNeighbour(socket, neighbours[0]).error().code, EEXIST);
    for (const NeighbourInfo& neighbour : neighbours) {
      const auto deleted = DeleteNeighbour(socket, neighbour);
      ASSERT_TRUE(deleted.ok()) << deleted.error().text();
      EXPECT_EQ(DeleteNeighbour(socket, neighbour).error().code, ENOENT) << neighbour.to.text();
    }
    EXPECT_EQ(Ip("neighbour show nud permanent").size(), 0U);
    EXPECT_EQ(Ip("neighbour show proxy").size(), 0U);
  });
}

TEST(Neighbour, TakesOverWhatTheKernelLearnt) {
  InSandbox([] {
    test::TwoLinks();
    Shell("ip neighbour add 10.0.0.7 lladdr 02:00:00:00:00:99 dev v0 nud stale");
    NetlinkSocket socket = Socket();
    const NeighbourInfo wanted{
        .index = test::Index(socket, "v0"), .to = Address("10.0.0.7"), .mac = Mac("02:00:00:00:00:07")};
    const auto added = AddNeighbour(socket, wanted);
    ASSERT_TRUE(added.ok()) << added.error().text();
    EXPECT_THAT(*ReadNeighbours(socket), testing::ElementsAre(wanted));
    EXPECT_EQ(Ip("neighbour show nud permanent")[0].at("lladdr"), "02:00:00:00:00:07");
  });
}

}  // namespace
}  // namespace runner
