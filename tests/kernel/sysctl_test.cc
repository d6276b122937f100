#include "kernel/sysctl.h"

#include <gmock/gmock.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "kernel/netns.h"
#include "tests/support/sandbox.h"

namespace runner {
namespace {

using test::InSandbox;
using test::Shell;

/// Whether the kernel makes an instance of proc for a process namespace of this user's.
bool GivesProc() {
  return Shell("unshare --pid --fork --mount-proc true 2>/dev/null && echo yes || echo no") == "yes\n";
}

/// The descriptors of this process that are folders of proc.
int OpenProcFolders() {
  int count = 0;
  for (int fd = 0; fd < 256; ++fd) {
    struct statfs system {};
    struct stat info {};
    if (fstatfs(fd, &system) != 0 || fstat(fd, &info) != 0) continue;
    if (system.f_type == PROC_SUPER_MAGIC && S_ISDIR(info.st_mode)) ++count;
  }
  return count;
}

TEST(Sysctl, FindsTheFileAsSysctlDoes) {
  EXPECT_EQ(*SysctlPath("net.ipv4.ip_forward"), "/proc/sys/net/ipv4/ip_forward");
  EXPECT_EQ(*SysctlPath("net.ipv4.conf.eth0/1.rp_filter"), "/proc/sys/net/ipv4/conf/eth0.1/rp_filter");
  EXPECT_EQ(*SysctlPath("net/ipv4/conf/eth0.1/rp_filter"), "/proc/sys/net/ipv4/conf/eth0.1/rp_filter");
  for (const char* bad : {"", "net", "kernel.hostname", "net.", "net..x", "net/../kernel/hostname", "net.//.kernel",
                          "/proc/sys/net/ipv4", "netx.a"}) {
    EXPECT_FALSE(SysctlPath(bad).ok()) << bad;
  }
  EXPECT_EQ(SysctlPath("kernel.hostname").error().text(), "sysctl \"kernel.hostname\": a key begins with \"net.\"");
}

TEST(Sysctl, ComparesWithoutWhiteSpace) {
  EXPECT_EQ(NormaliseSysctl("4096\t131072\t6291456\n"), "4096 131072 6291456");
  EXPECT_EQ(NormaliseSysctl("  1  \n"), "1");
  EXPECT_EQ(NormaliseSysctl(" \n"), "");
  EXPECT_TRUE(SameSysctl("4096\t131072\n", "4096 131072"));
  EXPECT_TRUE(SameSysctl("1027", "0x403"));
  EXPECT_FALSE(SameSysctl("1027", "0x404"));
  EXPECT_FALSE(SameSysctl("1", "1 2"));
  EXPECT_FALSE(SameSysctl("cubic", "reno"));
  EXPECT_FALSE(SameSysctl("", "0"));
}

TEST(Sysctl, WritesInTheThreadsNamespace) {
  InSandbox([] {
    Shell("ip netns add a; ip -n a link add eth0.1 type bridge; sysctl -qw net.ipv4.ip_forward=0");
    const auto a = Namespace::OpenPath("/run/netns/a");
    {
      const auto inside = InNamespace::Enter(*a);
      ASSERT_TRUE(WriteSysctl("net.ipv4.ip_forward", "1").ok());
      ASSERT_TRUE(WriteSysctl("net.ipv4.conf.eth0/1.rp_filter", "2").ok());
      ASSERT_TRUE(WriteSysctl("net.ipv4.tcp_fastopen", "0x403").ok());
      ASSERT_TRUE(WriteSysctl("net.ipv4.tcp_rmem", "4096 131072 400000").ok());
      EXPECT_EQ(*ReadSysctl("net.ipv4.tcp_rmem"), "4096 131072 400000");
    }
    EXPECT_EQ(*ReadSysctl("net.ipv4.ip_forward"), "0");
    EXPECT_EQ(Shell("ip netns exec a sysctl -n net.ipv4.ip_forward net.ipv4.conf.eth0/1.rp_filter"), "1\n2\n");
  });
}

TEST(Sysctl, WritesInTheThreadsNamespaceHoweverOftenItHasBefore) {
  InSandbox([] {
    constexpr int kTimes = 200;  // beyond where an instance of proc is taken for too full
    Shell("ip netns add a; ip netns add b");
    const auto a = Namespace::OpenPath("/run/netns/a");
    const auto b = Namespace::OpenPath("/run/netns/b");
    for (int i = 1; i <= kTimes; ++i) {
      for (const auto* place : {&a, &b}) {
        const auto inside = InNamespace::Enter(**place);
        const std::string value = std::to_string(place == &a ? i : i + 1000);
        ASSERT_TRUE(WriteSysctl("net.ipv4.tcp_fin_timeout", value).ok()) << i;
        EXPECT_EQ(*ReadSysctl("net.ipv4.tcp_fin_timeout"), value);
      }
    }
    EXPECT_EQ(OpenProcFolders(), GivesProc() ? 1 : 0);
    EXPECT_EQ(Shell("ip netns exec a sysctl -n net.ipv4.tcp_fin_timeout"), "200\n");
    EXPECT_EQ(Shell("ip netns exec b sysctl -n net.ipv4.tcp_fin_timeout"), "1200\n");
    EXPECT_EQ(WriteSysctl("net.ipv4.no_such", "1").error().text(),
              "sysctl \"net.ipv4.no_such\": open \"/proc/sys/net/ipv4/no_such\": no such file or directory");
  });
}

TEST(Sysctl, TellsWhatTheKernelDoesNotTake) {
  InSandbox([] {
    const auto none = WriteSysctl("net.ipv4.no_such", "1");
    EXPECT_EQ(none.error().text(),
              "sysctl \"net.ipv4.no_such\": open \"/proc/sys/net/ipv4/no_such\": no such file or directory");
    EXPECT_EQ(none.error().code, ENOENT);
    EXPECT_EQ(WriteSysctl("net.ipv4.ip_forward", "many").error().code, EINVAL);
    // A range that is upside down becomes the empty one without a word, but only where the groups exist.
    const auto turned = WriteSysctl("net.ipv4.ping_group_range", "5 2");
    ASSERT_FALSE(turned.ok());
    if (turned.error().code == EINVAL) {
      EXPECT_EQ(Shell("cat /proc/self/gid_map").find("4294967295"), std::string::npos);
    } else {
      EXPECT_EQ(turned.error().text(),
                "sysctl \"net.ipv4.ping_group_range\": the kernel took \"5 2\" without an error, but the value is now "
                "\"1 0\"");
    }
  });
}

}  // namespace
}  // namespace runner
