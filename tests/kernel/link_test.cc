#include "kernel/link.h"
#include "base/json.h"

#include <gmock/gmock.h>

#include <chrono>

#include "tests/kernel/l3.h"

namespace runner {
namespace {

using test::Find;
using test::InSandbox;
using test::Ip;
using test::Mac;
using test::Shell;
using test::Socket;

Namespace Open(const std::string& name) { return std::move(Namespace::OpenPath("/run/netns/" + name)).value(); }

TEST(Link, CreatesAVethWithBothEndsInOtherNamespaces) {
  InSandbox([] {
    Shell("ip netns add a; ip netns add b; ip -n a link add br0 type bridge");
    const Namespace a = Open("a");
    const Namespace b = Open("b");
    const int master = Ip("-n a link show br0")[0].at("ifindex");
    NetlinkSocket socket = Socket();
    const std::uint64_t before = NetlinkSocket::mutating_requests();
    const auto made = CreateVeth(socket,
                                 {.place = &a,
                                  .name = "eth0",
                                  .index = 50,
                                  .mtu = 1400,
                                  .mac = Mac("02:00:00:00:00:01"),
                                  .txqueuelen = 77,
                                  .group = 5,
                                  .up = true,
                                  .master = master},
                                 {.place = &b,
                                  .name = "eth9",
                                  .index = 60,
                                  .mtu = 1300,
                                  .mac = Mac("02:00:00:00:00:02"),
                                  .txqueuelen = 78,
                                  .group = 6});
    ASSERT_TRUE(made.ok()) << made.error().text();
    EXPECT_EQ(NetlinkSocket::mutating_requests() - before, 1U);
    EXPECT_EQ(Ip("link show").size(), 1U) << "nothing but lo where the socket is";
    const Json near = Ip("-n a link show eth0")[0];
    EXPECT_EQ(near.at("ifindex"), 50);
    EXPECT_EQ(near.at("mtu"), 1400);
    EXPECT_EQ(near.at("address"), "02:00:00:00:00:01");
    EXPECT_EQ(near.at("txqlen"), 77);
    EXPECT_EQ(near.at("group"), "5");
    EXPECT_EQ(near.at("master"), "br0");
    EXPECT_THAT(near.at("flags").dump(), testing::HasSubstr("\"UP\""));
    const Json far = Ip("-n b link show eth9")[0];
    EXPECT_EQ(far.at("ifindex"), 60);
    EXPECT_EQ(far.at("mtu"), 1300);
    EXPECT_EQ(far.at("address"), "02:00:00:00:00:02");
    EXPECT_EQ(far.at("txqlen"), 78);
    EXPECT_EQ(far.at("group"), "6");
    EXPECT_EQ(far.at("link_index"), 50);
  });
}

TEST(Link, PutsAnEndWithoutAPlaceWhereTheSocketIs) {
  InSandbox([] {
    Shell("ip netns add a");
    const Namespace a = Open("a");
    NetlinkSocket socket = Socket();
    ASSERT_TRUE(CreateVeth(socket, {.place = &a, .name = "eth0"}, {.name = "here"}).ok());
    ASSERT_TRUE(CreateVeth(socket, {.name = "here2"}, {.place = &a, .name = "eth1"}).ok());
    EXPECT_FALSE(Find(Ip("link show"), "ifname", "here").is_null());
    EXPECT_FALSE(Find(Ip("link show"), "ifname", "here2").is_null());
    EXPECT_EQ(Ip("-n a link show").size(), 3U);
  });
}

TEST(Link, CreatesNeitherEndWhenOneNameIsTaken) {
  InSandbox([] {
    Shell("ip netns add a; ip netns add b; ip -n b link add eth0 type bridge");
    const Namespace a = Open("a");
    const Namespace b = Open("b");
    NetlinkSocket socket = Socket();
    const auto made = CreateVeth(socket, {.place = &a, .name = "eth0"}, {.place = &b, .name = "eth0"});
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code, EEXIST);
    EXPECT_EQ(made.error().text(), "create veth: file exists");
    EXPECT_EQ(Ip("-n a link show").size(), 1U);
    EXPECT_EQ(Find(Ip("-n b link show"), "ifname", "eth0").at("linkinfo").at("info_kind"), "bridge");
  });
}

TEST(Link, RefusesWhatTheKernelDropsAtASecondEnd) {
  InSandbox([] {
    NetlinkSocket socket = Socket();
    EXPECT_EQ(CreateVeth(socket, {.name = "a"}, {.name = "b", .up = true}).error().code, EINVAL);
    EXPECT_EQ(CreateVeth(socket, {.name = "a"}, {.name = "b", .master = 1}).error().code, EINVAL);
    EXPECT_EQ(Ip("link show").size(), 1U);
  });
}

TEST(Link, CreatesAndChangesABridge) {
  InSandbox([] {
    NetlinkSocket socket = Socket();
    ASSERT_TRUE(CreateBridge(socket, {.name = "br0", .mac = Mac("02:00:00:00:00:0b"), .group = 7},
                             {.stp = true, .priority = 4096, .ageing = 20})
                    .ok());
    Json bridge = Ip("link show br0")[0];
    EXPECT_EQ(bridge.at("linkinfo").at("info_kind"), "bridge");
    EXPECT_EQ(bridge.at("linkinfo").at("info_data").at("stp_state"), 1);
    EXPECT_EQ(bridge.at("linkinfo").at("info_data").at("priority"), 4096);
    EXPECT_EQ(bridge.at("linkinfo").at("info_data").at("ageing_time"), 2000);
    EXPECT_EQ(bridge.at("address"), "02:00:00:00:00:0b");
    const auto read = ReadLink(socket, "br0");
    ASSERT_TRUE(read.ok() && *read);
    EXPECT_EQ((*read)->bridge, (BridgeSettings{.stp = true, .priority = 4096, .ageing = 20, .vlan_filtering = false}));
    const std::uint64_t before = NetlinkSocket::mutating_requests();
    const auto changed = ChangeLink(socket, (*read)->index,
                                    {.mtu = 1400, .up = true, .bridge = BridgeSettings{.stp = false, .ageing = 300}});
    ASSERT_TRUE(changed.ok()) << changed.error().text();
    EXPECT_EQ(NetlinkSocket::mutating_requests() - before, 1U);
    bridge = Ip("link show br0")[0];
    EXPECT_EQ(bridge.at("linkinfo").at("info_data").at("stp_state"), 0);
    EXPECT_EQ(bridge.at("linkinfo").at("info_data").at("priority"), 4096);
    EXPECT_EQ(bridge.at("linkinfo").at("info_data").at("ageing_time"), 30000);
    EXPECT_EQ(bridge.at("mtu"), 1400);
    EXPECT_THAT(bridge.at("flags").dump(), testing::HasSubstr("\"UP\""));
  });
}

TEST(Link, AgeingIsNotReadWhileTheSpanningTreeChanges) {
  InSandbox([] {
    Shell(
        "ip link add br0 type bridge stp_state 1 forward_delay 200 ageing_time 2000 && ip link add va type veth peer "
        "name vb "
        "&& ip link set va master br0 && ip link set va up && ip link set vb up && ip link set br0 up");
    NetlinkSocket socket = Socket();
    const auto is_changing = [] {
      return Ip("link show br0")[0].at("linkinfo").at("info_data").at("topology_change") == 1;
    };
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    bool has_changed = false;
    // The kernel says so for some seconds after the port began to learn.
    while (!has_changed && std::chrono::steady_clock::now() < end) {
      if (!is_changing()) continue;
      const auto read = ReadLink(socket, "br0");
      ASSERT_TRUE(read.ok() && *read && (*read)->bridge);
      has_changed = is_changing();
      if (has_changed) {
        EXPECT_EQ((*read)->bridge->ageing, std::nullopt);
      }
    }
    EXPECT_TRUE(has_changed);
  });
}

TEST(Link, ReadsAsIpDoes) {
  InSandbox([] {
    Shell(
        "ip netns add a; ip link add br0 type bridge; ip link add v0 mtu 1400 address 02:00:00:00:00:05 txqueuelen 9 "
        "group 3 type veth peer name v1 netns a; ip link set v0 up master br0 alias 'some words'; ip -n a link set v1 "
        "up;"
        "sysctl -qw net.ipv4.conf.v0.forwarding=1 net.ipv6.conf.v0.disable_ipv6=1");
    NetlinkSocket socket = Socket();
    const auto links = ReadLinks(socket);
    ASSERT_TRUE(links.ok());
    ASSERT_EQ(links->size(), 3U);
    const Json v0 = Ip("link show v0")[0];
    EXPECT_EQ((*links)[0].name, "lo");
    EXPECT_TRUE((*links)[0].loopback);
    EXPECT_FALSE((*links)[0].up);
    const LinkInfo expected{.index = v0.at("ifindex"),
                            .name = "v0",
                            .kind = "veth",
                            .mtu = 1400,
                            .mac = Mac("02:00:00:00:00:05"),
                            .up = true,
                            .carrier = true,
                            .master = Ip("link show br0")[0].at("ifindex"),
                            .peer = v0.at("link_index"),
                            .link_netnsid = v0.at("link_netnsid").get<int>(),
                            .group = 3,
                            .alias = "some words",
                            .txqueuelen = 9,
                            .master_kind = "bridge",
                            .ipv4_forwarding = true,
                            .ipv6_forwarding = false,
                            .disable_ipv6 = true,
                            .ipv6_eui64 = v0.at("inet6_addr_gen_mode") == "eui64"};
    EXPECT_EQ((*links)[2], expected);
    EXPECT_EQ(**ReadLink(socket, "v0"), expected);
    EXPECT_EQ(*ReadLink(socket, "nobody"), std::nullopt);
  });
}

TEST(Link, ChangesAllInOneMessage) {
  InSandbox([] {
    Shell("ip link add br0 type bridge; ip link add v0 type veth peer name v1");
    NetlinkSocket socket = Socket();
    const int index = (*ReadLink(socket, "v0"))->index;
    const int master = (*ReadLink(socket, "br0"))->index;
    const std::uint64_t before = NetlinkSocket::mutating_requests();
    ASSERT_TRUE(ChangeLink(socket, index,
                           {.name = "eth0",
                            .mtu = 1280,
                            .mac = Mac("02:00:00:00:00:07"),
                            .up = true,
                            .master = master,
                            .alias = "hello",
                            .group = 4,
                            .txqueuelen = 11})
                    .ok());
    EXPECT_EQ(NetlinkSocket::mutating_requests() - before, 1U);
    Json link = Ip("link show eth0")[0];
    EXPECT_EQ(link.at("ifindex"), index);
    EXPECT_EQ(link.at("mtu"), 1280);
    EXPECT_EQ(link.at("address"), "02:00:00:00:00:07");
    EXPECT_EQ(link.at("master"), "br0");
    EXPECT_EQ(link.at("ifalias"), "hello");
    EXPECT_EQ(link.at("group"), "4");
    EXPECT_EQ(link.at("txqlen"), 11);
    ASSERT_TRUE(ChangeLink(socket, index, {.up = false, .master = 0, .alias = ""}).ok());
    link = Ip("link show eth0")[0];
    EXPECT_FALSE(link.contains("master"));
    EXPECT_FALSE(link.contains("ifalias"));
    EXPECT_THAT(link.at("flags").dump(), testing::Not(testing::HasSubstr("\"UP\"")));
    EXPECT_EQ(link.at("mtu"), 1280) << "what is not named stays";
  });
}

TEST(Link, MovesAndDeletes) {
  InSandbox([] {
    Shell("ip netns add a; ip link add v0 type veth peer name v1");
    const Namespace a = Open("a");
    NetlinkSocket socket = Socket();
    ASSERT_TRUE(ChangeLink(socket, (*ReadLink(socket, "v0"))->index, {.name = "eth0", .place = &a}).ok());
    EXPECT_FALSE(Find(Ip("-n a link show"), "ifname", "eth0").is_null());
    const int index = (*ReadLink(socket, "v1"))->index;
    ASSERT_TRUE(DeleteLink(socket, index).ok());
    EXPECT_EQ(Ip("link show").size(), 1U);
    EXPECT_EQ(Ip("-n a link show").size(), 1U);
    EXPECT_EQ(DeleteLink(socket, index).error().code, ENODEV);
    EXPECT_EQ(DeleteLink(socket, 0).error().code, EINVAL);
  });
}

TEST(Link, DeletesAGroupAtOnce) {
  InSandbox([] {
    Shell("ip netns add a; ip link add br0 type bridge; ip link set br0 group 77");
    for (int i = 0; i < 3; ++i) {
      const std::string port = "p" + std::to_string(i);
      Shell("ip link add " + port + " master br0 type veth peer name e" + std::to_string(i) + " netns a; ip link set " +
            port + " group 77");
    }
    Shell("ip link add other type veth peer name end; ip link set other group 78");
    NetlinkSocket socket = Socket();
    EXPECT_EQ(DeleteLinkGroup(socket, 79).error().code, ENODEV);
    ASSERT_TRUE(DeleteLinkGroup(socket, 77).ok());
    EXPECT_EQ(Ip("link show").size(), 3U) << "lo and the cable of the other group";
    EXPECT_EQ(Ip("-n a link show").size(), 1U) << "the far ends go along";
  });
}

TEST(Link, TellsTheKernelsOwnWords) {
  InSandbox([] {
    NetlinkSocket socket = Socket();
    EXPECT_EQ(CreateLink(socket, {.name = "x0"}, "nosuchkind").error().text(),
              "create nosuchkind: operation not supported (kernel: \"Unknown device type\")");
    ASSERT_TRUE(CreateBridge(socket, {.name = "br0"}, {}).ok());
    const int index = (*ReadLink(socket, "br0"))->index;
    EXPECT_EQ(ChangeLink(socket, index, {.mtu = 70000}).error().text(),
              "change link: invalid argument (kernel: \"mtu greater than device maximum\")");
  });
}

// The whole work of a large lab: one message a veth, from a socket that is in neither of its namespaces.
TEST(Link, CreatesAThousandVeths) {
  InSandbox([] {
    Shell("ip netns add a; ip netns add b");
    const Namespace a = Open("a");
    const Namespace b = Open("b");
    NetlinkSocket socket = Socket();
    constexpr int kCount = 1000;
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kCount; ++i) {
      const std::string name = "v" + std::to_string(i);
      const auto made = CreateVeth(socket, {.place = &a, .name = name, .up = true}, {.place = &b, .name = name});
      ASSERT_TRUE(made.ok()) << made.error().text();
    }
    const auto made = std::chrono::steady_clock::now();
    NetlinkSocket inside = std::move(NetlinkSocket::OpenIn(b)).value();
    const auto links = ReadLinks(inside);
    const auto read = std::chrono::steady_clock::now();
    ASSERT_TRUE(links.ok()) << links.error().text();
    EXPECT_EQ(links->size(), kCount + 1U);
    EXPECT_EQ(Ip("-n a link show").size(), kCount + 1U);
    const auto ms = [](auto from, auto to) {
      return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(to - from).count());
    };
    testing::Test::RecordProperty("create_ms", ms(start, made));
    std::printf("1000 veths: created in %d ms, read in %d ms\n", ms(start, made), ms(made, read));
  });
}

}  // namespace
}  // namespace runner
