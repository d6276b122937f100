#include "uplink/packet.h"

#include <gtest/gtest.h>

#include <optional>

#include "tests/unit/uplink/frame.h"
#include "uplink/frame_filter.h"
#include "uplink/offload.h"
#include "uplink/reassembly.h"

namespace runner {
namespace {

const MacAddress kMacA({2, 0, 0, 0, 0, 1});
const MacAddress kMacB({2, 0, 0, 0, 0, 2});

std::uint16_t TransportSum(const Packet& packet) {
  return Checksum(SumWords(packet.l4_bytes(), PseudoHeaderSum(packet.source, packet.destination, packet.protocol,
                                                              packet.l4_bytes().size())));
}

TEST(Checksum, IsThatOfTheRfcExample) {
  // RFC 1071, 3: the words sum to 2ddf0, folded ddf2.
  const std::vector<std::uint8_t> bytes = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(Checksum(SumWords(bytes)), static_cast<std::uint16_t>(~0xddf2));
  const std::vector<std::uint8_t> odd = {0x00, 0x01, 0xf2};
  EXPECT_EQ(Checksum(SumWords(odd)), static_cast<std::uint16_t>(~0xf201));
}

TEST(Checksum, AgreesWithTheSlowSumForEveryLength) {
  std::vector<std::uint8_t> bytes;
  std::uint32_t random = 1;
  for (int length = 0; length < 100; ++length) {
    std::uint32_t slow = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) slow += i % 2 == 0 ? std::uint32_t{bytes[i]} << 8 : bytes[i];
    EXPECT_EQ(Checksum(SumWords(bytes)), Checksum(slow)) << length;
    random = random * 1664525 + 1013904223;
    bytes.push_back(static_cast<std::uint8_t>(random >> 24));
  }
}

TEST(BuildUdp, ParsesBackAndChecks) {
  for (const auto& [from, to] : {std::pair("192.0.2.1", "10.0.2.100"), std::pair("2001:db8::1", "fd00::100")}) {
    const UdpEndpoint source{*IpAddress::Parse(from), 1234};
    const UdpEndpoint destination{*IpAddress::Parse(to), 53};
    const std::vector<std::uint8_t> payload = {'h', 'e', 'l', 'l', 'o'};
    std::vector<std::uint8_t> frame(99, 0xee);
    ASSERT_TRUE(BuildUdp(frame, kMacA, kMacB, source, destination, payload));
    Packet packet;
    ASSERT_EQ(ParseFrame(frame, packet), Verdict::kPass);
    EXPECT_EQ(packet.source, source.address);
    EXPECT_EQ(packet.source_port, 1234);
    EXPECT_EQ(packet.destination, destination.address);
    EXPECT_EQ(packet.destination_port, 53);
    EXPECT_TRUE(std::equal(payload.begin(), payload.end(), packet.udp_payload().begin(), packet.udp_payload().end()));
    EXPECT_EQ(TransportSum(packet), 0);
    if (!packet.source.is_ipv6()) {
      EXPECT_EQ(Checksum(SumWords(packet.frame.subspan(kEthernetHeader, 20))), 0);
    }
    EXPECT_TRUE(std::equal(kMacB.bytes(), kMacB.bytes() + 6, frame.begin()));
  }
}

TEST(FragmentIpv4, PartsFitAndMakeTheWholeAgainAfterASecondCut) {
  const auto whole = test::Udp("192.0.2.1", 53, "10.0.2.100", 5000, std::string(4000, 'x') + "end");
  std::vector<std::vector<std::uint8_t>> parts;
  for (const auto& part : FragmentIpv4(whole, 1500)) {
    ASSERT_LE(part.size(), kEthernetHeader + 1500);
    const auto smaller = FragmentIpv4(part, 600);
    for (const auto& small : smaller) EXPECT_LE(small.size(), kEthernetHeader + 600);
    parts.insert(parts.end(), smaller.begin(), smaller.end());
  }
  ASSERT_EQ(parts.size(), 8U);
  Reassembler reassembler;
  std::optional<std::vector<std::uint8_t>> again;
  for (const auto& part : parts) {
    EXPECT_EQ(Checksum(SumWords(std::span(part).subspan(kEthernetHeader, 20))), 0);
    again = reassembler.Take(part, 0);
  }
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, whole);
  EXPECT_TRUE(FragmentIpv4(whole, 9000).empty());
  EXPECT_TRUE(FragmentIpv4(test::Udp("fd00::1", 1, "fd00::2", 2, std::string(4000, 'x')), 1500).empty());
}

