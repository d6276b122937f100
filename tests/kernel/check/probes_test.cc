// Probes between three throw-away namespaces: a -- r -- b. The second cable takes packets of 1400 bytes.
#include <gmock/gmock.h>

#include <functional>
#include <optional>
#include <thread>

#include "check/all_pairs.h"
#include "check/attempt.h"
#include "check/names.h"
#include "check/reading.h"
#include "tests/kernel/throwaway.h"

namespace runner::check {
namespace {

using runner::test::Connect;
using runner::test::Listener;
using runner::test::ThrowawayNet;

class NetVantage : public Vantage {
 public:
  NetVantage(const ThrowawayNet& net, std::string hosts) : net_(net), hosts_(std::move(hosts)) {}
  Result<Fd> OpenSocket(int domain, int type, int protocol) override {
    if (before_open) before_open();
    return net_.Inside([&]() -> Result<Fd> {
      Fd fd(socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
      if (!fd.is_open()) return SystemError(errno, "open a socket");
      return fd;
    });
  }
  Result<Output> Run(const std::vector<std::string>& /*command*/, std::chrono::milliseconds /*limit*/) override {
    return Fail("not here");
  }
  std::string HostsFile() override { return hosts_; }
  std::string ResolverFile() override { return ""; }

  std::function<void()> before_open;

 private:
  const ThrowawayNet& net_;
  std::string hosts_;
};

class Probes : public ::testing::Test {
 protected:
  Probes() {
    // Link-local addresses count at once: a router without one asks for no neighbour.
    for (const ThrowawayNet* net : {&a_, &r_, &b_}) {
      net->Run("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0");
    }
    Connect(a_, "eth0", "10.0.1.1/24", r_, "west", "10.0.1.2/24");
    Connect(r_, "east", "10.0.2.1/24", b_, "eth0", "10.0.2.2/24");
    a_.Run("ip addr add fd00:1::1/64 dev eth0 nodad; ip route add default via 10.0.1.2");
    r_.Run("ip addr add fd00:1::2/64 dev west nodad; ip addr add fd00:2::1/64 dev east nodad");
    b_.Run("ip addr add fd00:2::2/64 dev eth0 nodad; ip route add default via 10.0.2.1");
    a_.Run("ip -6 route add default via fd00:1::2");
    b_.Run("ip -6 route add default via fd00:2::1");
    r_.Run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
    r_.Run("ip link set east mtu 1400");
    b_.Run("ip link set eth0 mtu 1400");
    const auto prefix = [](const char* text) { return IpPrefix::Parse(text).value(); };
    lab_.book = AddressBook(
        {{.node = "a", .interfaces = {{.name = "eth0", .addresses = {prefix("10.0.1.1/24"), prefix("fd00:1::1/64")}}}},
         {.node = "r",
          .interfaces = {{.name = "west", .addresses = {prefix("10.0.1.2/24"), prefix("fd00:1::2/64")}},
                         {.name = "east", .addresses = {prefix("10.0.2.1/24"), prefix("fd00:2::1/64")}}}},
         {.node = "b",
          .interfaces = {{.name = "eth0", .addresses = {prefix("10.0.2.2/24"), prefix("fd00:2::2/64")}}}}});
    lab_.at = [this](const std::string& place) -> Result<Vantage*> {
      return place == "a" ? &at_a_ : place == "r" ? &at_r_ : &at_b_;
    };
  }

  static Check Make(const std::string& kind, const std::string& target, std::optional<Family> family = std::nullopt) {
    Check check;
    check.from = "a";
    check.kind = kind;
    check.target = target;
    check.family = family;
    return check;
  }
  static Check Measuring(Check check, std::map<std::string, std::string> measured) {
    check.expect.kind = Expectation::Kind::kMeasured;
    check.expect.measured = std::move(measured);
    return check;
  }
  Reading Read(const Check& check) const {
    auto reading = Probe(check, lab_, {.end = Clock::now() + std::chrono::seconds(5)});
    EXPECT_TRUE(reading.ok()) << reading.error().text();
    return reading.ok() ? *reading : Reading{};
  }

