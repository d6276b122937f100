#include "kernel/netlink.h"

#include <gmock/gmock.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <chrono>
#include <cstring>

#include "kernel/link.h"
#include "tests/support/sandbox.h"

namespace runner {
namespace {

using test::InSandbox;
using test::Shell;
using testing::ElementsAre;
using testing::IsEmpty;

/// A socket whose other end is the test. A socket numbers its requests from 1, so answers can be laid ready before.
struct FakeKernel {
  FakeKernel() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    kernel.Reset(ends[0]);
    const timeval limit{.tv_sec = 0, .tv_usec = 1000};
    EXPECT_EQ(setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    socket.emplace(NetlinkSocket::Adopt(Fd(ends[1])));
  }

  void Answer(int type, int flags, std::uint32_t sequence, const std::string& payload) const {
    nlmsghdr header{};
    header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + payload.size());
    header.nlmsg_type = static_cast<std::uint16_t>(type);
    header.nlmsg_flags = static_cast<std::uint16_t>(flags);
    header.nlmsg_seq = sequence;
    std::string packet(reinterpret_cast<const char*>(&header), sizeof header);
    packet += payload;
    ASSERT_EQ(send(kernel.get(), packet.data(), packet.size(), 0), static_cast<ssize_t>(packet.size()));
  }
  void Error(std::uint32_t sequence, int code, int flags = 0, const std::string& more = {}) const {
    nlmsgerr error{};
    error.error = -code;
    error.msg.nlmsg_len = sizeof(nlmsghdr);
    Answer(NLMSG_ERROR, flags, sequence, std::string(reinterpret_cast<const char*>(&error), sizeof error) + more);
  }
  void Done(std::uint32_t sequence, int flags = 0, int code = 0, const std::string& more = {}) const {
    Answer(NLMSG_DONE, flags, sequence, std::string(reinterpret_cast<const char*>(&code), sizeof code) + more);
  }

  Fd kernel;
  std::optional<NetlinkSocket> socket;
};

// An attribute of the kernel's words.
std::string Words(const std::string& text) {
  nlattr header{.nla_len = static_cast<std::uint16_t>(sizeof(nlattr) + text.size() + 1), .nla_type = NLMSGERR_ATTR_MSG};
  std::string attribute(reinterpret_cast<const char*>(&header), sizeof header);
  attribute += text;
  attribute.resize(NLMSG_ALIGN(attribute.size() + 1));
  return attribute;
}

NetlinkMessage Question() { return NetlinkMessage(RTM_GETLINK, 0); }

struct Dumped {
  Status status;
  std::vector<std::string> objects;
};
Dumped Dump(NetlinkSocket& socket) {
  Dumped dumped;
  NetlinkMessage message = Question();
  dumped.status = socket.Dump(message, "read", [&](const nlmsghdr& part) -> Status {
    dumped.objects.emplace_back(reinterpret_cast<const char*>(&part + 1), part.nlmsg_len - sizeof part);
    return {};
  });
  return dumped;
}

TEST(Netlink, ReadsAnInterruptedDumpAgain) {
  FakeKernel fake;
  fake.Answer(RTM_NEWLINK, NLM_F_MULTI, 1, "old ");
  fake.Done(1, NLM_F_DUMP_INTR);
  fake.Answer(RTM_NEWLINK, NLM_F_MULTI | NLM_F_DUMP_INTR, 2, "torn");
  fake.Done(2);
  fake.Answer(RTM_NEWLINK, NLM_F_MULTI, 3, "new1");
  fake.Answer(RTM_NEWLINK, NLM_F_MULTI, 3, "new2");
  fake.Done(3);
  const Dumped dumped = Dump(*fake.socket);
  ASSERT_TRUE(dumped.status.ok());
  EXPECT_THAT(dumped.objects, ElementsAre("new1", "new2"));
}

TEST(Netlink, GivesUpOnADumpThatIsInterruptedForEver) {
  FakeKernel fake;
  for (std::uint32_t sequence = 1; sequence <= 30; ++sequence) fake.Done(sequence, NLM_F_DUMP_INTR);
  const Dumped dumped = Dump(*fake.socket);
  ASSERT_FALSE(dumped.status.ok());
  EXPECT_EQ(dumped.status.error().text(), "read: the objects change all the time: 20 readings were disturbed");
  EXPECT_THAT(dumped.objects, IsEmpty());
}

TEST(Netlink, TellsWhyADumpFailed) {
  FakeKernel fake;
  fake.Answer(RTM_NEWLINK, NLM_F_MULTI, 1, "some");
  fake.Done(1, NLM_F_ACK_TLVS, -EINVAL, Words("Invalid header"));
  fake.Error(2, EAFNOSUPPORT);
  const Dumped late = Dump(*fake.socket);
  EXPECT_EQ(late.status.error().text(), "read: invalid argument (kernel: \"Invalid header\")");
  EXPECT_THAT(late.objects, IsEmpty());
  EXPECT_EQ(Dump(*fake.socket).status.error().code, EAFNOSUPPORT);
}

TEST(Netlink, FindsTheKernelsWordsBehindTheRequest) {
  FakeKernel fake;
  NetlinkMessage message = Question();
  fake.Error(1, EPERM, NLM_F_ACK_TLVS | NLM_F_CAPPED, Words("short"));
  EXPECT_EQ(fake.socket->Request(message, "ask").error().text(), "ask: operation not permitted (kernel: \"short\")");
  // Before NETLINK_CAP_ACK the whole request stands between.
  NetlinkMessage again = Question();
  std::string payload(sizeof(nlmsgerr), '\0');
  nlmsgerr error{};
  error.error = -EPERM;
  error.msg.nlmsg_len = sizeof(nlmsghdr) + 8;
  std::memcpy(payload.data(), &error, sizeof error);
  fake.Answer(NLMSG_ERROR, NLM_F_ACK_TLVS, 2, payload + std::string(8, 'x') + Words("long"));
  EXPECT_EQ(fake.socket->Request(again, "ask").error().text(), "ask: operation not permitted (kernel: \"long\")");
}

TEST(Netlink, SkipsAnswersToEarlierQuestions) {
  FakeKernel fake;
  fake.Error(7, EPERM);
  fake.Done(7, 0, -EPERM);
  fake.Error(1, 0);
  NetlinkMessage message = Question();
  EXPECT_TRUE(fake.socket->Request(message, "ask").ok());
}

TEST(Netlink, SaysThatTheOutcomeIsUnknownWithoutAnAnswer) {
  FakeKernel fake;
  NetlinkMessage message = Question();
  const auto asked = fake.socket->Request(message, "ask");
  EXPECT_EQ(asked.error().code, ETIMEDOUT);
  EXPECT_THAT(asked.error().why, testing::HasSubstr("the outcome is unknown"));
  fake.kernel.Reset();
  NetlinkMessage again = Question();
  EXPECT_FALSE(fake.socket->Request(again, "ask").ok());
}

TEST(Netlink, SaysThatTheOutcomeIsUnknownWhenTheAnswerIsLost) {
  InSandbox([] {
    // A socket that hears of every link, with no room to hear.
    Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    const int group = RTNLGRP_LINK;
    const int size = 1;
    ASSERT_EQ(setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group), 0);
    ASSERT_EQ(setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
    NetlinkSocket deaf = NetlinkSocket::Adopt(std::move(fd));
    NetlinkSocket other = std::move(NetlinkSocket::Open()).value();
    for (const char* name : {"a", "b", "c", "d"}) ASSERT_TRUE(CreateBridge(other, {.name = name}, {}).ok());
    const auto made = CreateBridge(deaf, {.name = "e"}, {});
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code, ENOBUFS);
    EXPECT_EQ(made.error().text(),
              "create bridge: the kernel's answer was lost, so the outcome is unknown (no buffer space)");
    EXPECT_TRUE(*ReadLink(other, "e"));
  });
}

