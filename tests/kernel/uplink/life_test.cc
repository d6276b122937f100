#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "base/json.h"
#include "base/text.h"
#include "tests/kernel/uplink/network.h"
#include "uplink/control.h"
#include "uplink/process_id.h"
#include "uplink/tap.h"

namespace runner::test {
namespace {

using Life = UplinkState::Life;
using testing::HasSubstr;

bool EndsSoon(const UplinkProcess& process) {
  return Eventually([&process] { return !StartTimeOf(process.pid).has_value(); });
}

std::string StatusLine(pid_t pid, const std::string& key) {
  const auto text = ReadFile("/proc/" + std::to_string(pid) + "/status");
  if (!text) return "no status";
  for (const std::string_view line : Split(*text, '\n')) {
    if (line.starts_with(key + ":\t")) return std::string(line.substr(key.size() + 2));
  }
  return "no line";
}

TEST(UplinkLife, SaysWhatItServes) {
  InSandbox([] {
    Network network;
    const std::vector<ForwardSpec> forwards = {
        Publish(ForwardSpec::Protocol::kTcp, "0.0.0.0", 8080, Network::kNode, 80),
        Publish(ForwardSpec::Protocol::kUdp, "::", 8080, Network::kNode6, 80)};
    const UplinkProcess process = network.Start(forwards);
    const UplinkState state = ReadUplink(network.spec.state_folder, "r1", process);
    EXPECT_EQ(state.life, Life::kServing);
    EXPECT_EQ(state.process, process);
    EXPECT_EQ(state.spec, network.spec);
    EXPECT_EQ(state.forwards, forwards);
    EXPECT_FALSE(state.slirp_version.empty());
    EXPECT_EQ(ReadUplink(network.spec.state_folder, "r1").process, process);
    const auto back = UplinkProcess::FromJson(process.ToJson());
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, process);

    UplinkProcess other = process;
    other.start_time += 1;
    EXPECT_EQ(ReadUplink(network.spec.state_folder, "r1", other).life, Life::kGone);
    EXPECT_TRUE(StopUplink(other)) << "somebody else's process is left alone";
    EXPECT_EQ(ReadUplink(network.spec.state_folder, "r1", process).life, Life::kServing);
    EXPECT_EQ(ReadUplink(network.spec.state_folder, "r2").life, Life::kGone);
  });
}

TEST(UplinkLife, IsFoundByItsCommandLine) {
  InSandbox([] {
    Network network;
    const UplinkProcess process = network.Start();
    const auto found = FindUplinks(network.spec.lab, network.spec.state_folder);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].node, "r1");
    EXPECT_EQ(found[0].pid, process.pid);
    EXPECT_EQ(found[0].start_time, process.start_time);
    EXPECT_TRUE(FindUplinks(network.spec.lab + "0", network.spec.state_folder).empty());
    EXPECT_TRUE(FindUplinks(network.spec.lab, network.spec.state_folder + "0").empty());
    EXPECT_THAT(Shell("ip netns exec host cat /proc/net/unix"),
                HasSubstr("@toporun/" + network.spec.lab + "/uplink/r1"));
    EXPECT_TRUE(StopUplink(found[0]));
    EXPECT_TRUE(FindUplinks(network.spec.lab, network.spec.state_folder).empty());
  });
}

TEST(UplinkLife, SecondHelperOfOneUplinkIsRefused) {
  InSandbox([] {
    Network network;
    network.Start();
    const auto second = StartUplink(network.spec, {}, network.side(), network.host(), "/proc/self/exe");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().text(), "uplink r1: attach to the tap \"tap0\": another process serves it");
    EXPECT_EQ(FindUplinks(network.spec.lab, network.spec.state_folder).size(), 1U);
  });
}

TEST(UplinkLife, StopsCleanly) {
  InSandbox([] {
    Network network;
    const UplinkProcess process = network.Start();
    const Status stopped = StopUplink(process);
    EXPECT_TRUE(stopped) << stopped.error().text();
    EXPECT_EQ(ReadUplink(network.spec.state_folder, "r1", process).life, Life::kGone);
    EXPECT_EQ(access("/run/toporun-lab/uplink-r1.sock", F_OK), -1);
    EXPECT_THAT(Shell("cat /run/toporun-lab/uplink-r1.log"), HasSubstr("ended: signal 15 of process"));
    EXPECT_TRUE(StopUplink(process)) << "twice is fine";
  });
}

