#include "uplink/coalescer.h"

#include <gmock/gmock.h>

#include "tests/unit/uplink/frame.h"
#include "uplink/frame_filter.h"
#include "uplink/offload.h"

namespace runner {
namespace {

struct Written {
  std::vector<std::uint8_t> frame;
  std::size_t segment = 0;
  friend bool operator==(const Written&, const Written&) = default;
};

class CoalescerTest : public testing::TestWithParam<bool> {
 protected:
  // `number` bytes behind the first, of a connection from port `port`.
  std::vector<std::uint8_t> Segment(std::uint32_t number, const std::string& payload, std::uint8_t flags = 0x10,
                                    std::uint16_t port = 80, std::uint16_t window = 1000) const {
    const std::string from = GetParam() ? "2001:db8::1" : "192.0.2.1";
    const std::string to = GetParam() ? "fd00::100" : "10.0.2.100";
    std::vector<std::uint8_t> segment(20);
    Put16(&segment[0], port);
    Put16(&segment[2], 4000);
    Put16(&segment[4], number >> 16);
    Put16(&segment[6], number & 0xffff);
    segment[12] = 0x50;
    segment[13] = flags;
    Put16(&segment[14], window);
    segment.insert(segment.end(), payload.begin(), payload.end());
    return test::Transport(from, to, kProtoTcp, std::move(segment), 16);
  }

  void Send(std::vector<std::uint8_t> frame) { coalescer_.Send(frame); }

  std::vector<Written> written_;
  Coalescer coalescer_{[this](std::span<std::uint8_t> first, std::span<const std::uint8_t> rest, std::size_t segment) {
    // As the kernel gets it: the header, then the checksum that is left to it.
    std::vector<std::uint8_t> frame(first.begin(), first.end());
    const VnetHeader header = PrepareOffload(frame, {.mtu = 65520, .more = rest.size(), .merged = segment});
    frame.insert(frame.end(), rest.begin(), rest.end());
    EXPECT_TRUE(CompleteChecksum(header, frame));
    EXPECT_EQ(header.segment_size, segment);
    written_.push_back({std::move(frame), segment});
  }};
};

const std::string kA(5000, 'a');
const std::string kB(5000, 'b');
const std::string kC(20000, 'c');
const std::string kD(30000, 'd');

TEST_P(CoalescerTest, JoinsWhatFollows) {
  Send(Segment(0xfffffff0, kA, 0x10, 80, 1000));
  Send(Segment(0xfffffff0U + 5000, kB, 0x10, 80, 2000));
  Send(Segment(0xfffffff0U + 10000, kC, 0x18, 80, 3000));
  EXPECT_TRUE(written_.empty());
  coalescer_.Flush();
  coalescer_.Flush();
  EXPECT_THAT(written_, testing::ElementsAre(Written{Segment(0xfffffff0, kA + kB + kC, 0x18, 80, 3000), 5000}));
}

TEST_P(CoalescerTest, WritesAtOnceWhatWouldTakeNoMore) {
  Send(Segment(1, kD));
  Send(Segment(30001, kD));
  EXPECT_THAT(written_, testing::ElementsAre(Written{Segment(1, kD + kD), 30000}));
  coalescer_.Flush();
  EXPECT_EQ(written_.size(), 1U);
}

TEST_P(CoalescerTest, NeverMakesMoreThanAPacketHolds) {
  const std::string large(40000, 'x');
  Send(Segment(1, large));
  Send(Segment(40001, large));
  coalescer_.Flush();
  EXPECT_THAT(written_, testing::ElementsAre(Written{Segment(1, large), 0}, Written{Segment(40001, large), 0}));
}

TEST_P(CoalescerTest, KeepsTheOrderOfWhatDoesNotFollow) {
  // Another connection, a gap, a FIN, an acknowledgement alone.
  const std::vector<std::vector<std::uint8_t>> others = {Segment(5001, kB, 0x10, 81), Segment(5002, kB),
                                                         Segment(5001, kB, 0x11), Segment(5001, "")};
  for (const auto& other : others) {
    written_.clear();
    Send(Segment(1, kA));
    Send(other);
    coalescer_.Flush();
    EXPECT_THAT(written_, testing::ElementsAre(Written{Segment(1, kA), 0}, Written{other, 0}));
  }
}

INSTANTIATE_TEST_SUITE_P(Families, CoalescerTest, testing::Bool());

}  // namespace
}  // namespace runner