TEST(FragmentIpv6, PartsFitAndMakeTheWhole) {
  const std::string payload(5000, 'z');
  const auto whole = test::Udp("fd00::2", 1, "fd00::100", 2, payload);
  const auto parts = FragmentIpv6(whole, 1500);
  ASSERT_EQ(parts.size(), 4U);
  std::vector<std::uint8_t> joined;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto& part = parts[i];
    EXPECT_LE(part.size(), 1514U);
    EXPECT_EQ(Get16(&part[kEthernetHeader + 4]), part.size() - kEthernetHeader - 40);
    EXPECT_EQ(part[kEthernetHeader + 6], kProtoFragment6);
    const std::uint8_t* header = &part[kEthernetHeader + 40];
    EXPECT_EQ(header[0], kProtoUdp);
    EXPECT_EQ(Get16(header + 2) & ~7U, joined.size());
    EXPECT_EQ(Get16(header + 2) & 1U, i + 1 < parts.size() ? 1U : 0U);
    joined.insert(joined.end(), header + 8, part.data() + part.size());
  }
  EXPECT_TRUE(std::equal(joined.begin(), joined.end(), whole.begin() + kEthernetHeader + 40, whole.end()));
  EXPECT_EQ(FragmentIpv6(whole, 9000).size(), 1U);
}

TEST(Offload, CompletesWhatTheKernelLeft) {
  for (const auto& [from, to] : {std::pair("10.0.2.100", "192.0.2.1"), std::pair("fd00::100", "2001:db8::1")}) {
    const auto right = test::Tcp(from, 1, to, 2, 0x18, 0, std::string(3001, 'q'));
    auto frame = right;
    const std::size_t l4 = frame.size() - 20 - 3001;
    const auto source = *IpAddress::Parse(from);
    const auto destination = *IpAddress::Parse(to);
    const std::uint32_t pseudo = PseudoHeaderSum(source, destination, kProtoTcp, frame.size() - l4);
    Put16(&frame[l4 + 16], static_cast<std::uint16_t>(~Checksum(pseudo)));
    VnetHeader header;
    header.flags = VnetHeader::kNeedsChecksum;
    header.checksum_start = static_cast<std::uint16_t>(l4);
    header.checksum_offset = 16;
    EXPECT_TRUE(CompleteChecksum(header, frame));
    EXPECT_EQ(frame, right);
    header.checksum_start = static_cast<std::uint16_t>(frame.size() - 17);
    EXPECT_FALSE(CompleteChecksum(header, frame));
    header.checksum_start = 0xffff;
    header.checksum_offset = 0xffff;
    EXPECT_FALSE(CompleteChecksum(header, frame));
  }
}