TEST(Netlink, RefusesARequestThatDoesNotFit) {
  FakeKernel fake;
  NetlinkMessage message = Question();
  message.PutString(IFLA_IFALIAS, std::string(20000, 'x'));
  EXPECT_EQ(fake.socket->Request(message, "ask").error().text(), "ask: the request is too long for one message");
  char sent = 0;
  EXPECT_EQ(recv(fake.kernel.get(), &sent, 1, MSG_DONTWAIT), -1);
}

TEST(Netlink, CountsWhatChangesSomething) {
  InSandbox([] {
    NetlinkSocket socket = std::move(NetlinkSocket::Open()).value();
    const std::uint64_t before = NetlinkSocket::mutating_requests();
    ASSERT_TRUE(ReadLinks(socket).ok());
    ASSERT_TRUE(ReadLink(socket, "lo").ok());
    EXPECT_EQ(NetlinkSocket::mutating_requests(), before);
    ASSERT_TRUE(CreateBridge(socket, {.name = "a"}, {}).ok());
    ASSERT_TRUE(ChangeLink(socket, 1, {.up = true}).ok());
    ASSERT_TRUE(DeleteLink(socket, (*ReadLink(socket, "a"))->index).ok());
    EXPECT_EQ(NetlinkSocket::mutating_requests(), before + 3);
  });
}

TEST(Netlink, StaysInTheNamespaceWhereItWasOpened) {
  InSandbox([] {
    Shell("ip netns add a; ip -n a link add br0 type bridge");
    const Namespace a = std::move(Namespace::OpenPath("/run/netns/a")).value();
    const auto start = std::chrono::steady_clock::now();
    constexpr int kTimes = 1000;
    for (int i = 0; i < kTimes; ++i) {
      const auto inside = InNamespace::Enter(a);
      ASSERT_TRUE(inside.ok());
    }
    const auto spent = std::chrono::steady_clock::now() - start;
    std::printf("in and out of a namespace: %.1f us\n",
                std::chrono::duration<double, std::micro>(spent).count() / kTimes);
    NetlinkSocket socket = std::move(NetlinkSocket::OpenIn(a)).value();
    EXPECT_TRUE(*ReadLink(socket, "br0"));
    EXPECT_EQ(socket.cookie(), a.cookie());
    EXPECT_NE(Namespace::Current()->inode(), a.inode());
  });
}

}  // namespace
}  // namespace runner
