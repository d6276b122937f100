#include "topology/inherit.h"

#include "tests/unit/topology/load_support.h"

namespace runner {
namespace {

TEST(Inherit, NodeOverGroupOverDefaults) {
  const Topology topology = Loaded(R"(
defaults:
  forwarding: true
  sysctls: {net.a: 1, net.b: 1, net.c: 1}
  exec: [[one]]
groups:
  g:
    sysctls: {net.b: 2, net.c: 2}
    exec: [[two]]
nodes:
  plain:
  grouped: {group: g}
  own: {group: g, forwarding: false, sysctls: {net.c: 3}}
  none: {group: g, forwarding: null, sysctls: {net.a: null}, exec: null}
)");
  const auto sysctls = [&](const char* name) {
    std::string out;
    for (const Sysctl& sysctl : topology.FindNode(name)->sysctls) out += sysctl.key + "=" + sysctl.value + " ";
    return out;
  };
  EXPECT_EQ(sysctls("plain"), "net.a=1 net.b=1 net.c=1 ");
  EXPECT_EQ(sysctls("grouped"), "net.a=1 net.b=2 net.c=2 ");
  EXPECT_EQ(sysctls("own"), "net.a=1 net.b=2 net.c=3 ");
  EXPECT_EQ(sysctls("none"), "net.b=2 net.c=2 ");
  EXPECT_EQ(topology.FindNode("plain")->exec[0].command[0], "one");
  EXPECT_EQ(topology.FindNode("grouped")->exec.size(), 1U);
  EXPECT_EQ(topology.FindNode("grouped")->exec[0].command[0], "two");
  EXPECT_FALSE(topology.FindNode("own")->forwarding.ipv4->value);
  EXPECT_FALSE(topology.FindNode("none")->forwarding.ipv4);
  EXPECT_TRUE(topology.FindNode("none")->exec.empty());
}

TEST(Inherit, AGroupTakesADefaultAway) {
  const Topology topology =
      Loaded("defaults: {forwarding: true}\ngroups: {g: {forwarding: null}}\nnodes: {a: {group: g}, b: }\n");
  EXPECT_FALSE(topology.nodes[0].forwarding.ipv4);
  EXPECT_TRUE(topology.nodes[1].forwarding.ipv4);
}

TEST(Inherit, AGroupTakesADefaultAwayThatIsOneOfMany) {
  const Topology topology = Loaded(R"(
defaults:
  sysctls: {net.ipv4.ip_default_ttl: 70, net.ipv4.tcp_syncookies: 1}
  hosts: {gone: 192.0.2.1}
  processes: {p: {command: sleep 1}, q: {command: sleep 2}}
groups:
  g:
    sysctls: {net.ipv4.ip_default_ttl: null}
    hosts: {gone: null}
    processes: {p: {restart: always}, q: null}
nodes: {a: {group: g}}
)");
  const Node& node = topology.nodes[0];
  ASSERT_EQ(node.sysctls.size(), 1U);
  EXPECT_EQ(node.sysctls[0].key, "net.ipv4.tcp_syncookies");
  EXPECT_TRUE(node.extra_hosts.empty());
  ASSERT_EQ(node.processes.size(), 1U);
  EXPECT_EQ(node.processes[0].name, "p");
}

TEST(Inherit, AMistakeOfTheDefaultsIsToldOnce) {
  const LoadResult loaded = LoadTopology(
      "defaults: {sysctls: {net.a: }}\ngroups: {g: {sysctls: {net.b: }}, h: {}}\nnodes: {a: {group: g}, b: {group: "
      "h}}\n",
      {.file = "lab.yaml"});
  ASSERT_EQ(loaded.errors.size(), 2U);
  EXPECT_EQ(loaded.errors[0].where, "defaults");
  EXPECT_EQ(loaded.errors[1].where, "group \"g\"");
}

TEST(Inherit, ReplacesWholeWhatIsOneThing) {
  const Topology topology = Loaded(R"(
defaults:
  uplink: {type: slirp, mtu: 9000}
  interfaces:
    d: {type: dummy, mtu: 1300}
    e: {type: dummy, mtu: 1300}
  processes: {p: {command: sleep 1, healthcheck: {tcp: 80, retries: 3}}}
nodes:
  a:
    uplink: {type: slirp}
    interfaces: {d: {type: vrf, table: 10}, e: {txqueuelen: 7}}
    processes: {p: {healthcheck: {udp: 81}, restart: always}}
)");
  const Node& node = topology.nodes[0];
  EXPECT_EQ(node.uplink->mtu, 1500U);
  EXPECT_TRUE(std::holds_alternative<Vrf>(node.interfaces[0].type));
  EXPECT_FALSE(node.interfaces[0].mtu);
  EXPECT_TRUE(std::holds_alternative<Dummy>(node.interfaces[1].type));
  EXPECT_EQ(node.interfaces[1].mtu->value, 1300U);
  EXPECT_EQ(node.interfaces[1].txqueuelen->value, 7U);
  EXPECT_EQ(node.processes[0].command, (Command{"sleep", "1"}));
  EXPECT_EQ(node.processes[0].healthcheck->target, "81");
  EXPECT_EQ(node.processes[0].healthcheck->retries, 25);
}

TEST(Inherit, IgnoresInheritedInterfacesThatTheNodeHasNot) {
  const Topology topology = Loaded(R"(
defaults: {interfaces: {eth0: {mtu: 1400}, eth1: {mtu: 1300}}}
nodes: {a: , b: {interfaces: {lo: {addresses: [10.0.0.1/32]}}}, c: {interfaces: {eth0: null}}}
links: [{endpoints: ["a:eth0", "b:eth1"]}, {endpoints: ["c:eth0", "a:eth2"]}]
)");
  ASSERT_EQ(topology.nodes[0].interfaces.size(), 2U);
  EXPECT_EQ(topology.nodes[0].interfaces[0].mtu->value, 1400U);
  ASSERT_EQ(topology.nodes[1].interfaces.size(), 2U);
  EXPECT_EQ(topology.nodes[1].interfaces[0].name, "eth1");
  EXPECT_EQ(topology.nodes[1].interfaces[0].mtu->value, 1300U);
  EXPECT_FALSE(topology.nodes[2].interfaces[0].mtu);
}

TEST(Inherit, TellsAMistakeOnce) {
  EXPECT_EQ(Told("groups: {g: {forwardin: true}}\n"),
            "1:14: group \"g\": unknown key \"forwardin\" (did you mean \"forwarding\"?)\n");
  EXPECT_EQ(Told("defaults: {sysctls: {net.a: [1]}}\nnodes: {\"h[1-9]\": }\n"),
            "1:29: defaults: \"net.a\" must be a single value, not a list\n");
  EXPECT_EQ(Told("groups: {g: {group: g}, leaf: }\nnodes: {a: {group: laef}}\n"),
            "1:21: group \"g\": a group names no group\n"
            "2:20: node \"a\": group \"laef\" is not declared (did you mean \"leaf\"?)\n");
}

TEST(Inherit, AFragmentMayBeCompletedByTheNode) {
  EXPECT_EQ(Told("defaults: {interfaces: {v: {type: vlan, link: eth0}}}\nnodes: {a: {interfaces: {eth0: {type: dummy}, "
                 "v: {id: 5}}}}\n"),
            "");
  EXPECT_EQ(Told("defaults: {interfaces: {eth0: {type: dummy}, v: {type: vlan, link: eth0}}}\nnodes: {a: , b: }\n"),
            "1:49: interface \"a:v\": \"id\" is missing\n");
}

}  // namespace
}  // namespace runner
