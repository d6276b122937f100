// Whole files: the language's own example, twenty mistakes at once, and what is not told twice.
#include "topology/load.h"

#include <algorithm>
#include <chrono>

#include "base/fd.h"
#include "tests/unit/topology/load_support.h"

namespace runner {
namespace {

constexpr const char* kHome = R"(name: home
nodes:
  laptop:
    interfaces:
      eth0: {addresses: [192.168.1.10/24, "fd00:1::10/64"]}
    routes: [{to: default, via: 192.168.1.1}]
  router:
    forwarding: true
    interfaces:
      lan0: {addresses: [192.168.1.1/24]}
      wan0: {addresses: [203.0.113.2/24]}
    nat:
      - masquerade: {out: wan0}
      - forward: {in: wan0, proto: tcp, port: 8080, to: "192.168.1.10:80"}
    routes: [{to: default, via: 203.0.113.1}]
  isp:
    forwarding: true
    interfaces: {eth0: {addresses: [203.0.113.1/24]}}
    uplink: {type: slirp}
    nat: [{masquerade: {out: tap0}}]
bridges:
  lan:                           # a switch
links:
  - endpoints: ["laptop:eth0", lan]
  - endpoints: ["router:lan0", lan]
  - endpoints: ["router:wan0", "isp:eth0"]
    mtu: 1400
)";

TEST(Load, TakesTheLanguagesExample) {
  const Topology topology = Loaded(kHome);
  EXPECT_EQ(topology.name, "home");
  ASSERT_EQ(topology.nodes.size(), 3U);
  ASSERT_EQ(topology.links.size(), 3U);
  EXPECT_EQ(topology.links[2].id(), "router:wan0--isp:eth0");
  EXPECT_EQ(topology.FindInterface({.kind = Place::Kind::kNode, .name = "isp"}, "eth0")->mtu->value, 1400U);
  EXPECT_TRUE(topology.bridges[0].is_switch());
  EXPECT_EQ(topology.bridges[0].ports.size(), 2U);
  EXPECT_EQ(topology.nodes[2].uplink->cidr->text(), "10.0.2.0/24");
  const auto& forward = std::get<PortForward>(topology.nodes[1].nat[1].rule);
  EXPECT_EQ(forward.to.text(), "192.168.1.10");
  EXPECT_EQ(forward.to_port->first, 80);
  EXPECT_EQ(topology, Loaded(kHome));
}

TEST(Load, TellsTwentyMistakesOfAllLayersInOneRun) {
  EXPECT_EQ(Told(R"(name: Twenty
nodes:
  a:
    interfces: {}
  b:
    interfaces:
      eth0: {addresses: [10.0.0.300/24]}
      waytoolonginterface: {type: dummy}
      v1: {type: vlan, link: eth0, id: 5000}
    forwarding: yes
    routes:
      - {to: 10.1.0.1/16, via: 10.0.0.1}
      - {to: default}
  c:
    group: routr
    interfaces:
      eth0: {mtu: big, addresses: [10.2.0.1/24]}
      eth7: {}
    ports: ["8080"]
  d:
    interfaces: {eth0: {addresses: [10.2.0.1/24]}}
    nat: [{masquerad: {out: eth0}}]
    routes: [{to: 10.9.0.0/16, via: "c:eth9"}, {to: 10.10.0.0/16, via: 192.168.7.1}]
    sysctls: {kernel.hostname: x}
groups:
  router: {forwarding: true}
bridges:
  br0: {node: f, stp: maybe}
links:
  - endpoints: ["c:eth0", "d:eth0"]
  - endpoints: ["c:eth1", "z:eth0"]
)"),
            R"(1:7: "name" must be of the form [a-z0-9][a-z0-9_-]{0,30}, not "Twenty"
4:5: node "a": unknown key "interfces" (did you mean "interfaces"?)
7:26: interface "b:eth0": "addresses" must be an address with its length (ADDR/LEN), not "10.0.0.300/24"
8:7: node "b": interface name "waytoolonginterface" has 19 bytes, the kernel takes at most 15
9:40: interface "b:v1": "id" must be a whole number from 1 to 4094, not "5000"
10:17: node "b": "forwarding" must be true or false, not "yes"; YAML 1.2 has true and false only
12:14: node "b": "to": "10.1.0.1/16" has host bits set; the prefix is 10.1.0.0/16
13:14: node "b": "to: default" needs "via"; without a gateway write 0.0.0.0/0 or ::/0
15:12: node "c": group "routr" is not declared (did you mean "router"?)
17:19: interface "c:eth0": "mtu" must be a whole number from 68 to 65535, not "big"
18:7: interface "c:eth7": no link ends in it and it has no "type" (did you mean "eth1"?)
19:13: node "c": port "8080" is not of the form [HOSTADDR:]HOSTPORT[-END]:PORT[-END][/tcp|udp]
21:37: interface "d:eth0": address 10.2.0.1 is taken on this segment: node "c" has it on "eth0"
  17:36: first here
22:12: node "d": unknown key "masquerad" (did you mean "masquerade"?)
23:37: node "d": "c:eth9": node "c" has no interface "eth9" (did you mean "eth0"?)
23:48: node "d": route to 10.10.0.0/16: gateway 192.168.7.1 is in no network of an interface of this node
24:15: node "d": sysctl "kernel.hostname" does not begin with "net."
28:15: bridge "br0": node "f" is not declared
28:23: bridge "br0": "stp" must be true or false, not "maybe"
31:27: link "c:eth1--z:eth0": node "z" is not declared
)");
}

TEST(Load, TellsNothingThatFollowsFromAMistake) {
  struct Case {
    std::string text;
    std::string told;
  };
  const std::vector<Case> cases = {
      // A misspelt section does not make all its names unknown.
      {"node: {a: , b: }\nlinks: [{endpoints: [\"a:e\", \"b:e\"]}]\n",
       "1:1: unknown key \"node\" (did you mean \"nodes\"?)\n"},
      {"nodes: [a]\nlinks: [{endpoints: [\"a:e\", \"b:e\"]}]\ntests: {t: {from: a, ping: b}}\n",
       "1:8: \"nodes\" must be a map of nodes by name, not a list\n"},
      {"nodes: {a: {interfaces: {e: {addresses: [10.0.0.1/24]}}, routes: [{to: default, via: 10.0.0.2}]}}\nlink: []\n",
       "2:1: unknown key \"link\" (did you mean \"links\"?)\n"},
      // A refused address does not make gateways unreachable.
      {"nodes: {a: {interfaces: {d: {type: dummy, addresses: [10.0.0/24]}}, routes: [{to: default, via: 10.0.0.2}]}}\n",
       "1:55: interface \"a:d\": \"addresses\" must be an address with its length (ADDR/LEN), not \"10.0.0/24\"\n"},
      {"nodes: {a: {interfaces: {d: {type: dummy, adresses: [10.0.0.1/24]}}, routes: [{to: default, via: "
       "10.0.0.2}]}}\n",
       "1:43: interface \"a:d\": unknown key \"adresses\" (did you mean \"addresses\"?)\n"},
      // A refused end leaves the interface at the other end in place.
      {"nodes: {a: {interfaces: {e: {addresses: [10.0.0.1/24]}}, nat: [{masquerade: {out: e}}]}}\nlinks: [{endpoints: "
       "[\"a:e\", \"b:e\"]}]\n",
       "2:29: link \"a:e--b:e\": node \"b\" is not declared\n"},
      // A refused type is not missed.
      {"nodes: {a: {interfaces: {d: {type: dumy}}}}\n",
       "1:36: interface \"a:d\": \"type\" must be one of dummy, vlan, vxlan, macvlan, macvtap, ipvlan, bond, vrf, gre, "
       "gretap, ip6gre, ip6gretap, ipip, sit, ip6tnl, vti, vti6, geneve, macsec, wireguard, tap, tun, physical, not "
       "\"dumy\" (did you mean \"dummy\"?)\n"},
      // A refused uplink is not missed by a published port or by NAT.
      {"nodes: {a: {uplink: {type: slurp}, ports: [\"80:80\"], nat: [{masquerade: {out: tap0}}]}}\n",
       "1:28: node \"a\": \"type\" must be slirp or nat, not \"slurp\" (did you mean \"slirp\"?)\n"},
      {"nodes: {a: {uplnk: {type: slirp}, ports: [\"80:80\"], nat: [{masquerade: {out: tap0}}]}}\n",
       "1:13: node \"a\": unknown key \"uplnk\" (did you mean \"uplink\"?)\n"},
      // An unknown bridge node leaves members and addresses alone.
      {"nodes: {a: }\nbridges: {b: {node: z, addresses: [10.0.0.1/24], members: [eth0]}}\n",
       "2:21: bridge \"b\": node \"z\" is not declared\n"},
  };
  for (const Case& one : cases) EXPECT_EQ(Told(one.text), one.told) << one.text;
}

TEST(Load, FillsInFileLineAndCaret) {
  const LoadResult result = LoadTopology("nodes: {a: {interfces: {}}}\n", TestOptions());
  ASSERT_EQ(result.errors.size(), 1U);
  EXPECT_EQ(result.errors[0].failure, Failure::kTopology);
  EXPECT_EQ(RenderError(result.errors[0], Colour::kOff),
            "lab.yaml:1:13: node \"a\": unknown key \"interfces\" (did you mean \"interfaces\"?)\n"
            "  nodes: {a: {interfces: {}}}\n"
            "              ^~~~~~~~~\n");
}

TEST(Load, ShowsPartOfALongLine) {
  const std::string text =
      "nodes: {a: {exec: [[\"" + std::string(5000, 'x') + "\"]], grup: g}, b: " + std::string(900, ' ') + "}\n";
  const LoadResult result = LoadTopology(text, TestOptions());
  ASSERT_EQ(result.errors.size(), 1U);
  EXPECT_EQ(RenderError(result.errors[0], Colour::kOff),
            "lab.yaml:1:5027: node \"a\": unknown key \"grup\" (did you mean \"group\"?)\n"
            "  " +
                std::string(55, 'x') + "\"]], grup: g}, b: " + std::string(87, ' ') +
                "\n"
                "  " +
                std::string(60, ' ') + "^~~~\n");
}

TEST(Load, NamesTheLabAfterTheFile) {
  const auto name = [](const std::string& file) {
    LoadOptions options;
    options.file = file;
    return Loaded("nodes: {a: }\n", options).name;
  };
  EXPECT_EQ(name("dir/My Lab.v2.yaml"), "my-lab-v2");
  EXPECT_EQ(name("-"), "stdin");
  EXPECT_EQ(name("__x.yaml"), "x");
  LoadOptions options = TestOptions();
  options.name = "other";
  EXPECT_EQ(Loaded("name: lab\n", options).name, "other");
  options.name = "Other";
  EXPECT_EQ(Told("name: lab\n", options), "--name: \"Other\" is not of the form [a-z0-9][a-z0-9_-]{0,30}\n");
}

TEST(Load, IgnoresTheUsersOwnKeys) {
  EXPECT_EQ(Told("x-any: {a: [1, {b: c}]}\nnodes: {a: {x-note: 1, interfaces: {d: {type: dummy, x-y: 2}}}, x-b: }\n"),
            "");
  EXPECT_EQ(Loaded("nodes: {x-b: }\n").nodes[0].name, "x-b");
}

TEST(Load, ReadsFiles) {
  const std::string path = testing::TempDir() + "/load_test.yaml";
  ASSERT_TRUE(ReplaceFile(path, "name: fromfile\n").ok());
  LoadOptions options;
  options.file = path;
  EXPECT_EQ(LoadTopologyFile(options).topology->name, "fromfile");
  options.file = testing::TempDir() + "/no-such-file.yaml";
  const LoadResult missing = LoadTopologyFile(options);
  EXPECT_FALSE(missing.ok());
  ASSERT_EQ(missing.errors.size(), 1U);
  EXPECT_EQ(missing.errors[0].code, ENOENT);
}

TEST(Load, StaysNearLinear) {
  const auto seconds = [](int nodes) {
    std::string text = "nodes:\n";
    for (int i = 0; i < nodes; ++i) {
      text += "  h" + std::to_string(i) + ": {interfaces: {d: {type: dummy, addresses: [10.0.0.1/24]}}}\n";
    }
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(Told(text), "");
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  seconds(100);  // the first run pays for what is loaded lazily
  // Eight times the work; a quadratic step anywhere would make it sixty-four.
  EXPECT_LT(seconds(4000), 32 * seconds(500));
}

}  // namespace
}  // namespace runner
