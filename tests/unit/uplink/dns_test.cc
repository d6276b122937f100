#include <gtest/gtest.h>

#include "uplink/dns_message.h"
#include "uplink/packet.h"
#include "uplink/resolv_conf.h"

namespace runner {
namespace {

std::vector<std::uint8_t> Query(const std::string& labels, std::uint16_t type) {
  std::vector<std::uint8_t> query = {0xab, 0xcd, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0};
  query.insert(query.end(), labels.begin(), labels.end());
  query.insert(query.end(), {0, 0, static_cast<std::uint8_t>(type), 0, 1});
  return query;
}

TEST(DnsQuery, IsParsedInLowerCase) {
  const auto question = ParseDnsQuery(Query("\2R1\3Lab", DnsQuestion::kA));
  ASSERT_TRUE(question);
  EXPECT_EQ(question->id, 0xabcd);
  EXPECT_EQ(question->name, "r1.lab");
  EXPECT_EQ(question->type, DnsQuestion::kA);
  EXPECT_EQ(question->end, 12U + 8 + 4);
}

TEST(DnsQuery, NothingElseIsTaken) {
  const auto query = Query("\2r1", DnsQuestion::kA);
  for (std::size_t size = 0; size < query.size(); ++size) {
    EXPECT_FALSE(ParseDnsQuery(std::span(query).first(size))) << size;
  }
  auto reply = query;
  reply[2] |= 0x80;
  EXPECT_FALSE(ParseDnsQuery(reply));
  auto two = query;
  two[5] = 2;
  EXPECT_FALSE(ParseDnsQuery(two));
  auto pointer = query;
  pointer[12] = 0xc0;
  EXPECT_FALSE(ParseDnsQuery(pointer));
  std::string endless;
  for (int i = 0; i < 10; ++i) endless += '\x3f' + std::string(63, 'a');
  EXPECT_FALSE(ParseDnsQuery(Query(endless, DnsQuestion::kA)));
}

TEST(DnsAnswer, HoldsTheAddressesOfTheFamilyAskedFor) {
  const std::vector<IpAddress> addresses = {*IpAddress::Parse("10.1.0.1"), *IpAddress::Parse("fd01::1")};
  const auto query = Query("\2r1", DnsQuestion::kAaaa);
  const auto answer = DnsAnswer(query, *ParseDnsQuery(query), addresses);
  EXPECT_EQ(Get16(&answer[0]), 0xabcd);
  EXPECT_EQ(answer[2] & 0x80, 0x80);
  EXPECT_EQ(answer[3] & 0x0f, 0);
  ASSERT_EQ(Get16(&answer[6]), 1);
  ASSERT_EQ(answer.size(), query.size() + 12 + 16);
  EXPECT_EQ(IpAddress::FromBytes(Family::kIpv6, &answer[answer.size() - 16]).text(), "fd01::1");
  const auto text = Query("\2r1", 16);
  EXPECT_EQ(Get16(&DnsAnswer(text, *ParseDnsQuery(text), addresses)[6]), 0);
}

TEST(DnsReply, IsHeldAgainstItsQuery) {
  const auto query = Query("\2r1", DnsQuestion::kA);
  const auto question = *ParseDnsQuery(query);
  auto reply = DnsAnswer(query, question, {*IpAddress::Parse("10.1.0.1")});
  EXPECT_TRUE(IsReplyTo(reply, 0xabcd, query, question));
  EXPECT_FALSE(IsReplyTo(reply, 0xabce, query, question));
  EXPECT_FALSE(IsReplyTo(query, 0xabcd, query, question));
  reply[13] = 'R';
  EXPECT_TRUE(IsReplyTo(reply, 0xabcd, query, question));
  reply[13] = 's';
  EXPECT_FALSE(IsReplyTo(reply, 0xabcd, query, question));
}

TEST(LabNames, AreFoundWithAndWithoutTheLab) {
  const LabNames names("Home", {{"R1", {*IpAddress::Parse("10.1.0.1")}}});
  ASSERT_NE(names.Find("r1"), nullptr);
  ASSERT_NE(names.Find("r1.home"), nullptr);
  EXPECT_EQ(names.Find("r2"), nullptr);
  EXPECT_EQ(names.Find("home"), nullptr);
}

TEST(ResolvConf, ReadsNameServersOnly) {
  const auto servers = ParseResolvConf(
      "# nameserver 1.1.1.1\nsearch example.org\n nameserver\t192.0.2.1 # first\nnameserver bad\n"
      "nameserver 2001:db8::53\r\nnameserver fe80::1%lo\nnameserver");
  ASSERT_EQ(servers.size(), 3U);
  EXPECT_EQ(servers[0].address.text(), "192.0.2.1");
  EXPECT_EQ(servers[1].address.text(), "2001:db8::53");
  EXPECT_EQ(servers[2].address.text(), "fe80::1");
  EXPECT_EQ(servers[2].scope, 1U);
  EXPECT_TRUE(ParseResolvConf("").empty());
}

}  // namespace
}  // namespace runner