TEST(UplinkLife, Case23KilledHelperLeavesTapAndAddressesForTheNext) {
  InSandbox([] {
    Network network;
    const auto forward = Publish(ForwardSpec::Protocol::kTcp, "0.0.0.0", 8080, Network::kNode, 80);
    const UplinkProcess process = network.Start({forward});
    const Json before = Ip("-n lab.r1 addr show tap0");
    const Json routes = Ip("-n lab.r1 route show");
    kill(process.pid, SIGKILL);
    ASSERT_TRUE(EndsSoon(process));
    EXPECT_EQ(ReadUplink(network.spec.state_folder, "r1", process).life, Life::kGone);
    EXPECT_EQ(Ip("-n lab.r1 addr show tap0")[0]["address"], before[0]["address"]);
    EXPECT_EQ(Ip("-n lab.r1 addr show tap0")[0]["mtu"], before[0]["mtu"]);
    const Json kept = Ip("-n lab.r1 addr show tap0")[0]["addr_info"];
    for (const char* address : {Network::kNode, Network::kNode6}) {
      EXPECT_FALSE(Find(kept, "local", address).is_null()) << address;
    }
    EXPECT_EQ(Ip("-n lab.r1 route show").size(), routes.size());

    const UplinkProcess next = network.Start({forward});
    EXPECT_NE(next.pid, process.pid);
    EXPECT_NE(next.token, process.token);
    const Fd listener = TcpListener(network.world(), Network::kWorld, 7000);
    const Fd client = TcpConnect(network.node(), Network::kWorld, 7000);
    EXPECT_TRUE(client.is_open());
    const Fd server = TcpListener(network.node(), Network::kNode, 80);
    EXPECT_TRUE(TcpConnect(network.world(), Network::kHost, 8080).is_open());
  });
}

TEST(UplinkLife, Case24EndsWithItsNode) {
  InSandbox([] {
    Network network;
    const UplinkProcess process = network.Start();
    Shell("ip netns add another && ip netns del another");
    EXPECT_EQ(ReadUplink(network.spec.state_folder, "r1", process).life, Life::kServing);
    Shell("ip netns del lab.r1");
    EXPECT_TRUE(EndsSoon(process));
    EXPECT_THAT(Shell("cat /run/toporun-lab/uplink-r1.log"), HasSubstr("/run/netns/lab.r1 is gone"));
  });
}

TEST(UplinkLife, EndsWithItsTap) {
  InSandbox([] {
    Network network;
    const UplinkProcess process = network.Start();
    Shell("ip -n lab.r1 link del tap0");
    EXPECT_TRUE(EndsSoon(process));
    EXPECT_THAT(Shell("cat /run/toporun-lab/uplink-r1.log"), HasSubstr("the tap \"tap0\" is gone"));
  });
}

TEST(UplinkLife, EndsWithTheVethThatStandsForATap) {
  for (const char* end : {"ip -n lab.r1 link del tap0", "ip -n far link set tap0 down"}) {
    InSandbox([end] {
      Network network(1500, Network::End::kPacketSocket);
      const UplinkProcess process = network.Start();
      Shell("ip -n lab.r1 link set tap0 down && ip -n lab.r1 link set tap0 up");
      EXPECT_EQ(ReadUplink(network.spec.state_folder, "r1", process).life, Life::kServing);
      Shell(end);
      EXPECT_TRUE(EndsSoon(process)) << end;
      EXPECT_THAT(Shell("cat /run/toporun-lab/uplink-r1.log"), HasSubstr("the tap \"tap0\" is gone"));
    });
  }
}

TEST(UplinkLife, NextOneTakesUpTheVethOfAKilledOne) {
  InSandbox([] {
    Network network(1500, Network::End::kPacketSocket);
    const UplinkProcess process = network.Start();
    kill(process.pid, SIGKILL);
    ASSERT_TRUE(EndsSoon(process));
    EXPECT_EQ(Ip("-n lab.r1 route show").size(), 2U) << "addresses and routes outlive it";
    network.Start();
    const Fd listener = TcpListener(network.world(), Network::kWorld, 7000);
    EXPECT_TRUE(TcpConnect(network.node(), Network::kWorld, 7000).is_open());
  });
}

