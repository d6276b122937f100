// What the gallery's one file a mistake does not show: what must pass, warnings, and the cost of big labs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <chrono>

#include "topology/load.h"
#include "topology/validate.h"

namespace runner {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Errors and warnings of a file, each as "LINE: text".
std::vector<std::string> Findings(const std::string& text) {
  std::vector<std::string> out;
  for (const Error& error : LoadTopology(text, {.file = "lab.yaml"}).errors) {
    out.push_back(
        fmt::format("{}{}: {}", error.severity == Severity::kWarning ? "warning " : "", error.at.line, error.text()));
  }
  return out;
}

const std::string kCable = "links: [{endpoints: [\"a:eth0\", \"b:eth0\"]}]\n";

TEST(Validate, TakesTheSameAddressOnDifferentSegments) {
  EXPECT_THAT(Findings(R"(nodes:
  a: {interfaces: {eth0: {addresses: [192.168.1.1/24]}}}
  b: {interfaces: {eth0: {addresses: [192.168.1.2/24]}}}
  c: {interfaces: {eth0: {addresses: [192.168.1.1/24]}}}
  d: {interfaces: {eth0: {addresses: [192.168.1.2/24]}}}
links:
  - endpoints: ["a:eth0", "b:eth0"]
  - endpoints: ["c:eth0", "d:eth0"]
)"),
              IsEmpty());
}

TEST(Validate, SeesOneSegmentThroughBridgesOfNodesAndSwitches) {
  EXPECT_THAT(Findings(R"(nodes:
  a: {interfaces: {eth0: {addresses: [10.0.0.1/24]}}}
  r:
  b: {interfaces: {eth0: {addresses: [10.0.0.1/24]}}}
bridges: {br0: {node: r, addresses: [10.0.0.254/24]}, sw: }
links:
  - endpoints: ["a:eth0", br0]
  - endpoints: [br0, sw]
  - endpoints: [sw, "b:eth0"]
)"),
              ElementsAre("4: interface \"b:eth0\": address 10.0.0.1 is taken on this segment: node \"a\" has it on "
                          "\"eth0\""));
}

TEST(Validate, KeepsVlansApart) {
  EXPECT_THAT(Findings(R"(nodes:
  a:
    interfaces:
      v10: {type: vlan, link: eth0, id: 10, addresses: [10.0.0.1/24]}
      v20: {type: vlan, link: eth0, id: 20, addresses: [10.0.1.1/24]}
  b:
    interfaces:
      v10: {type: vlan, link: eth0, id: 10, addresses: [10.0.1.1/24]}
      v20: {type: vlan, link: eth0, id: 20, addresses: [10.0.1.1/25]}
)" + kCable),
              ElementsAre("9: interface \"b:v20\": address 10.0.1.1 is on interface \"v10\" already",
                          "9: interface \"b:v20\": address 10.0.1.1 is taken on this segment: node \"a\" has it on "
                          "\"v20\""));
}

TEST(Validate, LetsUnnumberedLinksBorrowAnAddress) {
  EXPECT_THAT(Findings(R"(nodes:
  a:
    interfaces:
      lo: {addresses: [10.255.0.1/32]}
      eth0: {addresses: [{address: 10.255.0.1, peer: 10.255.0.2/32}]}
      eth1: {addresses: [10.255.0.1/32]}
    routes: [{to: 10.9.0.0/16, via: 10.255.0.2}]
  b:
links:
  - endpoints: ["a:eth0", "b:eth0"]
  - endpoints: ["a:eth1", "b:eth1"]
)"),
              IsEmpty());
}

TEST(Validate, TakesTheSameAddressInTwoVrfs) {
  EXPECT_THAT(Findings(R"(nodes:
  a:
    interfaces:
      red: {type: vrf, table: 100, members: [eth0]}
      blue: {type: vrf, table: 200, members: [eth1]}
      eth0: {addresses: [10.0.0.1/24]}
      eth1: {addresses: [10.0.0.1/24]}
    routes:
      - {to: default, via: 10.0.0.2, table: 100}
      - {to: default, via: 10.0.0.3, dev: eth1}
  b:
links:
  - endpoints: ["a:eth0", "b:eth0"]
  - endpoints: ["a:eth1", "b:eth1"]
)"),
              IsEmpty());
}

TEST(Validate, FindsGatewaysByAnyNetworkOfTheNode) {
  EXPECT_THAT(Findings(R"(nodes:
  a:
    interfaces: {eth0: {addresses: [10.0.0.1/24, "fd00:7::1/64"]}}
    uplink: {type: slirp, ipv6: true, cidr: 10.5.0.0/24}
    routes:
      - {to: 10.1.0.0/16, via: 10.0.0.2}
      - {to: 10.2.0.0/16, via: 10.5.0.2}
      - {to: 10.3.0.0/16, via: 169.254.1.1}
      - {to: 169.254.1.1/32, dev: eth0, scope: link}
      - {to: 10.4.0.0/16, via: 172.16.0.1, dev: eth0, onlink: true}
      - {to: 10.6.0.0/16, via: 10.7.0.1, dev: br0}
      - {to: "fd00:1::/64", via: "fe80::1", dev: eth0}
      - {to: "fd00:2::/64", via: "fd00:7::2"}
  b:
bridges: {br0: {node: a, addresses: [10.7.0.2/24]}}
)" + kCable),
              IsEmpty());
}

TEST(Validate, WarnsWhereWhatRunsMayMakeAGatewayReachable) {
  EXPECT_THAT(Findings(R"(nodes:
  a:
    routes: [{to: default, via: 10.0.1.254}]
    exec: [[ip, addr, add, 10.0.1.1/24, dev, eth0]]
  b:
)" + kCable),
              ElementsAre("warning 3: node \"a\": route to default (0.0.0.0/0): gateway 10.0.1.254 is in no network "
                          "of an interface of this node"));
}

TEST(Validate, KnowsNothingOfAnAttachedNamespace) {
  EXPECT_THAT(Findings(R"(nodes:
  a:
    attach: {pid: 4711}
    routes: [{to: default, via: 10.9.9.9}, {to: 10.1.0.0/16, dev: ens3}]
    nat: [{masquerade: {out: ens3}}]
)"),
              IsEmpty());
}

TEST(Validate, TakesMetricsAndTablesApart) {
  EXPECT_THAT(Findings(R"(nodes:
  a:
    interfaces: {eth0: {addresses: [10.0.0.1/24, "fd00::1/64"]}}
    routes:
      - {to: default, via: 10.0.0.2}
      - {to: default, via: 10.0.0.2, metric: 10}
      - {to: default, via: 10.0.0.2, table: 7}
      - {to: 10.0.0.0/24, dev: eth0, metric: 5}
      - {to: "fd00:1::/64", via: "fd00::2"}
      - {to: "fd00:1::/64", via: "fd00::3", metric: 1024}
  b:
)" + kCable),
              ElementsAre("10: node \"a\": route to fd00:1::/64: there is a route to the same destination with the "
                          "same metric; give one another `metric`, or write one route with `nexthops`"));
}

TEST(Validate, TellsPortsApartByAddressFamilyAndProtocol) {
  EXPECT_THAT(Findings(R"(nodes:
  a:
    uplink: {type: slirp, ipv6: true}
    ports:
      - "127.0.0.1:18080:80"
      - "127.0.0.2:18080:80"
      - "[::1]:18080:80"
      - "127.0.0.1:18080:80/udp"
      - "18081-18089:81-89"
      - "127.0.0.3:18085:80"
)"),
              ElementsAre("10: node \"a\": port 18085/tcp: the port is published already"));
}

TEST(Validate, BindsPortsWhereTheUplinkComesFrom) {
  EXPECT_THAT(Findings(R"(nodes:
  outer: {uplink: {type: slirp}, ports: ["18080:80"]}
  inner: {uplink: {type: slirp, from: outer}, ports: ["18080:80"]}
)"),
              IsEmpty());
}

TEST(Validate, WarnsOfOverlappingNetworks) {
  EXPECT_THAT(Findings(R"(nodes:
  a:
    interfaces:
      eth0: {addresses: [10.0.0.1/16, 10.0.3.1/24]}
      eth1: {addresses: [10.0.7.1/24]}
  b:
links:
  - endpoints: ["a:eth0", "b:eth0"]
  - endpoints: ["a:eth1", "b:eth1"]
)"),
              ElementsAre("warning 5: interface \"a:eth1\": network 10.0.7.0/24 overlaps 10.0.0.0/16 of interface "
                          "\"eth0\": packets leave by one of them only"));
}

TEST(Validate, WarnsOfAPublishedNodeWithoutAWayBack) {
  EXPECT_THAT(Findings(R"(nodes:
  web:
    interfaces: {eth0: {addresses: [10.0.0.2/24]}}
    ports: ["18080:80"]
  gw:
    interfaces: {eth0: {addresses: [10.0.0.1/24]}}
    uplink: {type: slirp, cidr: 10.5.0.0/24}
links: [{endpoints: ["web:eth0", "gw:eth0"]}]
)"),
              ElementsAre("warning 4: node \"web\": port 18080/tcp: the node has no IPv4 default route towards the "
                          "uplink of \"gw\": answers find no way back",
                          "warning 4: node \"web\": port 18080/tcp: node \"gw\", whose uplink it comes through, does "
                          "not forward IPv4: say `forwarding: true` there"));
}

TEST(Validate, RefusesABridgeOfMoreThan1023Ports) {
  const std::string text = R"(nodes: {"h[1-1023]": , x: }
bridges: {lan: }
links:
  - endpoints: ["h[1-1023]:eth0", lan]
)";
  EXPECT_THAT(Findings(text), IsEmpty());
  EXPECT_THAT(Findings(text + "  - endpoints: [\"x:eth0\", lan]\n"),
              ElementsAre("2: bridge \"lan\": it has 1024 ports; the kernel's bridge takes at most 1023: join several "
                          "bridges by links"));
}

