#include "uplink/half_closed.h"

#include <gtest/gtest.h>

#include "tests/unit/uplink/frame.h"
#include "uplink/frame_filter.h"

namespace runner {
namespace {

constexpr std::uint8_t kFin = 0x11;
constexpr std::uint8_t kAck = 0x10;
constexpr std::uint8_t kReset = 0x04;

class HalfClosedTest : public testing::Test {
 protected:
  void Sent(std::uint16_t port, std::uint8_t flags, std::int64_t now, bool ipv6 = false) {
    auto frame = ipv6 ? test::Tcp("2001:db8::1", 80, "fd00::100", port, flags)
                      : test::Tcp("192.0.2.1", 80, "10.0.2.100", port, flags);
    Put16(&frame[kEthernetHeader + (ipv6 ? 40U : 20U) + 8], 0x1234);
    Put16(&frame[kEthernetHeader + (ipv6 ? 40U : 20U) + 10], 0x5678);
    half_closed_.Sent(frame, now);
  }
  void Received(std::uint16_t port, std::uint8_t flags, std::int64_t now) {
    auto frame = test::Tcp("10.0.2.100", port, "192.0.2.1", 80, flags);
    Packet packet;
    ASSERT_EQ(ParseFrame(frame, packet), Verdict::kPass);
    half_closed_.Received(packet, now);
  }

  std::vector<std::vector<std::uint8_t>> resets_;
  HalfClosed half_closed_{
      [this](std::span<const std::uint8_t> frame) { resets_.emplace_back(frame.begin(), frame.end()); }};
};

TEST_F(HalfClosedTest, ResetsWhatIsSilentInTheLabsName) {
  for (const bool ipv6 : {false, true}) {
    resets_.clear();
    Sent(4000, kFin, 1000, ipv6);
    half_closed_.Expire(1000 + HalfClosed::kPatience - 1);
    EXPECT_TRUE(resets_.empty());
    half_closed_.Expire(1000 + HalfClosed::kPatience);
    ASSERT_EQ(resets_.size(), 1U);
    Packet packet;
    ASSERT_EQ(ParseFrame(resets_[0], packet), Verdict::kPass);
    EXPECT_EQ(packet.source.text(), ipv6 ? "fd00::100" : "10.0.2.100");
    EXPECT_EQ(packet.source_port, 4000);
    EXPECT_EQ(packet.destination.text(), ipv6 ? "2001:db8::1" : "192.0.2.1");
    EXPECT_EQ(packet.destination_port, 80);
    EXPECT_EQ(packet.type, kReset);
    const auto tcp = packet.l4_bytes();
    EXPECT_EQ(Get16(&tcp[4]), 0x1234);
    EXPECT_EQ(Get16(&tcp[6]), 0x5678);
    EXPECT_EQ(Checksum(SumWords(tcp, PseudoHeaderSum(packet.source, packet.destination, kProtoTcp, tcp.size()))), 0);
    EXPECT_EQ(half_closed_.size(), 0U);
  }
}

TEST_F(HalfClosedTest, WhoSpeaksOnKeepsIt) {
  Sent(4000, kFin, 0);
  Received(4000, kAck, 100000);
  Sent(4000, kFin, 150000);  // once more; it does not count
  half_closed_.Expire(219999);
  EXPECT_TRUE(resets_.empty());
  half_closed_.Expire(220000);
  EXPECT_EQ(resets_.size(), 1U);
}

TEST_F(HalfClosedTest, BothEndsOrANewBeginningAreNoneOfIt) {
  Sent(4000, kFin, 0);
  Received(4000, kFin, 1);
  Received(4001, kFin, 2);  // the lab ends first
  Sent(4001, kFin, 3);
  Sent(4002, kFin, 4);
  Received(4002, kReset, 5);
  Sent(4003, kFin, 6);
  Sent(4003, kReset, 7);
  Sent(4005, kFin, 10);
  Sent(4005, kTcpSyn, 11);
  Sent(4006, kAck, 12);
  EXPECT_EQ(half_closed_.size(), 0U);
  half_closed_.Expire(1000000);
  EXPECT_TRUE(resets_.empty());
}

TEST_F(HalfClosedTest, ANewConnectionOfTheSamePortEndsTheOldOneFirst) {
  Sent(4000, kFin, 0);
  Received(4000, kTcpSyn, 1);
  EXPECT_EQ(resets_.size(), 1U);
  EXPECT_EQ(half_closed_.size(), 0U);
}

TEST_F(HalfClosedTest, IsBounded) {
  for (std::uint16_t i = 0; i < HalfClosed::kMost + 10; ++i) Sent(static_cast<std::uint16_t>(4000 + i), kFin, i);
  half_closed_.Expire(1000);
  EXPECT_EQ(half_closed_.size(), HalfClosed::kMost);
  ASSERT_EQ(resets_.size(), 10U);
  Packet packet;
  ASSERT_EQ(ParseFrame(resets_[9], packet), Verdict::kPass);
  EXPECT_EQ(packet.source_port, 4009) << "the longest silent first";
}

}  // namespace
}  // namespace runner
