#include "kernel/netns.h"
#include "base/json.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "kernel/link.h"
#include "kernel/mark.h"
#include "kernel/netlink.h"
#include "tests/support/sandbox.h"

namespace runner {
namespace {

using test::InSandbox;
using test::Ip;
using test::Shell;
using testing::ElementsAre;
using testing::IsEmpty;

const NamespaceDirectory kDirectory;

int CountMounts(const std::string& point) {
  std::ifstream table("/proc/thread-self/mountinfo");
  int count = 0;
  for (std::string line; std::getline(table, line);) {
    if (line.find(" " + point + " ") != std::string::npos) ++count;
  }
  return count;
}

TEST(Netns, PreparesTheFolderOnce) {
  InSandbox([] {
    ASSERT_TRUE(PrepareNamespaceDirectory(kDirectory).ok());
    EXPECT_EQ(CountMounts("/run/netns"), 1);
    EXPECT_EQ(Shell("findmnt -no PROPAGATION /run/netns"), "shared\n");
    ASSERT_TRUE(PrepareNamespaceDirectory(kDirectory).ok());
    EXPECT_EQ(CountMounts("/run/netns"), 1);
  });
}

TEST(Netns, LeavesTheFolderThatIpMadeAlone) {
  InSandbox([] {
    Shell("ip netns add other");
    const int before = CountMounts("/run/netns");
    ASSERT_TRUE(PrepareNamespaceDirectory(kDirectory).ok());
    EXPECT_EQ(CountMounts("/run/netns"), before);
  });
}

TEST(Netns, CreatesWhatIpFindsWithItsMarkSet) {
  InSandbox([] {
    ASSERT_TRUE(PrepareNamespaceDirectory(kDirectory).ok());
    const auto home = Namespace::Current();
    ASSERT_TRUE(home.ok());
    std::optional<NetlinkSocket> kept;
    const auto made = CreateNamespace(kDirectory, "lab.r1", [&]() -> Status {
      EXPECT_NE(access("/run/netns/lab.r1", F_OK), -1);
      kept = TRY(NetlinkSocket::Open());
      return ChangeLink(*kept, 1, {.up = true, .alias = NamespaceMark("lab", "r1")});
    });
    ASSERT_TRUE(made.ok()) << made.error().text();
    const Json lo = test::Find(Ip("-n lab.r1 link show"), "ifname", "lo");
    EXPECT_EQ(lo.at("ifalias"), "toporun:lab:r1");
    EXPECT_EQ(lo.at("flags"), Json::parse(R"(["LOOPBACK", "UP", "LOWER_UP"])"));
    EXPECT_EQ(Namespace::Current()->inode(), home->inode()) << "back at home";
    EXPECT_NE(made->inode(), home->inode());
    EXPECT_NE(made->cookie(), 0U);
    EXPECT_NE(made->cookie(), home->cookie());
    EXPECT_EQ(kept->cookie(), made->cookie());
    EXPECT_EQ(Namespace::OpenPath("/run/netns/lab.r1")->inode(), made->inode());
  });
}

TEST(Netns, LeavesNothingWhenItsSetupFails) {
  InSandbox([] {
    ASSERT_TRUE(PrepareNamespaceDirectory(kDirectory).ok());
    const auto home = Namespace::Current();
    const auto made = CreateNamespace(kDirectory, "r1", []() -> Status { return Fail("no way"); });
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().why, "no way");
    EXPECT_EQ(access("/run/netns/r1", F_OK), -1);
    EXPECT_EQ(Namespace::Current()->inode(), home->inode());
  });
}

TEST(Netns, RefusesANameThatIsTaken) {
  InSandbox([] {
    Shell("ip netns add r1");
    const auto before = Namespace::OpenPath("/run/netns/r1");
    bool set_up = false;
    const auto made = CreateNamespace(kDirectory, "r1", [&]() -> Status {
      set_up = true;
      return {};
    });
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().text(), "make \"/run/netns/r1\": file exists");
    EXPECT_EQ(made.error().code, EEXIST);
    EXPECT_FALSE(set_up);
    EXPECT_EQ(Namespace::OpenPath("/run/netns/r1")->inode(), before->inode());
  });
}

