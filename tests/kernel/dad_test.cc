#include "kernel/dad.h"

#include <gmock/gmock.h>

#include "kernel/address.h"
#include "tests/kernel/l3.h"

namespace runner {
namespace {

using test::InSandbox;
using test::Prefix;
using test::Shell;
using test::Socket;
using testing::ElementsAre;

constexpr std::chrono::seconds kLimit(20);

std::vector<DadOutcome> Wait(const std::vector<DadQuestion>& questions, std::chrono::milliseconds limit = kLimit) {
  const auto here = Namespace::Current();
  EXPECT_TRUE(here.ok());
  const auto outcomes = WaitForDad(*here, questions, std::chrono::steady_clock::now() + limit);
  EXPECT_TRUE(outcomes.ok());
  return outcomes.ok() ? *outcomes : std::vector<DadOutcome>();
}

TEST(Dad, TellsTheDuplicateFromTheUnique) {
  InSandbox([] {
    Shell("ip link add v0 type veth peer name v1; ip link set v1 up; ip link set v0 up");
    Shell("ip address add fd00::1/64 dev v1 nodad");
    NetlinkSocket socket = Socket();
    const int index = test::Index(socket, "v0");
    for (const char* text : {"fd00::1/64", "fd00::2/64"}) {
      ASSERT_TRUE(AddAddress(socket, {.index = index, .prefix = Prefix(text), .dad = true}).ok());
    }
    EXPECT_THAT(Wait({{.index = index, .prefix = Prefix("fd00::1/64")},
                      {.index = index, .prefix = Prefix("fd00::2/64")},
                      {.index = index, .prefix = Prefix("fd00::3/64")}}),
                ElementsAre(DadOutcome::kDuplicate, DadOutcome::kUnique, DadOutcome::kGone));
  });
}

TEST(Dad, DoesNotWaitWithoutCarrier) {
  InSandbox([] {
    Shell("ip link add v0 type veth peer name v1; ip link set v0 up");
    NetlinkSocket socket = Socket();
    const int index = test::Index(socket, "v0");
    ASSERT_TRUE(AddAddress(socket, {.index = index, .prefix = Prefix("fd00::1/64"), .dad = true}).ok());
    EXPECT_THAT(Wait({{.index = index, .prefix = Prefix("fd00::1/64")}}), ElementsAre(DadOutcome::kNoCarrier));
  });
}

TEST(Dad, WaitsNoLongerThanItMay) {
  InSandbox([] {
    Shell("ip link add v0 type veth peer name v1; ip link set v1 up; ip link set v0 up");
    Shell("sysctl -qw net.ipv6.conf.v0.dad_transmits=600");
    NetlinkSocket socket = Socket();
    const int index = test::Index(socket, "v0");
    ASSERT_TRUE(AddAddress(socket, {.index = index, .prefix = Prefix("fd00::1/64"), .dad = true}).ok());
    EXPECT_THAT(Wait({{.index = index, .prefix = Prefix("fd00::1/64")}}, std::chrono::milliseconds(50)),
                ElementsAre(DadOutcome::kPending));
  });
}

TEST(LinkLocal, IsWhatTheKernelMakes) {
  InSandbox([] {
    Shell("ip link add v0 address 02:11:22:33:44:55 type veth peer name v1; ip link set v1 up; ip link set v0 up");
    const auto made = test::Ip("-6 address show dev v0")[0].at("addr_info")[0].at("local");
    EXPECT_EQ(made, LinkLocalAddress(*MacAddress::Parse("02:11:22:33:44:55")).address().text());
  });
}

}  // namespace
}  // namespace runner