TEST(UplinkLife, Case25FailedStartLeavesNothing) {
  InSandbox([] {
    Network network;
    const auto text = [&network](const UplinkSpec& spec) {
      const auto started = StartUplink(spec, {}, network.side(), network.host(), "/proc/self/exe");
      return started ? std::string("started") : started.error().text();
    };
    UplinkSpec spec = network.spec;
    spec.interface = "tap7";
    EXPECT_EQ(text(spec), "uplink r1: find the tap \"tap7\": no such device");
    spec = network.spec;
    spec.node_path = "/run/netns/lab.r9";
    EXPECT_EQ(text(spec), "uplink r1: look at the namespace /run/netns/lab.r9: no such file or directory");
    spec = network.spec;
    spec.outbound = {"eth9"};
    EXPECT_EQ(text(spec),
              "uplink r1: outbound address \"eth9\": no interface of that name has an address where the uplink leaves");
    const auto no_program = StartUplink(network.spec, {}, network.side(), network.host(), "/nonexistent");
    ASSERT_FALSE(no_program);
    EXPECT_EQ(no_program.error().text(), "uplink r1: open \"/nonexistent\": no such file or directory");
    const auto false_program = StartUplink(network.spec, {}, network.side(), network.host(), "/bin/false");
    ASSERT_FALSE(false_program);
    EXPECT_EQ(false_program.error().text(), "uplink r1: the helper ended before it was ready");
    EXPECT_TRUE(FindUplinks(network.spec.lab, network.spec.state_folder).empty());
    EXPECT_EQ(Ip("-n lab.r1 link show type tun").size(), 1U);
    network.Start();
  });
}

TEST(UplinkLife, TapOfThatNameIsAConflict) {
  InSandbox([] {
    Network network;
    const Status again = CreateTap(network.node(), "tap0", network.spec.mac, 1500);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().text(), "attach to the tap \"tap0\": an interface of that name exists");
    const Json tap = Ip("-n lab.r1 link show tap0")[0];
    EXPECT_EQ(tap["address"], network.spec.mac.text());
    EXPECT_TRUE(tap["linkinfo"]["info_data"]["persist"]);
    EXPECT_TRUE(tap["linkinfo"]["info_data"]["vnet_hdr"]);
  });
}