  ThrowawayNet a_;
  ThrowawayNet r_;
  ThrowawayNet b_;
  NetVantage at_a_{a_, "10.0.2.2 bob\nfd00:2::2 bob\n"};
  NetVantage at_r_{r_, ""};
  NetVantage at_b_{b_, ""};
  Lab lab_;
};

TEST_F(Probes, PingReachesBothFamilies) {
  for (const char* target : {"10.0.2.2", "fd00:2::2", "b", "b:eth0", "bob"}) {
    EXPECT_TRUE(Read(Make("ping", target)).reached) << target;
  }
  EXPECT_TRUE(Read(Make("ping", "bob", Family::kIpv6)).reached);
}

TEST_F(Probes, PingTellsWhyThereIsNoReply) {
  b_.Run("ip link set eth0 down");
  b_.Run("ip route flush cache");
  r_.Run("ip route add unreachable 10.0.3.0/24; ip -6 route add unreachable fd00:3::/64");
  EXPECT_THAT(Read(Make("ping", "10.0.3.1")).seen, ::testing::HasSubstr("10.0.1.2 says"));
  EXPECT_THAT(Read(Make("ping", "fd00:3::1")).seen, ::testing::HasSubstr("fd00:1::2 says"));
  a_.Run("ip route del default");
  const Reading reading = Read(Make("ping", "10.0.2.2"));
  EXPECT_FALSE(reading.reached);
  EXPECT_THAT(reading.seen, ::testing::HasSubstr("network is unreachable"));
}

TEST_F(Probes, PingCountsLoss) {
  a_.Run("nft add table ip t; nft add chain ip t in '{ type filter hook input priority 0; }'");
  // Every second reply.
  a_.Run("nft add rule ip t in icmp type echo-reply numgen inc mod 2 0 drop");
  Check check = Make("ping", "10.0.2.2");
  check.count = 20;
  const Reading reading = Read(check);
  EXPECT_TRUE(reading.reached);
  EXPECT_DOUBLE_EQ(std::get<double>(reading.values.at("loss")), 50);
}

TEST_F(Probes, FindsTheMtuOfThePath) {
  for (const char* target : {"10.0.2.2", "fd00:2::2"}) {
    const Reading reading = Read(Measuring(Make("ping", target), {{"mtu", "1400"}}));
    EXPECT_DOUBLE_EQ(std::get<double>(reading.values.at("mtu")), 1400) << target;
  }
  const Reading near = Read(Measuring(Make("ping", "10.0.1.2"), {{"mtu", "1500"}}));
  EXPECT_DOUBLE_EQ(std::get<double>(near.values.at("mtu")), 1500);
}

TEST_F(Probes, FindsTheMtuWhereNobodySaysIt) {
  r_.Run("nft add table ip t; nft add chain ip t out '{ type filter hook output priority 0; }'");
  r_.Run("nft add rule ip t out icmp type destination-unreachable drop");
  Check check = Measuring(Make("ping", "10.0.2.2"), {{"mtu", "1400"}});
  const auto reading = Probe(check, lab_, {.end = Clock::now() + std::chrono::seconds(30)});
  ASSERT_TRUE(reading.ok());
  EXPECT_DOUBLE_EQ(std::get<double>(reading->values.at("mtu")), 1400);
}

TEST_F(Probes, PathNamesTheNodesCrossed) {
  const std::vector<std::string> via = {"r"};
  for (const char* target : {"10.0.2.2", "fd00:2::2"}) {
    const Reading reading = Read(Make("path", target));
    EXPECT_TRUE(reading.reached) << target;
    EXPECT_EQ(std::get<std::vector<std::string>>(reading.values.at("via")), via) << target;
  }
  EXPECT_EQ(std::get<std::vector<std::string>>(Read(Make("path", "r")).values.at("via")), std::vector<std::string>());
}

TEST_F(Probes, PathEndsWhereNobodyAnswers) {
  b_.Run("ip link set eth0 down");
  const Reading reading = Read(Make("path", "10.0.2.2"));
  EXPECT_FALSE(reading.reached);
}

TEST_F(Probes, TcpConnects) {
  const Listener four(b_, "10.0.2.2", 8080);
  const Listener six(b_, "fd00:2::2", 8080);
  EXPECT_TRUE(Read(Make("tcp", "b:8080")).reached);
  EXPECT_TRUE(Read(Make("tcp", "[fd00:2::2]:8080")).reached);
  EXPECT_TRUE(Read(Make("tcp", "b:eth0:8080", Family::kIpv6)).reached);
  const Reading refused = Read(Make("tcp", "b:8081"));
  EXPECT_FALSE(refused.reached);
  EXPECT_THAT(refused.seen, ::testing::HasSubstr("connection refused"));
}

TEST_F(Probes, UdpWantsAReply) {
  const Fd server = b_.Inside([] {
    Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_storage at;
    const socklen_t size = runner::test::FillAddress(at, "10.0.2.2", 5000);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), size), 0);
    return fd;
  });
  // One answer, then silence.
  std::thread echo([&server] {
    char buffer[64];
    sockaddr_storage from;
    socklen_t size = sizeof from;
    const ssize_t got = recvfrom(server.get(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (got > 0)
      sendto(server.get(), buffer, static_cast<std::size_t>(got), 0, reinterpret_cast<sockaddr*>(&from), size);
  });
  EXPECT_TRUE(Read(Make("udp", "b:5000")).reached);
  echo.join();
  EXPECT_FALSE(Read(Make("udp", "b:5000")).reached);
  const Reading refused = Read(Make("udp", "b:5001"));
  EXPECT_FALSE(refused.reached);
  EXPECT_THAT(refused.seen, ::testing::HasSubstr("refused"));
}

TEST_F(Probes, RouteIsWhatTheKernelWouldTake) {
  a_.Run(
      "ip route add 10.5.0.0/16 via 10.0.1.2; ip route add 10.5.0.0/24 dev eth0; ip route add blackhole 10.6.0.0/16");
  const auto names = [](const Reading& reading, const char* what) {
    return std::get<std::vector<std::string>>(reading.values.at(what));
  };
  const std::vector<std::string> router = {"10.0.1.2", "r", "r:west"};
  const std::vector<std::string> router6 = {"fd00:1::2", "r", "r:west"};
  const std::vector<std::string> eth0 = {"eth0"};
  EXPECT_EQ(names(Read(Make("route", "10.5.9.0/24")), "via"), router);
  EXPECT_EQ(names(Read(Make("route", "10.5.0.0/16")), "via"), router) << "not that of its first addresses";
  EXPECT_EQ(names(Read(Make("route", "10.5.0.7")), "via"), std::vector<std::string>());
  EXPECT_EQ(names(Read(Make("route", "10.5.0.7")), "dev"), eth0);
  EXPECT_EQ(names(Read(Make("route", "default")), "via"), router);
  EXPECT_EQ(names(Read(Make("route", "::/0")), "via"), router6);
  EXPECT_EQ(names(Read(Make("route", "fd00:9::/64")), "dev"), eth0);
  EXPECT_FALSE(Read(Make("route", "10.6.1.0/24")).reached);
  a_.Run("ip route del default; ip -6 route del default");
  EXPECT_FALSE(Read(Make("route", "10.7.0.0/16")).reached);
  EXPECT_FALSE(Read(Make("route", "default")).reached);
  EXPECT_FALSE(Read(Make("route", "fd00:9::/64")).reached);
}

TEST_F(Probes, ThroughputIsThatOfTheSlowestCable) {
  const Reading free = Read(Make("throughput", "b"));
  EXPECT_TRUE(free.reached) << free.seen;
  EXPECT_GT(std::get<double>(free.values.at("throughput")), 50e6);
  r_.Run("tc qdisc add dev east root tbf rate 8mbit burst 16kb latency 50ms");
  const double shaped = std::get<double>(Read(Make("throughput", "b", Family::kIpv6)).values.at("throughput"));
  EXPECT_GT(shaped, 1e6);
  EXPECT_LT(shaped, 10e6);
}

TEST_F(Probes, FailsWhenItsTimeIsOver) {
  b_.Run("ip link set eth0 down");
  Check check = Make("ping", "10.0.2.2");
  check.within_ms = 300;
  StepVerdict failed = RunCheck(check, lab_);
  EXPECT_EQ(failed.verdict, Verdict::kFailed);
  EXPECT_EQ(failed.expected, "a reply");
  EXPECT_THAT(failed.found, ::testing::HasSubstr("no reply from 10.0.2.2"));
  check.expect.kind = Expectation::Kind::kUnreachable;
  EXPECT_EQ(RunCheck(check, lab_).verdict, Verdict::kOk);
}

TEST_F(Probes, HoldsWhenItDoesInTime) {
  std::optional<Listener> listener;
  int tries = 0;
  at_a_.before_open = [&] {
    if (++tries == 3) listener.emplace(b_, "10.0.2.2", 8082);
  };
  Check check = Make("tcp", "10.0.2.2:8082");
  check.within_ms = 20'000;
  const StepVerdict held = RunCheck(check, lab_);
  EXPECT_EQ(held.verdict, Verdict::kOk) << held.found;
  EXPECT_EQ(held.tries, 3);
  check.expect.kind = Expectation::Kind::kUnreachable;
  EXPECT_EQ(RunCheck(check, lab_).verdict, Verdict::kFailed);
}

TEST_F(Probes, ANameThatDoesNotResolveIsNotUnreachable) {
  Check check = Make("ping", "nobody");
  check.expect.kind = Expectation::Kind::kUnreachable;
  check.within_ms = 50;
  const StepVerdict verdict = RunCheck(check, lab_);
  EXPECT_EQ(verdict.verdict, Verdict::kFailed);
  EXPECT_THAT(verdict.found, ::testing::HasSubstr("\"nobody\""));
}

TEST_F(Probes, AllPairsTellWhoDoesNotReachWhom) {
  std::vector<Pair> pairs = PairsOf(lab_.book, std::nullopt);
  const auto open = [this](const std::string& node) -> Result<std::unique_ptr<Vantage>> {
    return std::unique_ptr<Vantage>(std::make_unique<NetVantage>(node == "a"   ? a_
                                                                 : node == "r" ? r_
                                                                               : b_,
                                                                 std::string()));
  };
  ASSERT_TRUE(PingPairs(pairs, open, {.end = Clock::now() + std::chrono::seconds(10)}).ok());
  EXPECT_EQ(pairs.size(), 16U);
  for (const Pair& pair : pairs) EXPECT_TRUE(pair.reached) << pair.from << " " << pair.address.text();
  a_.Run("ip -6 route del default");
  for (Pair& pair : pairs) pair.reached = false;
  ASSERT_TRUE(PingPairs(pairs, open, {.end = Clock::now() + std::chrono::milliseconds(1500)}).ok());
  // Neither can a ask, nor answer.
  EXPECT_EQ(MatrixOf(pairs), "   r  b  a\na  6  6  -\nb  .  -  6\n");
}

}  // namespace
}  // namespace runner::check
