#include "tests/fault/trials.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <regex>

#include "base/fd.h"
#include "machine/links.h"
#include "machine/machine.h"
#include "tests/support/sandbox.h"

namespace runner::test {
namespace {

namespace fs = std::filesystem;

struct Replacement {
  std::string old_text;
  std::string new_text;
};

// What becomes of what in each file. A file without an edit here fails the test.
const std::map<std::string, std::vector<Replacement>>& Edits() {
  static const std::map<std::string, std::vector<Replacement>> edits = {
      {"attach",
       {{"10.8.0.2/24, ", "10.8.0.3/24, 10.8.0.4/24, "},
        {"10.8.0.1/24", "10.8.0.9/24"},
        {"\"inside:eth0\"]", "\"inside:eth0\"]\n    mtu: 1400"}}},
      {"home-nat",
       {{"mtu: 1400", "mtu: 1300"},
        {"{in: wan0, proto: tcp, port: 8080", "{in: wan0, proto: tcp, port: 8081"},
        {"18080:8080", "18082:8081"},
        {"  laptop:\n", "  tablet: {interfaces: {eth0: {addresses: [192.168.1.11/24]}}}\n  laptop:\n"},
        {"  - endpoints: [\"laptop:eth0\", lan]\n",
         "  - endpoints: [\"laptop:eth0\", lan]\n  - endpoints: [\"tablet:eth0\", lan]\n"},
        {"192.168.0.0/16, type: unreachable", "192.168.0.0/16, type: blackhole"}}},
      {"lan",
       {{"eth0: {mtu: 1400}", "eth0: {mtu: 1300}"},
        {"ageing: 60", "ageing: 30\n    priority: 4096"},
        {"desk[1-3]:\n", "desk[1-2]:\n"},
        {"desk[1-3]:eth0", "desk[1-2]:eth0"},
        {"from: desk3", "from: desk2"},
        {"ping: desk3", "ping: desk1"}}},
      {"leaf-spine",
       {{"{to: default, via: \"10.4.10{n}.1\"}", "{to: default, via: \"10.4.10{n}.1\", metric: 5}"},
        {"fib_multipath_hash_policy: 1", "fib_multipath_hash_policy: 0"},
        {"nexthops: [{via: \"10.4.1.{n*2}\"}, {via: \"10.4.2.{n*2}\"}]", "via: \"10.4.2.{n*2}\""}}},
      {"pair",
       {{"10.1.0.1/24", "10.1.0.3/24"},
        {"\"fd00:1::2/64\"]", "\"fd00:1::2/64\", \"fd00:1::22/64\"]"},
        {"\"right:eth0\"]", "\"right:eth0\"]\n    mtu: 1400"}}},
      {"policy-routing",
       {{"rp_filter: 2", "rp_filter: 0"},
        {"table: 101, priority: 200", "table: 101, priority: 201"},
        {"{to: default, via: 192.0.2.5, table: 102}", "{to: default, via: 192.0.2.5, table: 102, mtu: 1300}"},
        {"{from: 10.6.2.0/24, table: 102, priority: 200}", "{from: 10.6.2.0/24, table: 101, priority: 200}"}}},
      {"rootless-pods",
       {{"mtu: 65520", "mtu: 9000"},
        {"\"127.0.0.1:18081:53/udp\"", "\"127.0.0.1:18083:53/udp\""},
        {"source: 10.89.0.0/24", "source: 10.89.0.0/25"}}},
      {"routers",
       {{"mtu: 1400", "mtu: 1350"},
        {"{to: 10.3.23.0/30, via: 10.3.12.2}", "{to: 10.3.23.0/30, via: 10.3.12.2, metric: 7}"},
        {"  r3:\n    forwarding: true", "  r3:\n    forwarding: {ipv4: true}"},
        {"      - {to: 10.3.12.0/30, via: 10.3.23.1}\n", ""}}},
      {"wireguard-mesh",
       {{"listen_port: 51820\n        addresses: [10.255.0.2", "listen_port: 51821\n        addresses: [10.255.0.2"},
        {"10.3.0.0/24, \"fd00:3::/64\"]}\n    routes:\n      - {to: default, via: 198.51.100.1}",
         "10.3.0.0/24]}\n    routes:\n      - {to: default, via: 198.51.100.1}"},
        {"keepalive: 5", "keepalive: 7"}}},
      {"star", {{"{pool: 10.7.0.0/16, length: 31}", "{pool: 10.8.0.0/16, length: 31}"}}},
      {"two-homes",
       {{"masquerade: {out: wan}", "masquerade: {out: wan, source: 192.168.1.0/24}"},
        {"port: 80, to: 192.168.1.30", "port: 81, to: 192.168.1.30"},
        {"18090:80", "18091:81"},
        {"192.168.1.20/24", "192.168.1.21/24"}}},
      {"bond",
       {{"miimon: 100\n", "miimon: 50\n"},
        {"xmit_hash_policy: layer3+4", "xmit_hash_policy: layer2+3"},
        {"id: 7,", "id: 8,"},
        {"10.16.0.20/24", "10.16.0.21/24"}}},
      {"srv6-l3vpn",
       {{"[\"fc00:9::e\", \"fc00:2::101\"]", "[\"fc00:2::101\"]"},
        {"fc00:1::102", "fc00:1::112"},
        {"iron: {type: vrf, table: 102, members: [iron1]}",
         "iron: {type: vrf, table: 102, members: [iron1], mtu: 1400}"}}},
      {"tunnels",
       {{"ttl: 64, addresses: [10.14.201", "ttl: 32, addresses: [10.14.201"},
        {"type: ipip", "type: gre"},
        {"10.14.1.10/24", "10.14.1.11/24"}}},
      {"vlan-trunk",
       {{"{tagged: [10, 20]}", "{tagged: [10, 20, 30]}"},
        {"port: guest2, vlans: {pvid: 20}", "port: guest2, vlans: {pvid: 10}"},
        {"eth0.20: {type: vlan, link: eth0, id: 20", "eth0.20: {type: vlan, link: eth0, id: 21"}}},
      {"vrf-multi-tenant",
       {{"red: {type: vrf, table: 10, members: [red1, red2]}", "red: {type: vrf, table: 10, members: [red1]}"},
        {"type: unreachable, table: 20", "type: blackhole, table: 20"},
        {"fd00:10:3::1/64", "fd00:10:3::2/64"}}},
      {"vxlan-sites",
       {{"learning: false", "learning: true"},
        {"dst: 192.0.2.1}", "dst: 192.0.2.2}"},
        {"lan2: {node: site2, members: [vx100]}", "lan2: {node: site2, members: [vx100], stp: true}"}}},
      {"wan",
       {{"delay: 20ms, jitter: 2ms", "delay: 30ms, jitter: 2ms"},
        {"    impair:\n      east: {rate: 1mbit, limit: 100, delay: 5ms}\n", "    impair:\n"},
        {"duplicate: 0.1%", "duplicate: 0.2%"}}},
      {"web-service",
       {{"this is web", "this is the web"},
        {"/var/cache/web/index.html; cp", "/var/cache/web/index.html; : edited; cp"},
        {"restart: on-failure", "restart: always"},
        {"192.0.2.30/24", "192.0.2.31/24"}}},
      {"bgp-20",
       {{"forwarding: true", "forwarding: {ipv4: true}"},
        {"10.21.0.{n}/32", "10.21.0.{n}/32\", \"10.21.99.{n}/32"},
        {"timers bgp 10 30", "timers bgp 5 15"},
        {"      bgpd:\n", "      bgp:\n"}}},
      {"bird",
       {{"10.22.1.10/24", "10.22.1.11/24"},
        {"hold time 30", "hold time 20"},
        {"{to: default, via: \"fd00:22:2::1\"}", "{to: default, via: \"fd00:22:2::1\", metric: 7}"}}},
      {"dhcp",
       {{"tmpfs: [/run/udhcpc]", "tmpfs: [/run/udhcpc, /run/more]"},
        {"domain=lan\n", "domain=house\n"},
        {"\"client[1-2]\": {group: client}", "client1: {group: client}"},
        {"client[1-2]:eth0", "client1:eth0"}}},
      {"frr-ospf",
       {{"10.20.{n}.1/24", "10.20.{n}.2/24"},
        {"hello-interval 1", "hello-interval 2"},
        {"      ospfd:\n", "      ospf:\n"}}},
      {"iperf3",
       {{"rate: 8mbit", "rate: 9mbit"}, {"mode: \"0755\"", "mode: \"0700\""}, {"10.25.2.2/24", "10.25.2.3/24"}}},
      {"nginx-nat",
       {{"18085:80", "18086:81"},
        {"port: 80, to: 10.24.0.10}", "port: 81, to: 10.24.0.10}"},
        {"worker_connections 256", "worker_connections 512"},
        {"mtu: 1400", "mtu: 1300"}}},
      {"attach-process", {{"10.9.0.2/24", "10.9.0.3/24"}, {"10.9.0.1/24", "10.9.0.4/24"}}},
      {"ci-job", {{"mtu: \"${MTU:-1400}\"", "mtu: 1300"}, {"192.168.7.2/24", "192.168.7.3/24"}}},
      {"first-lab", {{"10.0.1.2/24", "10.0.1.3/24"}, {"forwarding: true", "forwarding: {ipv6: true}"}}},
      {"physical",
       {{"device: card0,", "device: card2, txqueuelen: 55,"},
        {"mtu: 1350, mac: \"02:00:00:00:08:01\"", "mtu: 1300"},
        {"forwarding: true", "forwarding: {ipv6: true}"},
        {"fd08:11::9/64", "fd08:11::8/64"}}},
      {"everything",
       {{"rp_filter: 2", "rp_filter: 1"},
        {"mtu: 1400", "mtu: 1300"},
        {"tcp dport 7", "tcp dport 9"},
        {"02:00:00:00:00:07", "02:00:00:00:00:08"},
        {"10.5.0.9/24", "10.5.0.8/24"},
        {"priority: 500", "priority: 501"},
        {"  spare:\n", "  fresh:\n"},
        {"stp: true", "stp: false"}}}};
  return edits;
}

std::string Apply(const std::string& name, std::string text) {
  const auto found = Edits().find(name);
  if (found == Edits().end()) {
    ADD_FAILURE() << "no edit of " << name << " in tests/fault/trials.cc";
    return text;
  }
  for (const Replacement& edit : found->second) {
    std::size_t at = text.find(edit.old_text);
    if (at == std::string::npos) ADD_FAILURE() << name << " has no " << edit.old_text;
    for (; at != std::string::npos; at = text.find(edit.old_text, at + edit.new_text.size())) {
      text.replace(at, edit.old_text.size(), edit.new_text);
    }
  }
  return text;
}

/// Daemons that are not ours write into the lab's namespaces when they like: no two states of such a lab are the same.
/// So in their place stands what does nothing, in the same order; the rest is as in the file. Twenty routers tell no
/// more than three.
std::string WithoutOtherDaemons(std::string text) {
  if (text.find("Needs Debian's package") == std::string::npos) return text;
  text.resize(std::min(text.size(), text.find("\ntests:\n") + 1));
  using Rewriting = std::pair<std::regex, const char*>;
  static const std::vector<Rewriting> kRewritings = {
      {std::regex("(\n +| *\\{)command: [^\n]*"), "$1command: sleep infinity"},
      {std::regex("(\n +[^\n]*\\{command: sleep infinity)"), "$1}"},
      {std::regex("\n +healthcheck: [^\n]*"), ""},
      {std::regex("condition: healthy"), "condition: started"},
      {std::regex("r\\[1-20\\]"), "r[1-3]"},
      {std::regex("r\\[2-20,1\\]"), "r[2-3,1]"},
      {std::regex("n\\+18\\)%20"), "n+1)%3"},
      {std::regex("n%20"), "n%3"},
      {std::regex("n/20"), "n/3"}};
  for (const auto& [what, by] : kRewritings) text = std::regex_replace(text, what, by);
  return text;
}

std::map<std::string, fs::path> Files() {
  std::map<std::string, fs::path> files;
  for (const char* folder : {"topologies", "examples", "tests/fault"}) {
    for (const auto& entry : fs::directory_iterator(fs::path(TOPORUN_SOURCE_DIR) / folder)) {
      if (entry.path().extension() != ".yaml") continue;
      files.emplace(entry.path().stem().string(), entry.path());
    }
  }
  return files;
}

/// A process in a network namespace of its own, with something in it that is not the lab's; it ends with the sandbox.
pid_t StartGuest() {
  int ready[2];
  EXPECT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNET) != 0) _exit(1);
    Shell("ip link set lo up; ip link add own type bridge; ip address add 192.0.2.77/32 dev own");
    if (write(ready[1], "r", 1) != 1) _exit(1);
    while (true) pause();
  }
  char byte = 0;
  EXPECT_EQ(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  close(ready[1]);
  return child;
}

