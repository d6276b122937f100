#include "uplink/tcp_receiver.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace runner {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint32_t kFirstOfLab = 0xfffffc00;  // numbers wrap early

class TcpReceiverTest : public testing::Test {
 protected:
  TcpReceiverTest() {
    std::iota(content_.begin(), content_.end(), std::uint8_t{0});
    receiver_.Offer(64000, 1);
  }

  void Take(std::size_t from, std::size_t to) {
    receiver_.Take(kFirstOfLab + static_cast<std::uint32_t>(from), std::span(content_).subspan(from, to - from),
                   deliver_);
  }
  std::size_t next() const { return receiver_.next() - kFirstOfLab; }

  Bytes content_ = Bytes(200000);
  Bytes delivered_;
  std::size_t most_ = SIZE_MAX;  // that is taken in one call
  TcpReceiver::Deliver deliver_ = [this](std::span<const std::uint8_t> bytes) {
    const std::size_t taken = std::min(most_, bytes.size());
    delivered_.insert(delivered_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
    return taken;
  };
  TcpReceiver receiver_{kFirstOfLab};
};

TEST_F(TcpReceiverTest, PutsAnyOrderRight) {
  std::mt19937 random(1);
  std::vector<std::size_t> parts(60);
  std::iota(parts.begin(), parts.end(), 0U);
  std::shuffle(parts.begin(), parts.end(), random);
  for (const std::size_t part : parts) {
    // Over what is there already, too.
    const std::size_t from = part * 1000 - std::min<std::size_t>(part * 1000, random() % 700);
    Take(from, part * 1000 + 1000);
  }
  EXPECT_EQ(next(), 60000U);
  EXPECT_FALSE(receiver_.has_early());
  EXPECT_EQ(delivered_, Bytes(content_.begin(), content_.begin() + 60000));
}

TEST_F(TcpReceiverTest, TakesJustWhatItTold) {
  EXPECT_EQ(receiver_.window(), 64000U);
  Take(70000, 71000);  // beyond
  EXPECT_FALSE(receiver_.has_early());
  Take(63000, 65000);  // in part
  Take(0, 63000);
  EXPECT_EQ(next(), 64000U);
  EXPECT_EQ(receiver_.window(), 0U);
  Take(64000, 65000);
  EXPECT_EQ(next(), 64000U);
  // In whole units, rounded up, and never less than before.
  EXPECT_EQ(receiver_.Offer(1000, 32), 1024U);
  EXPECT_EQ(receiver_.Offer(100, 32), 1024U);
  Take(64000, 66000);
  EXPECT_EQ(next(), 65024U);
  EXPECT_EQ(delivered_, Bytes(content_.begin(), content_.begin() + 65024));
}

TEST_F(TcpReceiverTest, KeepsWhatIsNotTaken) {
  most_ = 100;
  Take(0, 1000);
  most_ = 0;
  Take(1000, 64000);
  EXPECT_EQ(receiver_.waiting(), 63900U);
  EXPECT_EQ(receiver_.Offer(64000, 1), 100U) << "what waits takes room";
  most_ = 7000;
  while (receiver_.waiting() > 0) receiver_.Flush(deliver_);
  EXPECT_EQ(delivered_, Bytes(content_.begin(), content_.begin() + 64000));
  EXPECT_EQ(receiver_.Offer(64000, 1), 64000U);
  Take(64000, 65000);
  EXPECT_EQ(delivered_.size(), 65000U);
}

TEST_F(TcpReceiverTest, KeepsNoMoreEarlyBytesThanItsWindow) {
  // Each begins one further: together they would be far more.
  for (std::size_t at = 1; at < 60000; at += 100) Take(at, 64000);
  most_ = SIZE_MAX;
  Take(0, 1);
  EXPECT_LE(next(), 64000U);
  EXPECT_GE(next(), 60000U);
  EXPECT_EQ(delivered_, Bytes(content_.begin(), content_.begin() + static_cast<std::ptrdiff_t>(next())));
}

}  // namespace
}  // namespace runner