TEST(UplinkLife, Case26GivesUpWhatItDoesNotNeed) {
  InSandbox([] {
    Network network;
    // Nothing of ours is left open in the helper.
    const Fd leaked(fcntl(network.world(), F_DUPFD, 300));
    const UplinkProcess process =
        network.Start({Publish(ForwardSpec::Protocol::kTcp, "::", 8080, Network::kNode6, 80)});
    const std::string folder = "/proc/" + std::to_string(process.pid);
    EXPECT_EQ(StatusLine(process.pid, "NoNewPrivs"), "1");
    EXPECT_EQ(StatusLine(process.pid, "Seccomp"), "2");
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
      EXPECT_EQ(StatusLine(process.pid, set), "0000000000000000") << set;
    }
    // In a sandbox of a single user there is nobody to become.
    if (StatusLine(getpid(), "Uid") == "0\t0\t0\t0" && geteuid() == 0 && access("/proc/1/root/etc", R_OK) == 0) {
      EXPECT_EQ(StatusLine(process.pid, "Uid"), "65534\t65534\t65534\t65534");
      EXPECT_EQ(StatusLine(process.pid, "Gid"), "65534\t65534\t65534\t65534");
      EXPECT_EQ(StatusLine(process.pid, "Groups"), " ");
    }
    for (const char* place : {"user", "mnt", "ipc", "uts"}) {
      EXPECT_NE(Shell("readlink " + folder + "/ns/" + place), Shell(std::string("readlink /proc/self/ns/") + place));
    }
    EXPECT_EQ(Shell("ls -A " + folder + "/root/"), "");
    const std::string mounts = Shell("cat " + folder + "/mountinfo");
    EXPECT_EQ(Split(mounts, '\n').size(), 2U) << mounts;
    EXPECT_THAT(mounts, HasSubstr(" / / ro,nosuid,nodev,noexec"));
    EXPECT_THAT(Shell("touch " + folder + "/root/file 2>&1 || true"), HasSubstr("Read-only file system"));
    const auto limits = ReadFile(folder + "/limits");
    ASSERT_TRUE(limits);
    EXPECT_THAT(*limits, testing::ContainsRegex("Max core file size +0 +0"));
    // Of a process that is not dumpable, root's.
    struct stat status = {};
    ASSERT_EQ(stat((folder + "/mem").c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, 0U);
    // It answers from its loop: what set-up needed is closed.
    ASSERT_EQ(ReadUplink(network.spec.state_folder, "r1", process).life, Life::kServing);
    const std::string descriptors = Shell("ls -l " + folder + "/fd");
    for (const std::string_view line : Split(descriptors, '\n')) {
      if (line.find(" -> ") == std::string_view::npos) continue;
      EXPECT_THAT(std::string(line),
                  testing::ContainsRegex(
                      "-> (/dev/null|/dev/net/tun|.*/uplink-r1.log|socket:.*|anon_inode:.(signalfd|eventpoll).)$"));
    }
    ASSERT_EQ(stat("/run/toporun-lab/uplink-r1.log", &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U);
    EXPECT_EQ(Shell("cat " + folder + "/comm"), "toporun-uplink\n");
  });
}

TEST(UplinkLife, ItsPorterHoldsNothingOfTheLabAndEndsWithIt) {
  InSandbox([] {
    Network network;
    const UplinkProcess process = network.Start();
    const std::string folder = "/proc/" + std::to_string(process.pid);
    const pid_t porter = std::stoi(Shell("cat " + folder + "/task/" + std::to_string(process.pid) + "/children"));
    EXPECT_EQ(StatusLine(porter, "CapEff"), "0000000000000000");
    EXPECT_EQ(StatusLine(porter, "NoNewPrivs"), "1");
    const std::string fds = Shell("ls -l /proc/" + std::to_string(porter) + "/fd");
    for (const char* foreign : {"/dev/net/tun", "net:[", "memfd", "pipe:", "signalfd"}) {
      EXPECT_THAT(fds, testing::Not(HasSubstr(foreign)));
    }
    kill(process.pid, SIGKILL);
    EXPECT_TRUE(Eventually([porter] { return !StartTimeOf(porter).has_value(); })) << "a killed helper takes it along";

    const UplinkProcess next = network.Start();
    const std::string children =
        Shell("cat /proc/" + std::to_string(next.pid) + "/task/" + std::to_string(next.pid) + "/children");
    kill(std::stoi(children), SIGKILL);
    EXPECT_TRUE(EndsSoon(next)) << "and a helper does not go on without it";
    EXPECT_THAT(Shell("cat /run/toporun-lab/uplink-r1.log"), HasSubstr("its porter is gone"));
  });
}

TEST(UplinkLife, SleepsWhileNothingHappens) {
  InSandbox([] {
    Network network;
    Shell(
        "ip -n lab.r1 link set tap0 multicast off; ip netns exec lab.r1 sysctl -qw "
        "net.ipv6.conf.tap0.mldv2_unsolicited_report_interval=0");
    const UplinkProcess process =
        network.Start({Publish(ForwardSpec::Protocol::kTcp, "0.0.0.0", 8080, Network::kNode, 80),
                       Publish(ForwardSpec::Protocol::kUdp, "0.0.0.0", 8080, Network::kNode, 80)});
    Json request;
    request["do"] = "state";
    const auto wakeups = [&]() -> std::int64_t {
      const auto answer = AskControl(network.spec.state_folder, "uplink-r1.sock", request, 2000);
      return answer ? (*answer)["wakeups"].get<std::int64_t>() : -1000000;
    };
    // Traffic before, so that there is something to come to rest from.
    {
      const Fd listener = TcpListener(network.world(), Network::kWorld, 7000);
      const Fd client = TcpConnect(network.node(), Network::kWorld, 7000);
      const Accepted server = Accept(listener);
      EXPECT_EQ(Pump(client, server.socket, "x"), "x");
    }
    // Our question wakes it three times (a client comes, asks, goes); all others are its own.
    constexpr std::int64_t kOurs = 3;
    std::int64_t before = wakeups();
    const bool rested = Eventually(
        [&] {
          poll(nullptr, 0, 1500);
          const std::int64_t now = wakeups();
          return now - std::exchange(before, now) <= kOurs;
        },
        30000);
    EXPECT_TRUE(rested);
    EXPECT_EQ(ReadUplink(network.spec.state_folder, "r1", process).life, Life::kServing);
  });
}

TEST(UplinkLife, LogIsBounded) {
  InSandbox([] {
    Network network;
    const UplinkProcess process = network.Start();
    Shell("head -c 2000000 /dev/zero >> /run/toporun-lab/uplink-r1.log");
    network.spec.dns = false;
    ASSERT_TRUE(ChangeUplink(network.spec));
    struct stat status = {};
    ASSERT_EQ(stat("/run/toporun-lab/uplink-r1.log", &status), 0);
    EXPECT_LT(status.st_size, 4096);
    EXPECT_TRUE(StopUplink(process));
  });
}

// A client of the control socket that says what it likes.
class RawClient {
 public:
  RawClient() : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, "/run/toporun-lab/uplink-r1.sock");
    connected_ = connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  bool connected() const { return connected_; }
  std::string Say(const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t sent = send(socket_.get(), text.data() + at, text.size() - at, MSG_NOSIGNAL);
      if (sent <= 0) break;
      at += static_cast<std::size_t>(sent);
    }
    std::string answer;
    while (answer.find('\n') == std::string::npos && WaitReadable(socket_, 10000)) {
      char buffer[4096];
      const ssize_t size = recv(socket_.get(), buffer, sizeof buffer, 0);
      if (size <= 0) break;
      answer.append(buffer, static_cast<std::size_t>(size));
    }
    return answer;
  }

 private:
  Fd socket_;
  bool connected_ = false;
};

