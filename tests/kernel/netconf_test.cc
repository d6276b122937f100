#include "kernel/netconf.h"

#include <sys/socket.h>

#include "tests/kernel/l3.h"

namespace runner {
namespace {

using test::InSandbox;
using test::Shell;

TEST(Netconf, TellsWhatIsForwarded) {
  InSandbox([] {
    NetlinkSocket socket = test::Socket();
    for (const bool on : {true, false, true}) {
      const std::string value = on ? "1" : "0";
      Shell("echo " + value + " > /proc/sys/net/ipv4/ip_forward; echo " + (on ? "0" : "1") +
            " > /proc/sys/net/ipv6/conf/all/forwarding");
      EXPECT_EQ(*ReadForwarding(socket, AF_INET), on);
      EXPECT_EQ(*ReadForwarding(socket, AF_INET6), !on);
    }
  });
}

TEST(Netconf, IsThatOfTheSocketsNamespace) {
  InSandbox([] {
    Shell(
        "ip netns add a; echo 1 > /proc/sys/net/ipv4/ip_forward; ip netns exec a sh -c "
        "'echo 0 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'");
    const Namespace a = std::move(Namespace::OpenPath("/run/netns/a")).value();
    NetlinkSocket there = std::move(NetlinkSocket::OpenIn(a)).value();
    NetlinkSocket here = test::Socket();
    EXPECT_FALSE(*ReadForwarding(there, AF_INET));
    EXPECT_TRUE(*ReadForwarding(there, AF_INET6));
    EXPECT_TRUE(*ReadForwarding(here, AF_INET));
  });
}

}  // namespace
}  // namespace runner
