// Ends of links, handed out addresses, references, published ports.
#include "topology/resolve.h"

#include <algorithm>
#include <set>

#include "tests/unit/topology/load_support.h"

namespace runner {
namespace {

const Place kHost{.kind = Place::Kind::kHost, .name = {}};
Place InNode(const std::string& name) { return {.kind = Place::Kind::kNode, .name = name}; }

TEST(Links, EndInEveryForm) {
  const Topology topology = Loaded(R"(
nodes: {a: , b: }
bridges: {sw: , br: {node: b}, hb: {node: host}}
links:
  - endpoints: ["a:e0", "b:e0"]
  - endpoints: ["a:e1", sw]
  - endpoints: ["a:e2", "sw:p2"]
  - endpoints: ["a:e3", br]
  - endpoints: ["a:e4", host]
  - endpoints: ["a:e5", "host:veth5"]
  - endpoints: ["a:e6", hb]
  - endpoints: [{node: a, interface: e7, mtu: 1400}, {bridge: br, port: p7}]
  - endpoints: [sw, br]
)");
  ASSERT_EQ(topology.links.size(), 9U);
  EXPECT_EQ(topology.links[0].id(), "a:e0--b:e0");
  EXPECT_EQ(topology.links[1].b.place.kind, Place::Kind::kSwitch);
  EXPECT_EQ(topology.links[1].b.bridge, "sw");
  EXPECT_EQ(topology.links[2].b.text(), "sw:p2");
  EXPECT_EQ(topology.links[3].b.place, InNode("b"));
  EXPECT_EQ(topology.links[3].b.bridge, "br");
  EXPECT_EQ(topology.links[4].b.place, kHost);
  EXPECT_EQ(topology.links[4].b.bridge, "");
  EXPECT_EQ(topology.links[5].b.text(), "host:veth5");
  EXPECT_EQ(topology.links[6].b.place, kHost);
  EXPECT_EQ(topology.links[6].b.bridge, "hb");
  EXPECT_EQ(topology.links[7].id(), "a:e7--b:p7");
  EXPECT_EQ(topology.nodes[0].interfaces.size(), 8U);
  EXPECT_EQ(topology.FindNode("b")->interfaces.size(), 4U);  // e0, and three ports of br
  EXPECT_EQ(topology.FindBridge("sw")->ports.size(), 3U);
  EXPECT_EQ(topology.host_interfaces.size(), 3U);
  EXPECT_EQ(topology.FindInterface(InNode("a"), "e7")->mtu->value, 1400U);
  for (const Link& link : topology.links) {
    for (const LinkEnd* end : {&link.a, &link.b}) {
      EXPECT_LE(end->interface.size(), 15U);
      const Interface* interface = topology.FindInterface(end->place, end->interface);
      ASSERT_NE(interface, nullptr) << end->text();
      EXPECT_TRUE(interface->mac.has_value()) << end->text();
    }
  }
}

TEST(Links, NamesOfPortsDependOnTheCableAlone) {
  const auto port = [](const std::string& text, std::size_t link) { return Loaded(text).links[link].b.interface; };
  const std::string one = "nodes: {a: , b: }\nbridges: {sw: }\nlinks:\n  - endpoints: [\"a:e\", sw]\n";
  const std::string name = port(one, 0);
  EXPECT_EQ(
      name,
      port("nodes: {a: , b: }\nbridges: {sw: }\nlinks:\n  - endpoints: [\"b:e\", sw]\n  - endpoints: [\"a:e\", sw]\n",
           1));
  EXPECT_NE(name, port("name: other\n" + one, 0));
  EXPECT_NE(name, port(one + "  - endpoints: [\"b:e\", sw]\n", 1));
  // Equal cables are told apart by their number.
  const Topology twice =
      Loaded("bridges: {s: , t: }\nlinks: [{endpoints: [s, t]}, {endpoints: [s, t]}, {endpoints: [s, s]}]\n");
  std::set<std::string> names;
  for (const Link& link : twice.links) names.insert({link.a.interface, link.b.interface});
  EXPECT_EQ(names.size(), 6U);
}

TEST(Links, SettingsGoToTheEndsAndTheNarrowerWins) {
  const Topology topology = Loaded(R"(
nodes:
  a: {interfaces: {e: {mtu: 1300, impair: {loss: 1%}}}}
  b:
  c:
links:
  - endpoints: ["a:e", {node: b, interface: e, addresses: [10.0.0.2/24], mac: "02:00:00:00:00:09"}]
    mtu: 1500
    state: down
    impair: {delay: 20ms, jitter: 1.5ms}
  - endpoints: ["b:f", "c:f"]
    impair: {b: {rate: 10mbit}, "c:f": {loss: 2.5%}}
)");
  const Interface* a = topology.FindInterface(InNode("a"), "e");
  const Interface* b = topology.FindInterface(InNode("b"), "e");
  EXPECT_EQ(a->mtu->value, 1300U);
  EXPECT_EQ(b->mtu->value, 1500U);
  EXPECT_FALSE(a->is_up());
  EXPECT_EQ(a->impair->loss, 1.0);
  EXPECT_FALSE(a->impair->delay_ns);  // taken whole
  EXPECT_EQ(b->impair->delay_ns, 20'000'000);
  EXPECT_EQ(b->impair->jitter_ns, 1'500'000);
  EXPECT_EQ(b->mac->value.text(), "02:00:00:00:00:09");
  EXPECT_EQ(Addresses(b), "10.0.0.2/24");
  EXPECT_EQ(topology.FindInterface(InNode("b"), "f")->impair->rate_bits, 10'000'000U);
  EXPECT_EQ(topology.FindInterface(InNode("c"), "f")->impair->loss, 2.5);
}

TEST(Links, TellWhatIsWrong) {
  struct Case {
    std::string links;
    std::string told;
  };
  const std::string nodes =
      "nodes: {r1: {interfaces: {e: {mtu: 1400}, d: {type: dummy}}}, r2: }\nbridges: {lan: , br: {node: r1}}\n";
  // Where the one link does not end in r1:e, that is a mistake of its own.
  const std::string alone = "1:27: interface \"r1:e\": no link ends in it and it has no \"type\"\n";
  const std::vector<Case> cases = {
      {"[{endpoints: [\"r1:e\", \"r3:e\"]}]",
       "3:30: link \"r1:e--r3:e\": node \"r3\" is not declared (did you mean \"r1\"?)\n"},
      {"[{endpoints: [\"r1:e\", lna]}]",
       "3:30: link \"r1:e--lna\": bridge \"lna\" is not declared (did you mean \"lan\"?)\n"},
      {"[{endpoints: [\"r1:e\", r2]}]",
       "3:30: link \"r1:e--r2\": the end at node \"r2\" needs an interface: \"r2:IFNAME\"\n"},
      {"[{endpoints: [\"r1:br\", \"r2:e\"]}]", alone + "3:22: link \"r1:br--r2:e\": \"br\" is a bridge: a link ends in "
                                                       "it by its name alone, \"br\"\n  2:18: the bridge\n"},
      {"[{endpoints: [{node: lan, interface: x}, \"r2:e\"]}]",
       alone + "3:29: link \"lan:x--r2:e\": \"lan\" is a bridge: write \"bridge\" instead of \"node\"\n"},
      {"[{endpoints: [\"r1:d\", \"r2:e\"]}]", alone + "3:22: link \"r1:d--r2:e\": interface \"r1:d\" is made by its "
                                                      "\"type\": no link can end in it\n  1:53: its type\n"},
      {"[{endpoints: [{node: r1, interface: e, mtu: 1300}, \"r2:e\"]}]",
       "3:52: link \"r1:e--r2:e\": \"mtu\" is given at the end and at its interface \"r1:e\"\n  1:36: at the "
       "interface\n"},
      {"[{endpoints: [{node: r1, interface: e, routes: [{to: 10.0.0.0/8, dev: e}]}, \"r2:e\"]}]",
       "3:55: link \"r1:e--r2:e\": \"routes\" go with an end at the host; a node has its own\n"},
      {"[{endpoints: [\"r1:e\", \"r2:e\"], impair: {r3: {loss: 1%}}}]",
       "3:48: link \"r1:e--r2:e\": \"impair\": \"r3\" is no end of this link (did you mean \"r1\"?)\n"},
      {"[{endpoints: [\"r1:e\", \"r2:e\"], type: vteh}]",
       "3:45: link \"r1:e--r2:e\": \"type\" must be \"veth\", not \"vteh\" (did you mean \"veth\"?)\n"},
      {"[{endpoints: [\"r1:e\"]}]", "3:21: link: a link has two endpoints, not 1\n"},
      {"[{endpont: [\"r1:e\", \"r2:e\"]}]", "3:10: link: unknown key \"endpont\" (did you mean \"endpoints\"?)\n"},
      {"[[\"r1:e\", \"r2:e\"]]", "3:9: link: \"links\" must be a map, not a list\n"},
      {"[{endpoints: [\"r1:e:f\", \"r2:e\"]}]",
       "3:22: link \"r1:e:f--r2:e\": interface name \"e:f\" holds a blank, `/`, `:` or `%`\n"},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(Told(nodes + "links: " + one.links + "\n"), one.told) << one.links;
  }
}

TEST(Handout, GivesTheNextFreeAddressInLinkOrder) {
  const Topology topology = Loaded(R"(
nodes:
  a:
  b: {interfaces: {e: {addresses: [10.0.0.2/24]}}}
  c: {interfaces: {e: {ipv6: false}}}
  r:
bridges:
  sw: {prefix: [10.0.0.0/24, "fd00::/64"]}
  br: {node: r, prefix: 10.1.0.0/24, members: [m]}
links:
  - endpoints: ["a:e", sw]
  - endpoints: ["b:e", sw]
  - endpoints: ["c:e", sw]
  - endpoints: ["a:f", br]
  - endpoints: ["b:f", "r:m"]
  - endpoints: ["a:g", "b:g"]
    prefix: 10.2.0.0/31
  - endpoints: ["a:h", "b:h"]
    prefix: 10.2.1.0/30
  - endpoints: ["a:i", "b:i"]
    prefix: "fd00:9::/127"
  - endpoints: ["a:j", "host:j"]
    prefix: 10.3.0.0/24
)");
  EXPECT_EQ(AddressesOf(topology, "a", "e"), "10.0.0.1/24 fd00::1/64");
  EXPECT_EQ(AddressesOf(topology, "b", "e"), "10.0.0.2/24 fd00::2/64");
  EXPECT_EQ(AddressesOf(topology, "c", "e"), "10.0.0.3/24");
  EXPECT_EQ(AddressesOf(topology, "r", "br"), "10.1.0.1/24");
  EXPECT_EQ(AddressesOf(topology, "a", "f"), "10.1.0.2/24");
  EXPECT_EQ(AddressesOf(topology, "b", "f"), "10.1.0.3/24");
  EXPECT_EQ(AddressesOf(topology, "r", "m"), "");
  EXPECT_EQ(AddressesOf(topology, "a", "g"), "10.2.0.0/31");
  EXPECT_EQ(AddressesOf(topology, "b", "g"), "10.2.0.1/31");
  EXPECT_EQ(AddressesOf(topology, "a", "h"), "10.2.1.1/30");
  EXPECT_EQ(AddressesOf(topology, "b", "h"), "10.2.1.2/30");
  EXPECT_EQ(AddressesOf(topology, "a", "i"), "fd00:9::/127");
  EXPECT_EQ(AddressesOf(topology, "b", "i"), "fd00:9::1/127");
  EXPECT_EQ(AddressesOf(topology, "a", "j"), "10.3.0.1/24");
  EXPECT_EQ(AddressesOf(topology, "host", "j"), "10.3.0.2/24");
}

TEST(Handout, JoinsSwitchesThatAreLinked) {
  const Topology topology = Loaded(R"(
nodes: {a: , b: {interfaces: {e: {addresses: [10.0.0.1/24]}}}}
bridges: {s: {prefix: 10.0.0.0/24}, t: }
links:
  - endpoints: ["a:e", s]
  - endpoints: [s, t]
  - endpoints: ["b:e", t]
)");
  EXPECT_EQ(AddressesOf(topology, "a", "e"), "10.0.0.2/24");
}

TEST(Handout, CarvesAPool) {
  const std::string text =
      "nodes: {\"r[1-4]\": }\nlinks: [{endpoints: [\"r[1-4]:right\", \"r[2-4,1]:left\"], prefix: {pool: POOL, length: "
      "LEN}}]\n";
  const auto with = [&](const std::string& pool, const std::string& length) {
    std::string out = text;
    out.replace(out.find("POOL"), 4, pool);
    out.replace(out.find("LEN"), 3, length);
    return out;
  };
  const Topology topology = Loaded(with("10.0.0.0/16", "31"));
  EXPECT_EQ(AddressesOf(topology, "r1", "right"), "10.0.0.0/31");
  EXPECT_EQ(AddressesOf(topology, "r2", "left"), "10.0.0.1/31");
  EXPECT_EQ(AddressesOf(topology, "r4", "right"), "10.0.0.6/31");
  EXPECT_EQ(AddressesOf(topology, "r1", "left"), "10.0.0.7/31");
  const Topology wide = Loaded(with("\"fd00::/48\"", "64"));
  EXPECT_EQ(AddressesOf(wide, "r3", "right"), "fd00:0:0:2::1/64");
  const Topology odd = Loaded(with("\"fd00::/32\"", "61"));
  EXPECT_EQ(AddressesOf(odd, "r3", "right"), "fd00:0:0:10::1/61");
  EXPECT_EQ(Told(with("10.0.0.0/30", "31")),
            "2:64: link \"r3:right--r4:left\": the pool 10.0.0.0/30 has no network of length 31 left for cable 3\n"
            "2:64: link \"r4:right--r1:left\": the pool 10.0.0.0/30 has no network of length 31 left for cable 4\n");
}

TEST(Handout, TellsWhenAPrefixIsFull) {
  EXPECT_EQ(
      Told("nodes: {\"h[1-3]\": }\nbridges: {sw: {prefix: 10.0.0.0/30}}\nlinks: [{endpoints: [\"h[1-3]:e\", sw]}]\n"),
      "2:24: bridge \"sw\": 10.0.0.0/30 has no free address left for \"h3:e\"\n");
  EXPECT_EQ(Told("bridges: {sw: {prefix: 10.0.0.1/24}}\n"),
            "1:24: bridge \"sw\": \"prefix\": \"10.0.0.1/24\" has host bits set; the prefix is 10.0.0.0/24\n");
  EXPECT_EQ(Told("bridges: {sw: {prefix: [10.0.0.0/24, 10.1.0.0/24]}}\n"),
            "1:38: bridge \"sw\": a second \"prefix\" of the same family\n  1:25: the first\n");
}

TEST(References, StandForAnInterfacesAddress) {
  const Topology topology = Loaded(R"(
nodes:
  a:
    interfaces:
      lo: {addresses: [10.9.9.9/32]}
      t: {type: gre, local: "a:e", remote: "b:e"}
    routes:
      - {to: default, via: "b:e"}
      - {to: "fd01::/64", via: "b:e"}
      - {to: 10.5.0.0/16, nexthops: [{via: "b:e", weight: 2}, {via: "b:f"}]}
    hosts: {other: "b:e"}
    dns: {nameservers: [1.1.1.1, "b:f"]}
  b:
    interfaces: {e: {addresses: ["fd00::2/64", 10.0.0.2/24]}}
    nat:
      - forward: {proto: tcp, port: 80-81, to: "a:lo:8080-8081"}
      - snat: {out: e, to: "b:f"}
links:
  - endpoints: [{node: a, interface: e, addresses: [10.0.0.1/24, "fd00::1/64"]}, "b:e"]
  - endpoints: ["a:f", "b:f"]
    prefix: 10.1.0.0/31
)");
  const Node& a = topology.nodes[0];
  EXPECT_EQ(a.routes[0].via->text(), "fd00::2");  // the first address: nothing says the family
  EXPECT_EQ(a.routes[0].to.text(), "::/0");
  EXPECT_EQ(a.routes[1].via->text(), "fd00::2");
  EXPECT_EQ(a.routes[2].nexthops[0].via->text(), "10.0.0.2");
  EXPECT_EQ(a.routes[2].nexthops[1].via->text(), "10.1.0.1");
  const auto& tunnel = std::get<Tunnel>(a.interfaces[1].type);
  EXPECT_EQ(tunnel.local->text(), "10.0.0.1");
  EXPECT_EQ(tunnel.remote->text(), "10.0.0.2");
  EXPECT_EQ(a.extra_hosts[0].second.text(), "fd00::2");
  EXPECT_EQ(a.dns->nameservers[1].text(), "10.1.0.1");
  const auto& forward = std::get<PortForward>(topology.nodes[1].nat[0].rule);
  EXPECT_EQ(forward.to.text(), "10.9.9.9");
  EXPECT_EQ(forward.to_port->last, 8081);
  EXPECT_EQ(std::get<SourceNat>(topology.nodes[1].nat[1].rule).to.text(), "10.1.0.1");
}

TEST(References, TellWhereTheyLead) {
  const auto told = [](const std::string& via) {
    return Told("nodes: {a: {interfaces: {e: {addresses: [10.0.0.1/24]}}, routes: [{to: 10.5.0.0/16, via: \"" + via +
                "\"}]}, rtr: }\nlinks: [{endpoints: [\"a:e\", \"rtr:eth0\"]}]\n");
  };
  EXPECT_EQ(told("rt:eth0"), "1:90: node \"a\": \"rt:eth0\": node \"rt\" is not declared (did you mean \"rtr\"?)\n");
  EXPECT_EQ(told("rtr:eth1"),
            "1:90: node \"a\": \"rtr:eth1\": node \"rtr\" has no interface \"eth1\" (did you mean \"eth0\"?)\n");
  EXPECT_EQ(told("rtr:eth0"), "1:90: node \"a\": \"rtr:eth0\" has no IPv4 address\n  2:29: the interface\n");
  EXPECT_EQ(told("10.0.0"), "1:90: node \"a\": \"via\" must be an address or NODE:IFNAME, not \"10.0.0\"\n");
}

TEST(Ports, AreWrittenOutPerFamily) {
  const Topology topology = Loaded(R"(
nodes:
  gw: {uplink: {type: slirp, ipv6: true}, forwarding: true, ports: ["8080:80", "[::1]:53:53/udp"]}
  web:
    interfaces: {lo: {addresses: [10.7.7.7/32]}, e: {addresses: ["fe80::5/64", 10.0.0.2/24, "fd05::2/64"]}}
    ports: ["127.0.0.1:8000-8002:9000-9002", {host: 443, port: 8443}]
    routes: [{to: default, via: 10.0.0.1}, {to: default, via: "fd05::1"}]
links: [{endpoints: [{node: gw, interface: e, addresses: [10.0.0.1/24, "fd05::1/64"]}, "web:e"]}]
)");
  std::string out;
  for (const Node& node : topology.nodes) {
    for (const PublishedPort& port : node.ports) {
      out += node.name + " " + (port.host_address ? port.host_address->text() : "*") + " " +
             std::to_string(port.host_port.first) + "+" + std::to_string(port.host_port.count()) + " " +
             port.target.text() + " " + std::to_string(port.port.first) +
             (port.protocol == Protocol::kUdp ? " udp " : " tcp ") + port.uplink + "\n";
    }
  }
  EXPECT_EQ(out,
            "gw * 8080+1 10.0.2.100 80 tcp gw\n"
            "gw * 8080+1 fd00::100 80 tcp gw\n"
            "gw ::1 53+1 fd00::100 53 udp gw\n"
            "web 127.0.0.1 8000+3 10.0.0.2 9000 tcp gw\n"
            "web * 443+1 10.0.0.2 8443 tcp gw\n"
            "web * 443+1 fd05::2 8443 tcp gw\n");
}

TEST(Ports, NeedAnUplinkThatIsMeant) {
  EXPECT_EQ(Told("nodes: {a: {ports: [\"80:80\"]}}\n"),
            "1:21: node \"a\": a published port needs an uplink, and no node has one\n");
  EXPECT_EQ(Told("nodes: {a: {ports: [\"80:80\"]}, b: {uplink: {type: slirp}}, c: {uplink: {type: slirp}}}\n"),
            "1:21: node \"a\": several nodes have an uplink (b, c): say which with {host, port, uplink: NODE}\n");
  EXPECT_EQ(Told("nodes: {a: {ports: [{host: 80, port: 80, uplink: bb}]}, b: {uplink: {type: slirp}}}\n"),
            "1:50: node \"a\": node \"bb\" is not declared (did you mean \"b\"?)\n");
  EXPECT_EQ(Told("nodes: {a: {ports: [\"80:80\"]}, b: {uplink: {type: slirp}}}\n"),
            "1:21: node \"a\": a published port needs an address that the uplink of \"b\" can reach\n");
  EXPECT_EQ(Told("nodes: {b: {uplink: {type: slirp, from: x}}}\n"),
            "1:41: node \"b\": \"from\": node \"x\" is not declared\n");
}

TEST(Resolve, GivesEveryDeviceAStableAddress) {
  const std::string text =
      "name: lab\nnodes: {a: {interfaces: {d: {type: dummy}, lo: {addresses: [10.0.0.1/32]}}}}\nbridges: {sw: }\n";
  const Topology topology = Loaded(text);
  EXPECT_EQ(topology.nodes[0].interfaces[0].mac->value, MacAddress::FromSeed("lab/a/d"));
  EXPECT_FALSE(topology.nodes[0].interfaces[1].mac);
  EXPECT_EQ(topology.bridges[0].interface.mac->value, MacAddress::FromSeed("lab/sw/sw"));
}

TEST(Resolve, LeavesAttachedNodesTheirInterfaces) {
  const Topology topology = Loaded("nodes: {a: {attach: {pid: 1}, interfaces: {eth0: {mtu: 1400}}}}\n");
  EXPECT_EQ(topology.nodes[0].interfaces.size(), 1U);
  EXPECT_FALSE(topology.nodes[0].interfaces[0].mac);
}

TEST(Resolve, ANodeAndABridgeShareNoName) {
  EXPECT_EQ(Told("nodes: {a: }\nbridges: {a: }\n"),
            "2:11: bridge \"a\": a node has the same name; a node and a bridge don't share one\n  1:9: the node\n");
}

}  // namespace
}  // namespace runner