TEST(UplinkControl, Case30AnswersEveryMistakeAndGoesOnServing) {
  InSandbox([] {
    Network network;
    const UplinkProcess process = network.Start();
    RawClient silent;
    RawClient client;
    EXPECT_THAT(client.Say("{\n"), HasSubstr("the request is no JSON"));
    EXPECT_EQ(client.Say("[]\n"), "{\"ok\":false,\"error\":\"the request is no object\"}\n");
    EXPECT_EQ(client.Say("{}\n"), "{\"ok\":false,\"error\":\"the request has no \\\"do\\\"\"}\n");
    EXPECT_THAT(client.Say("{\"do\": 7}\n"), HasSubstr("has no"));
    EXPECT_THAT(client.Say("{\"do\": \"dance\"}\n"), HasSubstr("not one of state, add, remove, change, stop"));
    EXPECT_THAT(client.Say("{\"do\": \"add\"}\n"), HasSubstr("the request has no \\\"forward\\\""));
    EXPECT_THAT(client.Say("{\"do\": \"add\", \"forward\": {\"protocol\": \"tcp\"}}\n"),
                HasSubstr("the forward has no \\\"host_address\\\""));
    EXPECT_THAT(client.Say("{\"do\": \"add\", \"forward\": 3}\n"), HasSubstr("the forward is not an object"));
    EXPECT_THAT(client.Say("{\"do\": \"change\", \"spec\": {}}\n"), HasSubstr("the uplink has no \\\"lab\\\""));
    EXPECT_THAT(RawClient().Say(std::string(ControlServer::kLongestRequest + 100000, 'x')), HasSubstr("longer than"));
    std::vector<RawClient> many(30);
    const Fd listener = TcpListener(network.world(), Network::kWorld, 7000);
    EXPECT_TRUE(TcpConnect(network.node(), Network::kWorld, 7000).is_open());
    EXPECT_THAT(silent.Say(""), HasSubstr("no request came"));
    EXPECT_EQ(ReadUplink(network.spec.state_folder, "r1", process).life, Life::kServing);
    struct stat status = {};
    ASSERT_EQ(stat("/run/toporun-lab/uplink-r1.sock", &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700U) << "for its owner only";
    RawClient last;
    EXPECT_EQ(last.Say("{\"do\": \"stop\"}\n"), "{\"ok\":true}\n");
    EXPECT_TRUE(EndsSoon(process));
  });
}

TEST(UplinkControl, Case30OtherUsersAreRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "needs two users";
  InSandbox([] {
    Network network;
    const UplinkProcess process = network.Start();
    // Even where the file would let them in.
    Shell("chmod 777 /run/toporun-lab /run/toporun-lab/uplink-r1.sock");
    // Nobody is the helper's own user, and no more welcome for that.
    for (const uid_t user : {12345U, 65534U}) {
      ASSERT_EQ(setresuid(user, user, 0), 0);
      RawClient client;
      ASSERT_EQ(setresuid(0, 0, 0), 0);
      ASSERT_TRUE(client.connected());
      EXPECT_EQ(client.Say("{\"do\": \"stop\"}\n"),
                "{\"ok\":false,\"error\":\"this uplink belongs to another user\"}\n");
    }
    EXPECT_EQ(ReadUplink(network.spec.state_folder, "r1", process).life, Life::kServing) << "the same question as root";
    EXPECT_TRUE(StartTimeOf(process.pid).has_value());
  });
}

}  // namespace
}  // namespace runner::test
