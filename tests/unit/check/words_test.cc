// What checks read: names, ports, URLs, hosts files, answers of name servers and of web servers.
#include <gmock/gmock.h>

#include "check/address_book.h"
#include "check/all_pairs.h"
#include "check/dns_query.h"
#include "check/http_message.h"
#include "check/names.h"
#include "check/run_test.h"

namespace runner::check {
namespace {

IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value(); }

TEST(HostPort, IsSplitAtTheLastColon) {
  EXPECT_EQ(SplitPort("web:80")->host, "web");
  EXPECT_EQ(SplitPort("[fd00::1]:443")->host, "fd00::1");
  EXPECT_EQ(SplitPort("[fd00::1]:443")->port, 443);
  EXPECT_EQ(SplitPort("r1:eth0:22")->host, "r1:eth0");
  for (const char* text : {"web", "web:", "web:0", "web:65536", ":80", "web:http"})
    EXPECT_FALSE(SplitPort(text)) << text;
}

TEST(HttpUrl, TellsHostPortAndPath) {
  EXPECT_EQ(ParseHttpUrl("http://web")->path, "/");
  EXPECT_EQ(ParseHttpUrl("http://web:8080/a?b#c")->path, "/a?b");
  EXPECT_EQ(ParseHttpUrl("http://web:8080/a?b#c")->port, 8080);
  EXPECT_EQ(ParseHttpUrl("http://web?x")->path, "/?x");
  EXPECT_EQ(ParseHttpUrl("http://[fd00::1]/")->host, "fd00::1");
  EXPECT_EQ(ParseHttpUrl("http://[fd00::1]:81/")->port, 81);
  for (const char* text : {"https://web/", "web", "http://", "http:///x"}) EXPECT_FALSE(ParseHttpUrl(text)) << text;
}

TEST(HttpAnswer, TellsCodeAndBody) {
  EXPECT_EQ(ParseHttpAnswer("HTTP/1.1 404 Not Found\r\nA: b\r\n\r\nno")->code, 404);
  EXPECT_EQ(ParseHttpAnswer("HTTP/1.1 404 Not Found\r\nA: b\r\n\r\nno")->body, "no");
  EXPECT_EQ(
      ParseHttpAnswer("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n")->body,
      "abcde");
  EXPECT_EQ(ParseHttpAnswer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\ncut")->body, "cut");
  for (const char* text : {"", "SSH-2.0-x", "HTTP/1.1", "HTTP/1.1 abc"}) EXPECT_FALSE(ParseHttpAnswer(text)) << text;
}

TEST(HostsFile, IsReadByFamilyWithoutCase) {
  const char* file =
      "127.0.0.1 localhost\n"
      "fd00::2\tWeb web.lab # fd00::9 web\n"
      "10.0.0.2  other web\n"
      "# 10.0.0.3 web\n";
  EXPECT_THAT(FindInHosts(file, "web", std::nullopt), testing::ElementsAre(Ip("10.0.0.2"), Ip("fd00::2")));
  EXPECT_THAT(FindInHosts(file, "WEB.LAB", Family::kIpv6), testing::ElementsAre(Ip("fd00::2")));
  EXPECT_THAT(FindInHosts(file, "web", Family::kIpv4), testing::ElementsAre(Ip("10.0.0.2")));
  EXPECT_THAT(FindInHosts(file, "we", std::nullopt), testing::IsEmpty());
}

TEST(Dns, QueryAndReply) {
  const std::string query = DnsQuery(0x1234, "a.bc.", Family::kIpv4).value();
  using namespace std::string_literals;
  EXPECT_EQ(query,
            "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01"
            "a\x02"
            "bc\x00\x00\x01\x00\x01"s);
  EXPECT_FALSE(DnsQuery(1, "", Family::kIpv4));
  EXPECT_FALSE(DnsQuery(1, "a..b", Family::kIpv4));
  EXPECT_FALSE(DnsQuery(1, std::string(64, 'x') + ".y", Family::kIpv4));
  // The question again, a CNAME, and an address whose name is a pointer.
  const std::string question = query.substr(12);
  const std::string reply = "\x12\x34\x81\x80\x00\x01\x00\x02\x00\x00\x00\x00"s + question +
                            "\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x01\x00\x02\xc0\x0c"s +
                            "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x01\x00\x04\x0a\x00\x00\x07"s;
  EXPECT_THAT(ParseDnsReply(reply, 0x1234, Family::kIpv4)->addresses, testing::ElementsAre(Ip("10.0.0.7")));
  EXPECT_FALSE(ParseDnsReply(reply, 0x1235, Family::kIpv4));
  for (std::size_t size = 0; size < reply.size(); ++size) {
    EXPECT_FALSE(ParseDnsReply(reply.substr(0, size), 0x1234, Family::kIpv4)) << size;
  }
  EXPECT_FALSE(ParseDnsReply(query, 0x1234, Family::kIpv4)) << "a question is no answer";
}

AddressBook Book() {
  const auto prefix = [](const char* text) { return IpPrefix::Parse(text).value(); };
  return AddressBook({{.node = "a",
                       .interfaces = {{.name = "tap0", .addresses = {prefix("10.0.2.100/24")}, .leads_out = true},
                                      {.name = "eth0", .addresses = {prefix("10.0.0.1/24"), prefix("fd00::1/64")}},
                                      {.name = "lo", .addresses = {prefix("127.0.0.1/8"), prefix("10.9.9.1/32")}}}},
                      {.node = "b",
                       .interfaces = {{.name = "tap0", .addresses = {prefix("10.0.2.100/24")}, .leads_out = true},
                                      {.name = "eth0", .addresses = {prefix("10.0.0.2/24"), prefix("fe80::2/64")}}}}});
}

TEST(AddressBook, KnowsFirstAddressesAndOwners) {
  const AddressBook book = Book();
  EXPECT_EQ(book.FirstOf("a", std::nullopt), Ip("10.0.0.1"));
  EXPECT_EQ(book.FirstOf("a", Family::kIpv6), Ip("fd00::1"));
  EXPECT_EQ(book.FirstOf("b", Family::kIpv6), std::nullopt);
  EXPECT_EQ(book.FirstOf("c", std::nullopt), std::nullopt);
  EXPECT_EQ(book.Of("a", "tap0", std::nullopt), Ip("10.0.2.100"));
  EXPECT_EQ(book.Of("a", "eth0", Family::kIpv6), Ip("fd00::1"));
  EXPECT_EQ(book.NameOf(Ip("10.9.9.1")), "a");
  EXPECT_EQ(book.NameOf(Ip("10.0.2.100")), "10.0.2.100") << "two have it";
}

TEST(AllPairs, LeavesOutWhatMeansNothingElsewhere) {
  std::vector<Pair> pairs = PairsOf(Book(), std::nullopt);
  std::vector<std::string> told;
  for (const Pair& pair : pairs) told.push_back(pair.from + " " + pair.to + " " + pair.address.text());
  EXPECT_THAT(told, testing::ElementsAre("a b 10.0.0.2", "b a 10.0.0.1", "b a 10.9.9.1"));
  pairs[0].reached = true;
  EXPECT_EQ(MatrixOf(pairs), "   a\nb  4\n");
}

TEST(Tests, AreSelectedByGlob) {
  std::vector<runner::Test> tests(3);
  tests[0].name = "web answers";
  tests[1].name = "web is private";
  tests[2].name = "lan";
  EXPECT_EQ(SelectTests(tests, "").size(), 3U);
  EXPECT_EQ(SelectTests(tests, "web*").size(), 2U);
  EXPECT_EQ(SelectTests(tests, "web").size(), 0U);
  EXPECT_EQ(SelectTests(tests, "l?n").front().name, "lan");
}

}  // namespace
}  // namespace runner::check
