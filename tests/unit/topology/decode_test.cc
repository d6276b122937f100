// The grammar, section by section: what is read into the model, and the whole text of what is refused.
#include "topology/decode.h"

#include "tests/unit/topology/load_support.h"

namespace runner {
namespace {

/// One mistake in an otherwise right node. `fields` begin at column 13 of line 1.
struct Mistake {
  std::string fields;
  std::string told;
};

void Expect(const std::vector<Mistake>& mistakes) {
  for (const Mistake& mistake : mistakes) {
    EXPECT_EQ(Told("nodes: {a: {" + mistake.fields + "}}\n"), mistake.told + "\n") << mistake.fields;
  }
}

TEST(Decode, Interfaces) {
  const Topology topology = Loaded(R"(
nodes:
  a:
    interfaces:
      e: {type: dummy, txqueuelen: 5, ipv6: false, state: down, mac: "02:00:00:00:00:07"}
      f: {type: dummy, addresses: [{address: 10.1.0.1/24, scope: link, preferred: 100}, {address: 10.2.0.1, peer: 10.2.0.2}, {address: "fd00::1/64", dad: true, preferred: forever}]}
      v: {type: vlan, link: e, id: 5, protocol: 802.1ad}
      x: {type: vxlan, id: 7, remote: 10.1.0.2, dev: f, learning: false, fdb: [{mac: "00:00:00:00:00:00", dst: 10.1.0.3}]}
      m: {type: macvtap, link: "host:eth0", mode: vepa}
      i: {type: ipvlan, link: f}
      b: {type: bond, members: [e], mode: 802.3ad, miimon: 100, lacp_rate: fast}
      r: {type: vrf, table: 10, members: [f]}
      g: {type: ip6gre, local: "fd00::1", remote: "fd00::2", key: 5, ttl: 64}
      w: {type: wireguard, auto: true, peers: [{public_key: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", endpoint: "10.1.0.2:51820", allowed_ips: [10.0.0.0/8, 10.9.9.9]}]}
      t: {type: tun, user: root}
      p: {type: physical, device: eth9}
)");
  const std::vector<Interface>& i = topology.nodes[0].interfaces;
  EXPECT_FALSE(i[0].is_up());
  EXPECT_FALSE(i[0].has_ipv6());
  EXPECT_EQ(i[0].mac->value.text(), "02:00:00:00:00:07");
  EXPECT_EQ(i[1].addresses[0].scope, Scope::kLink);
  EXPECT_EQ(i[1].addresses[0].preferred, 100U);
  EXPECT_EQ(i[1].addresses[1].prefix.text(), "10.2.0.1/32");
  EXPECT_EQ(i[1].addresses[1].peer->text(), "10.2.0.2/32");
  EXPECT_TRUE(i[1].addresses[2].dad);
  EXPECT_FALSE(i[1].addresses[2].preferred);
  EXPECT_EQ(std::get<Vlan>(i[2].type), (Vlan{.link = {.name = "e"}, .id = 5, .service = true}));
  const auto& vxlan = std::get<Vxlan>(i[3].type);
  EXPECT_EQ(vxlan.id, 7U);
  EXPECT_FALSE(vxlan.learning);
  EXPECT_EQ(vxlan.fdb[0].dst.text(), "10.1.0.3");
  EXPECT_EQ(std::get<Macvlan>(i[4].type),
            (Macvlan{.link = {.on_host = true, .name = "eth0"}, .mode = "vepa", .tap = true}));
  EXPECT_EQ(std::get<Ipvlan>(i[5].type).mode, "l2");
  EXPECT_EQ(std::get<Bond>(i[6].type).options.at("lacp_rate"), "fast");
  EXPECT_EQ(std::get<Bond>(i[6].type).members[0].value, "e");
  EXPECT_EQ(std::get<Vrf>(i[7].type).table, 10U);
  EXPECT_EQ(std::get<Tunnel>(i[8].type).kind, "ip6gre");
  EXPECT_EQ(std::get<Tunnel>(i[8].type).ttl, 64);
  EXPECT_EQ(std::get<Wireguard>(i[9].type).peers[0].allowed_ips[1].text(), "10.9.9.9/32");
  EXPECT_TRUE(std::get<Tap>(i[10].type).tun);
  EXPECT_EQ(std::get<Physical>(i[11].type).device, "eth9");
}

TEST(Decode, RefusesInInterfaces) {
  Expect({
      {"interfaces: [a]", "1:25: node \"a\": \"interfaces\" must be a map of interfaces by name, not a list"},
      {"interfaces: {a/b: {type: dummy}}", "1:26: node \"a\": interface name \"a/b\" holds a blank, `/`, `:` or `%`"},
      {"interfaces: {all: {type: dummy}}",
       "1:26: node \"a\": interface name \"all\" means something else to the kernel"},
      {"interfaces: {d: {type: dummy, id: 5}}", "1:43: interface \"a:d\": unknown key \"id\""},
      {"interfaces: {d: {type: dummy, mtu: 60}}",
       "1:48: interface \"a:d\": \"mtu\" must be a whole number from 68 to 65535, not \"60\""},
      {"interfaces: {d: {type: dummy, mtu: \"1400\"}}",
       "1:48: interface \"a:d\": \"mtu\" must be a whole number from 68 to 65535, not \"1400\"; in quotes it is a "
       "string"},
      {"interfaces: {d: {type: dummy, state: off}}",
       "1:50: interface \"a:d\": \"state\" must be up or down, not \"off\""},
      {"interfaces: {d: {type: dummy, mac: \"02:00:00:00:00\"}}",
       "1:48: interface \"a:d\": \"mac\" must be a MAC address (02:00:00:00:00:01), not \"02:00:00:00:00\""},
      {"interfaces: {d: {type: dummy, mac: \"01:00:00:00:00:01\"}}",
       "1:48: interface \"a:d\": \"mac\": \"01:00:00:00:00:01\" is a group address, which no interface may have"},
      {"interfaces: {d: {type: dummy, addresses: [10.0.0.1]}}",
       "1:55: interface \"a:d\": \"addresses\" must be an address with its length (ADDR/LEN), not \"10.0.0.1\"; its "
       "length is missing, as in 10.0.0.1/24"},
      {"interfaces: {d: {type: dummy, addresses: 10.0.0.1/24}}",
       "1:54: interface \"a:d\": \"addresses\" must be a list, not \"10.0.0.1/24\""},
      {"interfaces: {d: {type: dummy, addresses: [224.0.0.1/24]}}",
       "1:55: interface \"a:d\": \"224.0.0.1/24\" is no address that an interface may have"},
      {"interfaces: {d: {type: dummy, impair: {delay: 20}}}",
       "1:59: interface \"a:d\": \"delay\" must be a time with its unit (20ms, 1.5s, 2m), not \"20\""},
      {"interfaces: {d: {type: dummy, impair: {loss: 101%}}}",
       "1:58: interface \"a:d\": \"loss\" must be a share from 0% to 100%, with its unit (1.5%), not \"101%\""},
      {"interfaces: {d: {type: dummy, impair: {rate: 10mb}}}",
       "1:58: interface \"a:d\": \"rate\" must be a rate with its unit (10mbit, 1gbit), not \"10mb\""},
      {"interfaces: {d: {type: dummy, impair: {jitter: 1ms}}}",
       "1:60: interface \"a:d\": \"jitter\" needs a \"delay\""},
      {"interfaces: {e: {type: dummy}, v: {type: vlan, link: e}}", "1:47: interface \"a:v\": \"id\" is missing"},
      {"interfaces: {e: {type: dummy}, v: {type: vlan, link: e, id: 0}}",
       "1:73: interface \"a:v\": \"id\" must be a whole number from 1 to 4094, not \"0\""},
      {"interfaces: {g: {type: gre, local: \"fd00::1\"}}",
       "1:48: interface \"a:g\": \"local\" must be an IPv4 address for gre, not \"fd00::1\""},
  });
}

TEST(Decode, RoutesAndRules) {
  const Topology topology = Loaded(R"(
nodes:
  a:
    interfaces: {d: {type: dummy, addresses: [10.0.0.1/24, "fd00::1/64"]}}
    routes:
      - {to: default, via: 10.0.0.2, metric: 5, table: 100, from: 10.0.0.1, mtu: 1400}
      - {to: 10.6.0.9, type: unreachable}
      - {to: 10.8.0.0/16, via: 10.0.0.3, encap: {mpls: [100, 200]}}
      - {to: "fd01::/64", dev: d, encap: {seg6: {mode: inline, segs: ["fd02::1"]}}}
      - {to: "fd03::/64", dev: d, encap: {seg6local: {action: End.DX4, nh4: 10.0.0.2}}}
      - {to: {mpls: 100}, via: 10.0.0.4, as: [200, 300]}
      - {to: {mpls: 101}, nexthops: [{via: 10.0.0.4, as: [201]}, {via: "fd00::4"}]}
    rules:
      - {from: 10.0.0.0/8, table: 10}
      - {fwmark: 0x1/0xff, table: main, priority: 5}
      - {iif: d, action: prohibit, family: ipv6}
    neighbours:
      - {to: 10.0.0.9, mac: "02:00:00:00:00:09", dev: d}
      - {to: 10.0.0.8, proxy: true, dev: d}
)");
  const Node& node = topology.nodes[0];
  EXPECT_TRUE(node.routes[0].to.is_default());
  EXPECT_EQ(node.routes[0].table, 100U);
  EXPECT_EQ(node.routes[0].from->text(), "10.0.0.1");
  EXPECT_EQ(node.routes[1].to.text(), "10.6.0.9/32");
  EXPECT_EQ(node.routes[1].type, RouteType::kUnreachable);
  EXPECT_EQ(std::get<MplsEncap>(*node.routes[2].encap).labels, (std::vector<std::uint32_t>{100, 200}));
  EXPECT_TRUE(std::get<Seg6Encap>(*node.routes[3].encap).inline_mode);
  EXPECT_EQ(std::get<Seg6LocalEncap>(*node.routes[4].encap).parameters.at("nh4"), "10.0.0.2");
  EXPECT_EQ(node.routes[5].label, 100U);
  EXPECT_EQ(node.routes[5].as, (std::vector<std::uint32_t>{200, 300}));
  EXPECT_EQ(node.routes[6].nexthops[0].as, std::vector<std::uint32_t>{201});
  std::string rules;
  for (const Rule& rule : node.rules) {
    rules += std::string(FamilyName(rule.family)) + " " + std::to_string(rule.priority) + " " +
             std::to_string(rule.table.value_or(0)) + " " + std::to_string(rule.fwmark.value_or(0)) + "/" +
             std::to_string(rule.fwmask.value_or(0)) + "\n";
  }
  EXPECT_EQ(rules, "ipv4 1000 10 0/0\nipv4 5 254 1/255\nipv6 5 254 1/255\nipv6 1001 0 0/0\n");
  EXPECT_TRUE(node.neighbours[1].proxy);
  EXPECT_FALSE(node.neighbours[1].mac);
}

TEST(Decode, RefusesInRoutesAndRules) {
  Expect({
      {"routes: [{to: 10.0.0.1/8, type: blackhole}]",
       "1:27: node \"a\": \"to\": \"10.0.0.1/8\" has host bits set; the prefix is 10.0.0.0/8"},
      {"routes: [{via: 10.0.0.1}]", "1:22: node \"a\": \"to\" is missing"},
      {"routes: [{to: 10.0.0.0/8}]",
       "1:22: node \"a\": a route needs \"via\", \"dev\" or \"nexthops\", or a \"type\" that leads nowhere"},
      {"routes: [{to: defalt, via: 10.0.0.1}]", "1:27: node \"a\": \"to\" must be a prefix (ADDR/LEN), not \"defalt\""},
      {"routes: [{to: 10.0.0.0/8, type: blackhole, table: nain}]",
       "1:63: node \"a\": \"table\" must be a number from 1, main, local or default, not \"nain\""},
      {"routes: [{to: 10.0.0.0/8, type: blackhole, encap: {mpls: [1048576]}}]",
       "1:71: node \"a\": \"mpls\" must be a whole number from 0 to 1048575, not \"1048576\""},
      {"routes: [{to: {mpls: 15}, dev: lo}]",
       "1:34: node \"a\": \"mpls\" must be a whole number from 16 to 1048575, not \"15\""},
      {"routes: [{to: {mpls: 16}, nexthops: [{via: 10.0.0.1, weight: 2}, {via: 10.0.0.2}]}]",
       "1:74: node \"a\": next hops of a label have no \"weight\": the kernel shares evenly"},
      {"routes: [{to: {mpls: 16}, dev: lo, metric: 5}]", "1:56: node \"a\": a route for a label has no \"metric\""},
      {"routes: [{to: {mpls: 16}}]",
       "1:22: node \"a\": a route needs \"via\", \"dev\" or \"nexthops\", or a \"type\" that leads nowhere"},
      {"routes: [{to: 10.0.0.0/8, dev: lo, as: [16]}]",
       "1:52: node \"a\": \"as\" goes with a label only: `to: {mpls: LABEL}`"},
      {"routes: [{to: 10.0.0.0/8, nexthops: []}]", "1:49: node \"a\": \"nexthops\" is empty"},
      {"rules: [{from: 10.0.0.0/8}]", "1:21: node \"a\": a rule needs a \"table\", or an \"action\" other than lookup"},
      {"rules: [{from: 10.0.0.0/8, to: \"fd00::/8\", table: 5}]",
       "1:44: node \"a\": \"from\" and \"to\" are of different families"},
      {"rules: [{fwmark: x, table: 5}]",
       "1:30: node \"a\": \"fwmark\" must be a whole number from 0 to 4294967295, not \"x\""},
      {"neighbours: [{to: 10.0.0.1, dev: lo}]", "1:26: node \"a\": a neighbour needs \"mac\", or \"proxy: true\""},
  });
}

TEST(Decode, RefusesInNatUplinkAndPorts) {
  Expect({
      {"nat: [{forward: {proto: tcp, port: 80-82, to: \"10.0.0.1:90-91\"}}]",
       "1:59: node \"a\": \"to\" has 2 ports, \"port\" has 3"},
      {"nat: [{forward: {proto: icmp, port: 80, to: 10.0.0.1}}]",
       "1:37: node \"a\": \"proto\" must be tcp or udp, not \"icmp\""},
      {"nat: [{forward: {proto: tcp, port: 80, to: \"10.0.0.1:0\"}}]",
       "1:56: node \"a\": \"to\" must be ADDR, ADDR:PORT or [ADDR6]:PORT, not \"10.0.0.1:0\""},
      {"nat: [{masquerade: {source: 10.0.0.0/8}}]", "1:32: node \"a\": \"out\" is missing"},
      {"nat: [{}]", "1:19: node \"a\": an entry of \"nat\" must be one of masquerade, snat, forward"},
      {"nat: [masquerade]", "1:19: node \"a\": \"nat\" must be a map, not \"masquerade\""},
      {"uplink: {mtu: 1500}", "1:21: node \"a\": \"type\" is missing"},
      {"uplink: {type: slirp, cidr: 10.0.2.1/24}",
       "1:41: node \"a\": \"cidr\": \"10.0.2.1/24\" has host bits set; the prefix is 10.0.2.0/24"},
      {"uplink: {type: slirp, cidr: 10.0.2.0/26}",
       "1:41: node \"a\": \"cidr\" must be an IPv4 prefix of length 1 to 25, not \"10.0.2.0/26\""},
      {"uplink: {type: slirp, ipv6: yes}", "1:41: node \"a\": \"ipv6\" must be a prefix (ADDR/LEN), not \"yes\""},
      {"uplink: {type: slirp}, ports: [\"80:80/sctp\"]",
       "1:44: node \"a\": port \"80:80/sctp\" is not of the form [HOSTADDR:]HOSTPORT[-END]:PORT[-END][/tcp|udp]"},
      {"uplink: {type: slirp}, ports: [\"80-90:80\"]", "1:44: node \"a\": 11 ports of the host for 1 of the node"},
      {"uplink: {type: slirp}, ports: [{host: 70000, port: 1}]",
       "1:51: node \"a\": \"host\" must be a port from 1 to 65535 or a range (8000-8010), not \"70000\""},
  });
}

TEST(Decode, UplinkDefaults) {
  const Topology topology = Loaded(
      "nodes: {a: {uplink: {type: slirp, ipv6: true}}, b: {uplink: {type: nat, from: a, outbound_address: eth0}}}\n");
  const Uplink& slirp = *topology.nodes[0].uplink;
  EXPECT_EQ(slirp.interface, "tap0");
  EXPECT_EQ(slirp.cidr->text(), "10.0.2.0/24");
  EXPECT_EQ(slirp.ipv6->text(), "fd00::/64");
  const Uplink& nat = *topology.nodes[1].uplink;
  EXPECT_EQ(nat.interface, "uplink0");
  EXPECT_FALSE(nat.cidr);
  EXPECT_EQ(nat.from.name, "a");
  EXPECT_EQ(nat.outbound_address, (std::vector<std::string>{"eth0"}));
}

TEST(Decode, ProcessesAndFiles) {
  const Topology topology = Loaded(R"(
nodes:
  a:
    processes:
      web:
        command: "sh -c 'sleep 5'"
        environment: {A: 1, B: }
        depends_on: {b/db: {condition: healthy}}
        healthcheck: {http: "http://localhost/", interval: 1.5s, retries: 3}
        restart: on-failure
        stop_grace_period: 2m
    files: {/etc/x: {content: "y", mode: 0600}, /etc/z: {source: z.conf}}
    binds: ["/tmp:/mnt:ro"]
    tmpfs: [/run/frr]
    attach: {path: /run/netns/x}
  b: {processes: {db: {command: [sleep, 5], healthcheck: {tcp: 5432}}}}
)");
  const Process& web = topology.nodes[0].processes[0];
  EXPECT_EQ(web.command, (Command{"sh", "-c", "sleep 5"}));
  EXPECT_EQ(web.environment.at("A"), "1");
  EXPECT_EQ(web.depends_on[0].process, "db");
  EXPECT_EQ(web.depends_on[0].condition, Dependency::Condition::kHealthy);
  EXPECT_EQ(web.healthcheck->interval_ms, 1500);
  EXPECT_EQ(web.stop_grace_period_ms, 120'000);
  EXPECT_EQ(web.restart, Process::Restart::kOnFailure);
  EXPECT_EQ(topology.nodes[1].processes[0].command, (Command{"sleep", "5"}));
  EXPECT_EQ(topology.nodes[0].files[0].mode, 0600U);
  EXPECT_EQ(topology.nodes[0].files[1].source, "z.conf");
  EXPECT_TRUE(topology.nodes[0].binds[0].read_only);
  EXPECT_EQ(std::get<Attach::Path>(topology.nodes[0].attach->to).path, "/run/netns/x");
}

TEST(Decode, RefusesInTheRestOfANode) {
  Expect({
      {"forwarding: {ipv5: true}", "1:26: node \"a\": unknown key \"ipv5\" (did you mean \"ipv4\"?)"},
      {"sysctls: {vm.swappiness: 1}", "1:23: node \"a\": sysctl \"vm.swappiness\" does not begin with \"net.\""},
      {"exec: [\"echo 'a\"]", "1:20: node \"a\": \"exec\": a quote is not closed in \"echo 'a\""},
      {"exec: [[]]", "1:20: node \"a\": \"exec\" must be a command: a list of words or a string, not a list"},
      {"hosts: maybe", "1:20: node \"a\": \"hosts\" must be true, false or a map of names to addresses, not \"maybe\""},
      {"dns: {nameserver: [1.1.1.1]}", "1:19: node \"a\": unknown key \"nameserver\" (did you mean \"nameservers\"?)"},
      {"attach: {pid: 1, path: /x}", "1:21: node \"a\": \"attach\" has exactly one of pid, path, container"},
      {"attach: {path: x}", "1:28: node \"a\": \"path\" must be an absolute path, not \"x\""},
      {"processes: {p: {restart: always}}", "1:28: process \"a/p\": \"command\" is missing"},
      {"processes: {p: {command: x, healthcheck: {tcp: 80, udp: 80}}}",
       "1:54: process \"a/p\": a healthcheck has exactly one of test, tcp, udp, http, file, log"},
      {"processes: {p: {command: x, stop_signal: TERM}}",
       "1:54: process \"a/p\": \"stop_signal\" must be a signal's name (SIGTERM), not \"TERM\""},
      {"files: {/x: {content: a, source: b}}", "1:21: node \"a\": file \"/x\" has either \"content\" or \"source\""},
      {"files: {/x: {content: a, mode: \"999\"}}",
       "1:44: node \"a\": \"mode\" must be an octal mode (0644), not \"999\""},
      {"binds: [/x]", "1:21: node \"a\": \"binds\" must be HOSTPATH:PATH[:ro], not \"/x\""},
      {"nftables: 5", "1:23: node \"a\": \"nftables\" must be text, not \"5\"; put it in quotes"},
  });
}

TEST(Decode, Names) {
  EXPECT_EQ(Told("nodes: {host: , a.b: , _x: }\n"),
            "1:9: node \"host\": the name \"host\" is reserved\n"
            "1:17: node \"a.b\": a name has letters, digits, `_` and `-`, and begins with a letter or digit\n"
            "1:24: node \"_x\": a name has letters, digits, `_` and `-`, and begins with a letter or digit\n");
  EXPECT_EQ(Told("bridges: {averyveryverylong: }\n"),
            "1:11: bridge \"averyveryverylong\": the name has 17 bytes, 15 are allowed\n");
  EXPECT_EQ(Told("name: 5\n"), "1:7: \"name\" must be text, not \"5\"; put it in quotes\n");
}

TEST(Decode, Tests) {
  const Topology topology = Loaded(R"(
nodes: {a: {processes: {p: {command: x}}}, b: }
links: [{endpoints: ["a:e", "b:e"], prefix: 10.0.0.0/30}]
tests:
  one: {from: a, path: b, count: 3, family: ipv4, within: 10s, expect: {mtu: "<= 1500", via: [a, b]}}
  two:
    steps:
      - {from: outside, tcp: "127.0.0.1:80", expect: unreachable}
      - {link: "a:e", set: down}
      - {link: "a:e", set: {delay: 5ms}}
      - {node: b, set: up}
      - {process: a/p, set: killed}
      - {wait: 1.5s}
      - {from: b, run: [ip, -j], expect: {stdout: {json: {a: [1, true, null]}}, status: 0}}
)");
  const auto& one = std::get<Check>(topology.tests[0].steps[0]);
  EXPECT_EQ(one.kind, "path");
  EXPECT_EQ(one.within_ms, 10'000);
  EXPECT_EQ(one.family, Family::kIpv4);
  EXPECT_EQ(one.expect.measured.at("via"), "a,b");
  const auto& steps = topology.tests[1].steps;
  ASSERT_EQ(steps.size(), 7U);
  EXPECT_EQ(std::get<Check>(steps[0]).expect.kind, Expectation::Kind::kUnreachable);
  EXPECT_EQ(std::get<bool>(std::get<LinkChange>(steps[1]).set), false);
  EXPECT_EQ(std::get<Impairment>(std::get<LinkChange>(steps[2]).set).delay_ns, 5'000'000);
  EXPECT_EQ(std::get<ProcessChange>(steps[4]).set, "killed");
  EXPECT_EQ(std::get<Wait>(steps[5]).ms, 1500);
  EXPECT_EQ(std::get<Check>(steps[6]).expect.measured.at("stdout.json"), R"({"a":[1,true,null]})");

  EXPECT_EQ(Told("tests: {t: {from: outside}}\n"),
            "1:12: test \"t\": a check has exactly one of ping, tcp, udp, http, dns, run, route, path, throughput\n");
  EXPECT_EQ(Told("tests: {t: {from: outside, tcp: web}}\n"),
            "1:33: test \"t\": \"tcp\" must be HOST:PORT, not \"web\"\n");
  EXPECT_EQ(Told("tests: {t: {from: outside, ping: a, expect: rechable}}\n"),
            "1:45: test \"t\": \"expect\" must be reachable or unreachable, not \"rechable\" (did you mean "
            "\"reachable\"?)\n");
  EXPECT_EQ(Told("tests: {t: {steps: [{link: x, set: down}]}}\n"),
            "1:28: test \"t\": \"link\" must be NODE:IFNAME, not \"x\"\n");
}

}  // namespace
}  // namespace runner