TEST(Netns, RefusesANameThatLeadsElsewhere) {
  InSandbox([] {
    ASSERT_TRUE(PrepareNamespaceDirectory(kDirectory).ok());
    EXPECT_EQ(CreateNamespace(kDirectory, "../r1", {}).error().text(), "\"../r1\" cannot be a namespace's name");
    EXPECT_EQ(DeleteNamespace(kDirectory, "").error().code, EINVAL);
    EXPECT_EQ(access("/run/r1", F_OK), -1);
  });
}

TEST(Netns, DeletesWhatIsThereByHalf) {
  InSandbox([] {
    ASSERT_TRUE(PrepareNamespaceDirectory(kDirectory).ok());
    ASSERT_TRUE(CreateNamespace(kDirectory, "whole", {}).ok());
    ASSERT_TRUE(CreateNamespace(kDirectory, "unmounted", {}).ok());
    Shell("umount /run/netns/unmounted; touch /run/netns/never");
    for (const char* name : {"whole", "unmounted", "never", "absent"}) {
      const auto deleted = DeleteNamespace(kDirectory, name);
      EXPECT_TRUE(deleted.ok()) << name << ": " << deleted.error().text();
    }
    EXPECT_EQ(Shell("ls /run/netns"), "");
    EXPECT_EQ(CountMounts("/run/netns/whole"), 0);
  });
}

TEST(Netns, ListsNamespacesAndStrays) {
  InSandbox([] {
    EXPECT_THAT(*ListNamespaces(kDirectory), IsEmpty());
    Shell("ip netns add b; touch /run/netns/a");
    const std::uint64_t inode = Namespace::OpenPath("/run/netns/b")->inode();
    EXPECT_THAT(*ListNamespaces(kDirectory),
                ElementsAre(NamespaceEntry{.name = "a", .state = NamespaceEntry::State::kStray},
                            NamespaceEntry{.name = "b", .inode = inode}));
  });
}

TEST(Netns, BindsAnExistingNamespaceUnderAName) {
  InSandbox([] {
    Shell("ip netns add other");
    const auto other = Namespace::OpenPath("/run/netns/other");
    ASSERT_TRUE(BindNamespace(kDirectory, "lab.fw", *other).ok());
    EXPECT_EQ(Namespace::OpenPath("/run/netns/lab.fw")->inode(), other->inode());
    EXPECT_EQ(BindNamespace(kDirectory, "lab.fw", *other).error().code, EEXIST);
    ASSERT_TRUE(DeleteNamespace(kDirectory, "lab.fw").ok());
    EXPECT_EQ(Namespace::OpenPath("/run/netns/other")->inode(), other->inode()) << "the other name stays";
  });
}

TEST(Netns, OpensNothingButNetworkNamespaces) {
  EXPECT_EQ(Namespace::OpenPath("/proc/self/ns/mnt").error().text(),
            "open \"/proc/self/ns/mnt\": it is no network namespace");
  EXPECT_EQ(Namespace::OpenPath("/etc/passwd").error().why, "it is no network namespace");
  EXPECT_EQ(Namespace::OpenPath("/no/such").error().code, ENOENT);
  EXPECT_EQ(Namespace::OpenPid(getpid())->inode(), Namespace::Current()->inode());
}

TEST(Netns, ComesBackWhenAGuestEnds) {
  InSandbox([] {
    Shell("ip netns add r1");
    const auto home = Namespace::Current();
    const auto place = Namespace::OpenPath("/run/netns/r1");
    {
      const auto inside = InNamespace::Enter(*place);
      ASSERT_TRUE(inside.ok());
      EXPECT_EQ(Namespace::Current()->inode(), place->inode());
    }
    EXPECT_EQ(Namespace::Current()->inode(), home->inode());
  });
}

TEST(Netns, IsMarkedByNames) {
  EXPECT_EQ(NamespaceMark("lab", "r1"), "toporun:lab:r1");
  EXPECT_EQ(ParseNamespaceMark("toporun:lab:r1"), (NamespaceOwner{.lab = "lab", .node = "r1"}));
  for (const char* foreign :
       {"", "toporun", "toporun:lab", "toporun::r1", "toporun:lab:", "toporun:a:b:c", "x:lab:r1"}) {
    EXPECT_EQ(ParseNamespaceMark(foreign), std::nullopt) << foreign;
  }
  EXPECT_EQ(LinkGroup("lab"), LinkGroup("lab"));
  EXPECT_NE(LinkGroup("lab"), LinkGroup("lab2"));
  EXPECT_NE(LinkGroup(""), 0U);
}

}  // namespace
}  // namespace runner
