#include "uplink/segments.h"

#include <gtest/gtest.h>

#include "tests/unit/uplink/frame.h"
#include "uplink/frame_filter.h"

namespace runner {
namespace {

// A SYN of the lab with these options, which fill whole words.
std::vector<std::uint8_t> Syn(bool ipv6, std::uint16_t port, const std::vector<std::uint8_t>& options) {
  const std::string from = ipv6 ? "fd00::100" : "10.0.2.100";
  const std::string to = ipv6 ? "2001:db8::1" : "192.0.2.1";
  std::vector<std::uint8_t> segment(20);
  Put16(&segment[0], port);
  Put16(&segment[2], 80);
  segment[12] = static_cast<std::uint8_t>((20 + options.size()) / 4 << 4);
  segment[13] = kTcpSyn;
  segment.insert(segment.end(), options.begin(), options.end());
  return test::Transport(from, to, kProtoTcp, std::move(segment), 16);
}

std::uint16_t SizeOf(const SegmentSizes& sizes, bool ipv6, std::uint16_t port) {
  return sizes.Of(ipv6 ? test::Tcp("2001:db8::1", 80, "fd00::100", port, 0x10)
                       : test::Tcp("192.0.2.1", 80, "10.0.2.100", port, 0x10));
}

TEST(SegmentSizes, RemembersTheOptionAndWritesAnother) {
  for (const bool ipv6 : {false, true}) {
    // At an even and at an odd place.
    for (const std::vector<std::uint8_t>& options :
         {std::vector<std::uint8_t>{2, 4, 0x05, 0x78}, std::vector<std::uint8_t>{1, 2, 4, 0x05, 0x78, 1, 1, 0},
          std::vector<std::uint8_t>{4, 2, 3, 3, 7, 2, 4, 0x05, 0x78, 0, 0, 0}}) {
      SegmentSizes sizes;
      auto frame = Syn(ipv6, 4000, options);
      Packet packet;
      ASSERT_EQ(ParseFrame(frame, packet), Verdict::kPass);
      EXPECT_EQ(sizes.Take(packet, 0x1234), 1400);
      EXPECT_EQ(SizeOf(sizes, ipv6, 4000), 1400);
      EXPECT_EQ(SizeOf(sizes, ipv6, 4001), 0);
      auto changed = options;
      for (std::size_t i = 0; i + 1 < changed.size(); ++i) {
        if (changed[i] == 0x05 && changed[i + 1] == 0x78) Put16(&changed[i], 0x1234);
      }
      EXPECT_EQ(frame, Syn(ipv6, 4000, changed)) << "the checksum is that of the changed frame";
    }
  }
}

TEST(SegmentSizes, WithoutTheOptionTakesTheStandards) {
  for (const std::vector<std::uint8_t>& options :
       {std::vector<std::uint8_t>{}, std::vector<std::uint8_t>{1, 1, 1, 0}, std::vector<std::uint8_t>{3, 9, 7, 2},
        std::vector<std::uint8_t>{1, 1, 1, 2}, std::vector<std::uint8_t>{5, 0, 2, 4}}) {
    SegmentSizes sizes;
    auto frame = Syn(false, 4000, options);
    auto frame6 = Syn(true, 4000, options);
    const auto before = frame;
    Packet packet;
    ASSERT_EQ(ParseFrame(frame, packet), Verdict::kPass);
    EXPECT_EQ(sizes.Take(packet, 0x1234), 536);
    ASSERT_EQ(ParseFrame(frame6, packet), Verdict::kPass);
    EXPECT_EQ(sizes.Take(packet, 0x1234), 1220);
    EXPECT_EQ(frame, before);
    EXPECT_EQ(SizeOf(sizes, false, 4000), 536);
    EXPECT_EQ(SizeOf(sizes, true, 4000), 1220);
  }
}

}  // namespace
}  // namespace runner
