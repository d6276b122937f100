#include "uplink/reassembly.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/uplink/frame.h"

namespace runner {
namespace {

std::vector<std::vector<std::uint8_t>> PartsOfIpv4(const std::vector<std::uint8_t>& frame, std::size_t step,
                                                   std::uint16_t id = 7) {
  constexpr std::size_t kHeaders = kEthernetHeader + 20;
  std::vector<std::vector<std::uint8_t>> parts;
  for (std::size_t at = kHeaders; at < frame.size(); at += step) {
    const std::size_t size = std::min(step, frame.size() - at);
    auto& part = parts.emplace_back(frame.begin(), frame.begin() + kHeaders);
    Put16(&part[kEthernetHeader + 2], 20 + size);
    Put16(&part[kEthernetHeader + 4], id);
    Put16(&part[kEthernetHeader + 6], (at - kHeaders) / 8 | (at + size < frame.size() ? 0x2000U : 0U));
    part.insert(part.end(), frame.begin() + static_cast<std::ptrdiff_t>(at),
                frame.begin() + static_cast<std::ptrdiff_t>(at + size));
  }
  return parts;
}

std::vector<std::uint8_t> Whole4() {
  return test::Udp("10.0.2.100", 1, "192.0.2.1", 2, std::string(3000, 'a') + std::string(1001, 'b'));
}
std::vector<std::uint8_t> Whole6() {
  return test::Udp("fd00::100", 1, "2001:db8::1", 2, std::string(3000, 'a') + std::string(1001, 'b'));
}

TEST(Reassembler, PutsEveryOrderTogether) {
  for (const bool ipv6 : {false, true}) {
    const auto whole = ipv6 ? Whole6() : Whole4();
    const auto parts = ipv6 ? FragmentIpv6(whole, 1280) : PartsOfIpv4(whole, 1000);
    ASSERT_GE(parts.size(), 4U);
    std::vector<std::size_t> order(parts.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    do {
      Reassembler reassembler;
      for (std::size_t i = 0; i < order.size(); ++i) {
        const auto got = reassembler.Take(parts[order[i]], 0);
        ASSERT_EQ(got.has_value(), i + 1 == order.size());
        if (!got) continue;
        // The identification is a fragment's own.
        auto expected = whole;
        if (!ipv6) {
          Put16(&expected[kEthernetHeader + 4], 7);
          Put16(&expected[kEthernetHeader + 10], 0);
          Put16(&expected[kEthernetHeader + 10], Checksum(SumWords(std::span(expected).subspan(kEthernetHeader, 20))));
        }
        EXPECT_EQ(*got, expected);
      }
      EXPECT_EQ(reassembler.pending(), 0U);
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

TEST(Reassembler, OverlapThrowsAllAway) {
  const auto parts = PartsOfIpv4(Whole4(), 1000);
  auto overlapping = parts[1];
  Put16(&overlapping[kEthernetHeader + 6], 0x2000 | 124);  // eight bytes early
  Reassembler reassembler;
  EXPECT_FALSE(reassembler.Take(parts[0], 0));
  EXPECT_FALSE(reassembler.Take(overlapping, 0));
  EXPECT_EQ(reassembler.pending(), 0U);
  EXPECT_FALSE(reassembler.Take(parts[0], 0));
  EXPECT_FALSE(reassembler.Take(parts[0], 0)) << "the same twice";
  EXPECT_EQ(reassembler.pending(), 0U);
}

TEST(Reassembler, TwoEndsThrowAllAway) {
  const auto parts = PartsOfIpv4(Whole4(), 1000);
  auto early_end = parts[1];
  Put16(&early_end[kEthernetHeader + 6], 125);
  for (const bool end_first : {false, true}) {
    Reassembler reassembler;
    reassembler.Take(end_first ? early_end : parts[2], 0);
    EXPECT_FALSE(reassembler.Take(end_first ? parts[2] : early_end, 0));
    EXPECT_EQ(reassembler.pending(), 0U);
  }
}

TEST(Reassembler, RefusesWhatCannotBe) {
  const auto parts = PartsOfIpv4(Whole4(), 1000);
  Reassembler reassembler;
  auto odd = PartsOfIpv4(Whole4(), 1001)[0];
  EXPECT_FALSE(reassembler.Take(odd, 0));
  auto beyond = parts.back();
  Put16(&beyond[kEthernetHeader + 6], 0x1fff);
  EXPECT_FALSE(reassembler.Take(beyond, 0));
  for (std::size_t size = 0; size < kEthernetHeader + 20 + 8; ++size) {
    EXPECT_FALSE(reassembler.Take(std::span(parts[0]).first(size), 0));
  }
  EXPECT_EQ(reassembler.pending(), 0U);
}

TEST(Reassembler, IsBoundedInNumberAndTime) {
  Reassembler reassembler;
  for (std::uint16_t id = 0; id < 500; ++id) {
    EXPECT_FALSE(reassembler.Take(PartsOfIpv4(Whole4(), 1000, id)[0], id));
    EXPECT_LE(reassembler.pending(), Reassembler::kMostDatagrams);
  }
  // The oldest went first.
  EXPECT_EQ(reassembler.pending(), Reassembler::kMostDatagrams);
  EXPECT_FALSE(reassembler.Take(PartsOfIpv4(Whole4(), 1000, 9999)[0], 500 + Reassembler::kPatience));
  EXPECT_EQ(reassembler.pending(), 1U);
}

}  // namespace
}  // namespace runner