TEST(Offload, MarksOnlyLongTcpForSegmentation) {
  auto small = test::Tcp("192.0.2.1", 1, "10.0.2.100", 2, 0x18, 0, std::string(1460, 'q'));
  const auto before = small;
  EXPECT_EQ(PrepareOffload(small, {.mtu = 1500}).segments, 0);
  EXPECT_EQ(small, before);
  auto datagram = test::Udp("192.0.2.1", 1, "10.0.2.100", 2, std::string(3000, 'q'));
  EXPECT_EQ(PrepareOffload(datagram, {.mtu = 1500}).segments, 0);

  auto large = test::Tcp("192.0.2.1", 1, "10.0.2.100", 2, 0x18, 0, std::string(30000, 'q'));
  const auto right = large;
  const VnetHeader header = PrepareOffload(large, {.mtu = 1500});
  EXPECT_EQ(header.flags, VnetHeader::kNeedsChecksum);
  EXPECT_EQ(header.segments, VnetHeader::kSegmentsTcp4);
  EXPECT_EQ(header.segment_size, 1460);
  EXPECT_EQ(header.headers, 54);
  EXPECT_EQ(header.checksum_start, 34);
  // Marked, then completed, it is what it was.
  EXPECT_NE(large, right);
  EXPECT_TRUE(CompleteChecksum(header, large));
  EXPECT_EQ(large, right);

  auto large6 = test::Tcp("2001:db8::1", 1, "fd00::100", 2, 0x18, 0, std::string(30000, 'q'));
  const VnetHeader header6 = PrepareOffload(large6, {.mtu = 1280});
  EXPECT_EQ(header6.segments, VnetHeader::kSegmentsTcp6);
  EXPECT_EQ(header6.segment_size, 1220);
  EXPECT_EQ(header6.headers, 74);
}

TEST(Offload, CutsToWhatTheReceiverTakes) {
  // With twelve bytes of options, as of time stamps, that its size counts in.
  auto frame = test::Tcp("192.0.2.1", 1, "10.0.2.100", 2, 0x18, 0, std::string(1412, 'q'));
  frame[kEthernetHeader + 20 + 12] = 0x80;
  EXPECT_EQ(PrepareOffload(frame, {.mtu = 1500, .segment = 1412}).segments, 0);
  const VnetHeader header = PrepareOffload(frame, {.mtu = 1500, .segment = 1360});
  EXPECT_EQ(header.segments, VnetHeader::kSegmentsTcp4);
  EXPECT_EQ(header.segment_size, 1348);
  // A larger one than the tap's MTU changes nothing.
  EXPECT_EQ(PrepareOffload(frame, {.mtu = 1400, .segment = 8960}).segment_size, 1348);
}

TEST(Offload, LeavesTheSumOfTwoPartsToTheKernel) {
  for (const std::size_t size : {std::size_t{5}, std::size_t{1400}, std::size_t{60000}}) {
    const std::string payload(size, 'q');
    const auto whole = test::Tcp("2001:db8::1", 1, "fd00::100", 2, 0x18, 0, payload);
    auto headers = std::vector<std::uint8_t>(whole.begin(), whole.begin() + kEthernetHeader + 60);
    headers[kEthernetHeader + 40 + 16] ^= 0xff;  // what stands there is no sum
    const std::vector<std::uint8_t> rest(payload.begin(), payload.end());
    const VnetHeader header = PrepareOffload(headers, {.mtu = 1500, .rest = rest, .cut = 1300});
    EXPECT_EQ(header.flags, VnetHeader::kNeedsChecksum);
    EXPECT_EQ(header.segments, size > 1300 ? VnetHeader::kSegmentsTcp6 : 0);
    EXPECT_EQ(header.segment_size, size > 1300 ? 1300 : 0);
    headers.insert(headers.end(), rest.begin(), rest.end());
    EXPECT_TRUE(CompleteChecksum(header, headers));
    EXPECT_EQ(headers, whole);
  }
}

TEST(Checksum, IsKeptRightWhereWordsAreReplaced) {
  std::vector<std::uint8_t> bytes = {0x12, 0x34, 0x56, 0x78, 0xff, 0xff, 0, 0};
  Put16(&bytes[6], Checksum(SumWords({bytes.data(), 6})));
  const std::vector<std::uint8_t> with = {0x00, 0x00, 0xab, 0xcd};
  ReplaceUnder(&bytes[2], with, &bytes[6]);
  EXPECT_EQ(bytes[2], 0);
  EXPECT_EQ(bytes[5], 0xcd);
  EXPECT_EQ(Checksum(SumWords(bytes)), 0);
}

}  // namespace
}  // namespace runner