TEST(Validate, WarnsOfMoreNeighboursThanTheHostHolds) {
  EXPECT_THAT(Findings(R"(nodes: {"h[1-600]": }
bridges: {lan: {prefix: 10.0.0.0/16}}
links:
  - endpoints: ["h[1-600]:eth0", lan]
)"),
              ElementsAre("warning 2: all nodes share the host's table of IPv4 neighbours, and this topology needs "
                          "1198 entries or more, 1198 of them here; where net.ipv4.neigh.default.gc_thresh3 is the "
                          "default 1024, raise it"));
}

TEST(Validate, WarnsOfASmallMtuWithoutIpv6Addresses) {
  EXPECT_THAT(Findings("nodes: {a: {interfaces: {eth0: {mtu: 1000}}}, b: {interfaces: {eth0: {mtu: 1000, ipv6: "
                       "false}}}}\n" +
                       kCable),
              ElementsAre("warning 1: interface \"a:eth0\": mtu 1000 is below 1280, the least that IPv6 works with: "
                          "the kernel turns IPv6 off here; say `ipv6: false` if that is meant"));
}

/// A routed star and a chain, with routes and published ports: what would be slow if any check were quadratic.
Topology BigLab(int nodes) {
  Topology topology;
  topology.name = "big";
  Node hub;
  hub.name = "hub";
  hub.uplink = Uplink{};
  hub.uplink->cidr = IpPrefix::Parse("192.168.0.0/24");
  hub.forwarding.ipv4 = At<bool>{true, {}};
  for (int i = 0; i < nodes; ++i) {
    const IpAddress first = *IpAddress::FromIpv4(0x0a000000).Plus(static_cast<std::uint64_t>(i) * 2);
    const IpAddress second = *first.Plus(1);
    Interface here;
    here.name = fmt::format("p{}", i);
    here.addresses.push_back({.prefix = IpPrefix(first, 31), .peer = {}, .scope = {}, .preferred = {}, .at = {}});
    hub.interfaces.push_back(here);
    Route route;
    route.to = IpPrefix(*IpAddress::FromIpv4(0x0b000000).Plus(static_cast<std::uint64_t>(i) * 256), 24);
    route.via = second;
    hub.routes.push_back(route);
    Node node;
    node.name = fmt::format("n{}", i);
    Interface there;
    there.name = "eth0";
    there.addresses.push_back({.prefix = IpPrefix(second, 31), .peer = {}, .scope = {}, .preferred = {}, .at = {}});
    node.interfaces.push_back(there);
    Route back;
    back.to = *IpPrefix::Parse("0.0.0.0/0");
    back.via = first;
    node.routes.push_back(back);
    PublishedPort port;
    port.host_address = *IpAddress::FromIpv4(0x7f000001).Plus(static_cast<std::uint64_t>(i));
    port.host_port = port.port = {18080, 18080};
    port.target = second;
    port.uplink = "hub";
    node.ports.push_back(port);
    topology.nodes.push_back(node);
    Link link;
    link.a.place = {.kind = Place::Kind::kNode, .name = "hub"};
    link.a.interface = here.name;
    link.b.place = {.kind = Place::Kind::kNode, .name = node.name};
    link.b.interface = "eth0";
    topology.links.push_back(link);
  }
  topology.nodes.push_back(hub);
  return topology;
}

double SecondsFor(const Topology& topology) {
  const auto start = std::chrono::steady_clock::now();
  const Errors errors = ValidateTopology(topology);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  for (const Error& error : errors) EXPECT_EQ(error.severity, Severity::kWarning) << error.text();
  return taken.count();
}

TEST(Validate, CostsNoMoreThanTheSizeOfTheLab) {
  const double small = SecondsFor(BigLab(1'000));
  const double big = SecondsFor(BigLab(8'000));
  // Eight times the size: eight to ten times the time, where a quadratic check would take sixty-four. The floor keeps
  // a small run that was lucky from failing it.
  EXPECT_LT(big, 24 * std::max(small, 0.02)) << small << " s for 1000 nodes";
}

}  // namespace
}  // namespace runner
