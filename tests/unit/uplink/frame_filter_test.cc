#include "uplink/frame_filter.h"

#include <gtest/gtest.h>

#include "tests/unit/uplink/frame.h"

namespace runner {
namespace {

using test::Ip;
using test::Tcp;
using test::Udp;

UplinkSpec Spec() {
  UplinkSpec spec;
  spec.ipv6 = IpPrefix::Parse("fd00::/64");
  return spec;
}

Verdict Judge(const UplinkSpec& spec, std::vector<std::uint8_t> frame, const std::vector<ForwardSpec>& forwards = {}) {
  Packet packet;
  const Verdict shape = ParseFrame(frame, packet);
  return shape != Verdict::kPass ? shape : FrameFilter(spec, forwards).Check(packet);
}

constexpr char kNode[] = "10.0.2.100";
constexpr char kNode6[] = "fd00::100";

std::vector<std::uint8_t> To(const std::string& destination, std::uint16_t port = 80) {
  return Udp(destination.find(':') == std::string::npos ? kNode : kNode6, 4000, destination, port, "x");
}

TEST(FrameFilter, PassesOrdinaryTraffic) {
  EXPECT_EQ(Judge(Spec(), To("192.0.2.1")), Verdict::kPass);
  EXPECT_EQ(Judge(Spec(), To("2001:db8::1")), Verdict::kPass);
  EXPECT_EQ(Judge(Spec(), Tcp(kNode, 4000, "192.0.2.1", 80, 0x02)), Verdict::kPass);
  EXPECT_EQ(Judge(Spec(), To("10.0.2.3", 53)), Verdict::kPass);
  EXPECT_EQ(Judge(Spec(), To("fd00::3", 53)), Verdict::kPass);
  EXPECT_EQ(Judge(Spec(), Ip(kNode, "10.0.2.2", kProtoIcmp, {8, 0, 0, 0, 0, 0, 0, 0})), Verdict::kPass);
  EXPECT_EQ(Judge(Spec(), Ip(kNode6, "fd00::2", kProtoIcmp6, {128, 0, 0, 0, 0, 0, 0, 0})), Verdict::kPass);
  EXPECT_EQ(Judge(Spec(), Ip("::", "ff02::1:ff00:2", kProtoIcmp6, std::vector<std::uint8_t>(24, 135))), Verdict::kPass);
}

TEST(FrameFilter, KeepsTheHostsLoopbackByWhateverAddress) {
  UplinkSpec open = Spec();
  open.host_loopback = true;
  for (const char* address : {"127.0.0.1", "127.255.0.9", "0.0.0.0", "0.1.2.3", "255.255.255.255", "10.0.2.2", "::1",
                              "::", "::ffff:127.0.0.1", "::ffff:192.0.2.1", "::127.0.0.1", "fd00::2"}) {
    EXPECT_EQ(Judge(Spec(), To(address)), Verdict::kHostLoopback) << address;
    EXPECT_EQ(Judge(open, To(address)), Verdict::kPass) << address;
    const bool ipv6 = std::string(address).find(':') != std::string::npos;
    EXPECT_EQ(Judge(Spec(), Tcp(ipv6 ? kNode6 : kNode, 4000, address, 80, 0x02)), Verdict::kHostLoopback) << address;
  }
  for (const char* address : {"fd00::1", "fd00::100", "fd00::ffff:ffff", "fe80::2"}) {
    EXPECT_EQ(Judge(Spec(), To(address)), Verdict::kHostLoopback) << address;
  }
  EXPECT_EQ(Judge(Spec(), To("fd00::3", 80)), Verdict::kOwnNetwork);
  EXPECT_EQ(Judge(Spec(), To("10.0.2.3", 80)), Verdict::kOwnNetwork);
  EXPECT_EQ(Judge(Spec(), To("10.0.2.7")), Verdict::kOwnNetwork);
  EXPECT_EQ(Judge(Spec(), To("10.0.2.255")), Verdict::kOwnNetwork);
}

TEST(FrameFilter, DropsWhatLibslirpHandlesUnsafely) {
  auto fragment = To("192.0.2.1");
  fragment[kEthernetHeader + 6] = 0x20;
  EXPECT_EQ(Judge(Spec(), fragment), Verdict::kFragment);
  fragment[kEthernetHeader + 6] = 0;
  fragment[kEthernetHeader + 7] = 1;
  EXPECT_EQ(Judge(Spec(), fragment), Verdict::kFragment);
  EXPECT_EQ(Judge(Spec(), Ip(kNode6, "2001:db8::1", kProtoFragment6, std::vector<std::uint8_t>(16))),
            Verdict::kFragment);
  EXPECT_EQ(Judge(Spec(), Ip(kNode6, "2001:db8::1", 0, std::vector<std::uint8_t>(16))), Verdict::kProtocol);
  EXPECT_EQ(Judge(Spec(), Ip(kNode, "192.0.2.1", 132, std::vector<std::uint8_t>(16))), Verdict::kProtocol);

  auto nc_si = To("192.0.2.1");
  Put16(&nc_si[12], 0x88f8);
  EXPECT_EQ(Judge(Spec(), nc_si), Verdict::kEthertype);

  auto options = To("192.0.2.1");
  options[kEthernetHeader] = 0x46;
  EXPECT_EQ(Judge(Spec(), options), Verdict::kMalformed);

  UplinkSpec open = Spec();
  open.host_loopback = true;
  EXPECT_EQ(Judge(open, To("10.0.2.2", 69)), Verdict::kService);
  EXPECT_EQ(Judge(open, To("255.255.255.255", 67)), Verdict::kService);
  EXPECT_EQ(Judge(open, To("192.0.2.1", 69)), Verdict::kPass);
  EXPECT_EQ(Judge(Spec(), To("224.0.0.251", 5353)), Verdict::kMulticast);
  EXPECT_EQ(Judge(Spec(), To("ff02::1:2", 547)), Verdict::kMulticast);
}

TEST(FrameFilter, DropsShortAndContradictingFrames) {
  const auto whole = Tcp(kNode, 4000, "192.0.2.1", 80, 0x10);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::vector<std::uint8_t> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_NE(Judge(Spec(), part), Verdict::kPass) << size;
  }
  auto long_header = whole;
  long_header[kEthernetHeader + 20 + 12] = 0xf0;
  EXPECT_EQ(Judge(Spec(), long_header), Verdict::kMalformed);
  auto long_udp = To("192.0.2.1");
  Put16(&long_udp[kEthernetHeader + 20 + 4], 500);
  EXPECT_EQ(Judge(Spec(), long_udp), Verdict::kMalformed);
}

TEST(FrameFilter, CutsPaddingOff) {
  auto frame = Udp(kNode, 4000, "192.0.2.1", 80, "");
  const std::size_t size = frame.size();
  frame.resize(60, 0xee);
  Packet packet;
  ASSERT_EQ(ParseFrame(frame, packet), Verdict::kPass);
  EXPECT_EQ(packet.frame.size(), size);
  EXPECT_TRUE(packet.udp_payload().empty());
}

TEST(FrameFilter, MakesUrgentDataOrdinaryWithARightChecksum) {
  for (const char* destination : {"192.0.2.1", "2001:db8::1"}) {
    const bool ipv6 = std::string(destination).find(':') != std::string::npos;
    auto frame = Tcp(ipv6 ? kNode6 : kNode, 4000, destination, 80, 0x38, 77);
    Packet packet;
    ASSERT_EQ(ParseFrame(frame, packet), Verdict::kPass);
    EXPECT_EQ(packet.l4_bytes()[13], 0x18);
    EXPECT_EQ(Get16(&packet.l4_bytes()[18]), 0);
    EXPECT_EQ(Checksum(SumWords(packet.l4_bytes(), PseudoHeaderSum(packet.source, packet.destination, kProtoTcp,
                                                                   packet.l4_bytes().size()))),
              0);
  }
}

TEST(FrameFilter, DropsSourcesNobodyCanHave) {
  for (const char* source : {"127.0.0.1", "0.0.0.0", "224.0.0.1", "10.0.2.2", "10.0.2.3", "255.255.255.255"}) {
    EXPECT_EQ(Judge(Spec(), Udp(source, 4000, "192.0.2.1", 80, "x")), Verdict::kSource) << source;
  }
  for (const char* source : {"::1", "::", "fd00::2", "fd00::3", "ff02::1"}) {
    EXPECT_EQ(Judge(Spec(), Udp(source, 4000, "2001:db8::1", 80, "x")), Verdict::kSource) << source;
  }
  EXPECT_EQ(Judge(Spec(), Udp("10.7.7.7", 4000, "192.0.2.1", 80, "x")), Verdict::kPass) << "a node behind";
}

TEST(FrameFilter, LongestPrefixDecidesAndATieDenies) {
  UplinkSpec spec = Spec();
  spec.deny = {*IpPrefix::Parse("192.0.2.0/24"), *IpPrefix::Parse("198.51.100.0/24")};
  spec.allow = {*IpPrefix::Parse("192.0.2.8/29"), *IpPrefix::Parse("198.51.100.0/24")};
  EXPECT_EQ(Judge(spec, To("192.0.2.9")), Verdict::kPass);
  EXPECT_EQ(Judge(spec, To("192.0.2.1")), Verdict::kPolicy);
  EXPECT_EQ(Judge(spec, To("198.51.100.1")), Verdict::kPolicy);
  EXPECT_EQ(Judge(spec, To("203.0.113.1")), Verdict::kPass);
  spec.deny.clear();
  EXPECT_EQ(Judge(spec, To("203.0.113.1")), Verdict::kPolicy) << "only allow denies the rest";
  EXPECT_EQ(Judge(spec, To("2001:db8::1")), Verdict::kPolicy);
  EXPECT_EQ(Judge(spec, To("10.0.2.3", 53)), Verdict::kPass) << "DNS is exempt";
}

TEST(FrameFilter, PolicySparesAnswersOfPublishedPortsOnly) {
  UplinkSpec spec = Spec();
  spec.deny = {*IpPrefix::Parse("0.0.0.0/0")};
  const ForwardSpec forward{.protocol = ForwardSpec::Protocol::kTcp,
                            .host_address = {},
                            .first_host_port = 8080,
                            .last_host_port = 8081,
                            .target = *IpAddress::Parse(kNode),
                            .first_port = 80,
                            .last_port = 81};
  constexpr std::uint8_t kSynAck = kTcpSyn | kTcpAck;
  EXPECT_EQ(Judge(spec, Tcp(kNode, 81, "192.0.2.1", 5000, kSynAck), {forward}), Verdict::kPass);
  EXPECT_EQ(Judge(spec, Tcp(kNode, 81, "192.0.2.1", 5000, kTcpSyn), {forward}), Verdict::kPolicy);
  EXPECT_EQ(Judge(spec, Tcp(kNode, 82, "192.0.2.1", 5000, kSynAck), {forward}), Verdict::kPolicy);
  // Clients on the host's loopback are shown as the gateway.
  EXPECT_EQ(Judge(spec, Tcp(kNode, 81, "10.0.2.2", 5000, kSynAck), {forward}), Verdict::kPass);
  EXPECT_EQ(Judge(spec, Tcp(kNode, 81, "10.0.2.2", 5000, kTcpSyn), {forward}), Verdict::kHostLoopback);
  EXPECT_EQ(Judge(spec, Tcp(kNode, 81, "127.0.0.1", 5000, kSynAck), {forward}), Verdict::kHostLoopback);
}

TEST(FrameFilter, DnsOffDropsAllOfIt) {
  UplinkSpec spec = Spec();
  spec.dns = false;
  EXPECT_EQ(Judge(spec, To("10.0.2.3", 53)), Verdict::kDnsOff);
  EXPECT_EQ(Judge(spec, To("fd00::3", 53)), Verdict::kDnsOff);
  EXPECT_EQ(Judge(spec, Tcp(kNode, 4000, "10.0.2.3", 53, 0x02)), Verdict::kDnsOff);
}

TEST(FrameFilter, WithoutIpv6NothingOfItPasses) {
  EXPECT_EQ(Judge(UplinkSpec(), To("2001:db8::1")), Verdict::kProtocol);
  EXPECT_EQ(Judge(UplinkSpec(), To("::1")), Verdict::kProtocol);
}

}  // namespace
}  // namespace runner
