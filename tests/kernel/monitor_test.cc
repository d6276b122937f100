#include "kernel/monitor.h"

#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/support/sandbox.h"

namespace runner {
namespace {

using test::InSandbox;
using test::Shell;
using testing::ElementsAre;

Monitor Open() {
  auto monitor = Monitor::Open();
  EXPECT_TRUE(monitor.ok());
  return std::move(*monitor);
}

int Follow(Monitor& monitor, const std::string& name) {
  const auto place = Namespace::OpenPath("/run/netns/" + name);
  EXPECT_TRUE(place.ok()) << name;
  const auto number = monitor.Follow(*place);
  EXPECT_TRUE(number.ok()) << name;
  return number.ok() ? *number : -1;
}

Monitor::News Take(Monitor& monitor) {
  auto news = monitor.TakeNews();
  EXPECT_TRUE(news.ok());
  return news.ok() ? std::move(*news) : Monitor::News();
}

TEST(Monitor, TellsInWhichNamespaceSomethingChanged) {
  InSandbox([] {
    Shell("ip netns add a; ip netns add b; ip netns add other");
    Monitor monitor = Open();
    const int a = Follow(monitor, "a");
    const int b = Follow(monitor, "b");
    EXPECT_FALSE(Take(monitor).any());
    for (const char* change : {"link set lo up", "address add 10.0.0.1/8 dev lo", "route add 10.9.0.0/16 dev lo",
                               "-6 rule add from fd00::/8 table 9"}) {
      Shell(std::string("ip -n b ") + change);
      EXPECT_THAT(Take(monitor).places, ElementsAre(b)) << change;
    }
    Shell("ip netns exec a sysctl -qw net.ipv4.ip_forward=1");
    EXPECT_THAT(Take(monitor).places, ElementsAre(a));
    Shell("ip -n other link set lo up; ip link set lo up");
    EXPECT_FALSE(Take(monitor).any());
  });
}

TEST(Monitor, FollowsOnceWhatItIsAskedToTwice) {
  InSandbox([] {
    Shell("ip netns add a");
    Monitor monitor = Open();
    EXPECT_EQ(Follow(monitor, "a"), Follow(monitor, "a"));
  });
}

TEST(Monitor, TellsOfANamespacesEnd) {
  InSandbox([] {
    Shell("ip netns add a");
    Monitor monitor = Open();
    Follow(monitor, "a");
    EXPECT_FALSE(Take(monitor).any());
    Shell("ip netns del a");
    pollfd waiting{.fd = monitor.fd(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(poll(&waiting, 1, 10'000), 1);
    EXPECT_TRUE(Take(monitor).any());
  });
}

TEST(Monitor, SaysWhenAnnouncementsWereLost) {
  InSandbox([] {
    Shell("ip netns add a");
    Monitor monitor = Open();
    Follow(monitor, "a");
    const int smallest = 1;
    ASSERT_EQ(setsockopt(monitor.fd(), SOL_SOCKET, SO_RCVBUF, &smallest, sizeof smallest), 0);
    Shell("for i in $(seq 100); do echo address add 10.0.0.$i/8 dev lo; done | ip -n a -batch -");
    EXPECT_TRUE(Take(monitor).anywhere);
    EXPECT_FALSE(Take(monitor).any());
  });
}

TEST(Monitor, LeavesTheCallersNamespaceAsItWas) {
  InSandbox([] {
    Shell("ip netns add a");
    const auto home = Namespace::Current();
    Monitor monitor = Open();
    Follow(monitor, "a");
    const auto now = Namespace::Current();
    ASSERT_TRUE(home.ok() && now.ok());
    EXPECT_EQ(home->inode(), now->inode());
    EXPECT_EQ(Shell("ip netns list-id"), "");
  });
}

}  // namespace
}  // namespace runner