/// Cards of the host for a lab that takes them, each used before, in a way of its own.
void MakeCards() {
  Shell(R"(set -e; sysctl -qw net.ipv6.conf.default.accept_dad=0
  for n in 0 1 2; do
    ip link add card$n type veth peer name far$n
    sysctl -qw net.ipv6.conf.far$n.disable_ipv6=1
    ip link set card$n mtu 140$n txqueuelen 7$n alias "the way out"
    ip address add 10.8.1$n.1/24 brd + dev card$n; ip address add fd08:1$n::2/64 dev card$n nodad
    ip link set far$n up
  done
  for n in 0 1; do
    ip link set card$n up
    ip route add 10.66.1$n.0/24 via 10.8.1$n.7 dev card$n metric 5
    ip -6 route add fd66:1$n::/64 via fd08:1$n::7 dev card$n mtu 1300
  done)");
}

}  // namespace

std::vector<std::string> TrialNames() {
  std::vector<std::string> names;
  for (const auto& [name, path] : Files()) names.push_back(name);
  return names;
}

std::vector<std::string> SpecialNeeds(const std::string& name) {
  const auto text = ReadFile(Files().at(name).string());
  EXPECT_TRUE(text.ok());
  const auto says = [&](const std::string& words) { return text.ok() && text->find(words) != std::string::npos; };
  std::vector<std::string> wanted;
  for (const std::string& feature : machine::KernelFeatures()) {
    const std::string word = feature.substr(feature.find(' ') + 1);
    const bool is_link = feature.starts_with("link ") && (says("type: " + word + ",") || says("type: " + word + "\n"));
    const bool is_encap = feature.starts_with("encap ") && says("encap: {" + word + ":");
    const bool is_filter = feature == "VLAN filtering" && says("vlan_filtering: true");
    if (is_link || is_encap || is_filter || (feature == "impairment" && says("impair:"))) wanted.push_back(feature);
  }
  return wanted;
}

std::vector<std::string> Lacking(const std::vector<std::string>& needs) {
  std::vector<std::string> lacking;
  for (const machine::Feature& feature : machine::ProbeNeeds(needs)) {
    if (feature.level == machine::Level::kMissing) lacking.push_back(feature.name);
  }
  return lacking;
}

Trial MakeTrial(const std::string& name) {
  Trial trial{.name = name, .lab = name, .text = {}, .edited = {}, .set = {}};
  const auto text = ReadFile(Files().at(name).string());
  EXPECT_TRUE(text.ok());
  if (!text.ok()) return trial;
  trial.text = WithoutOtherDaemons(*text);
  trial.edited = Apply(name, trial.text);
  if (text->find("${PID") != std::string::npos) setenv("PID", std::to_string(StartGuest()).c_str(), 1);
  if (text->find("type: physical") != std::string::npos) MakeCards();
  // Three tell as much as eight.
  if (name == "star") trial.set = {{"HOSTS", "3"}};
  return trial;
}

}  // namespace runner::test
