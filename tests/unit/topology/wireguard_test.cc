#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/wireguard_key.h"
#include "tests/unit/topology/load_support.h"
#include "topology/secrets.h"

namespace runner {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kPublic = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
constexpr const char* kPublic2 = "bSf+aOzQnI0essqY79dley6GcHvC2lPnlweTU69yZXY=";
constexpr const char* kSecret = "iMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwEA=";

const WireguardPeer& FirstPeer(const Topology& topology, const std::string& node,
                               const std::string& interface = "wg0") {
  const Place place{.kind = Place::Kind::kNode, .name = node};
  return std::get<Wireguard>(topology.FindInterface(place, interface)->type).peers.at(0);
}

std::vector<std::string> Texts(const std::vector<IpPrefix>& prefixes) {
  std::vector<std::string> out;
  for (const IpPrefix& prefix : prefixes) out.push_back(prefix.text());
  return out;
}

TEST(WireguardPeers, ANodeIsReachedOnTheSegmentThatBothAreOn) {
  const Topology topology = Loaded(R"(
nodes:
  a:
    interfaces:
      eth0: {addresses: [10.0.0.1/24]}
      wg0: {type: wireguard, auto: true, listen_port: 51820, addresses: [10.9.0.1/24, "fd09::1/64"], peers: [{node: b}]}
  b:
    interfaces:
      eth0: {addresses: [192.168.0.2/24]}
      eth1: {addresses: ["fe80::2/64", 10.0.0.2/24]}
      wg0: {type: wireguard, auto: true, listen_port: 1000, addresses: [10.9.0.2/24, "fd09::2/64"], peers: [{node: "a:wg0"}]}
  c:
links:
  - endpoints: ["a:eth0", "b:eth1"]
  - endpoints: ["b:eth0", "c:eth0"]
)");
  EXPECT_EQ(FirstPeer(topology, "a").node, "b:wg0");
  EXPECT_EQ(FirstPeer(topology, "a").endpoint, "10.0.0.2:1000");
  EXPECT_THAT(Texts(FirstPeer(topology, "a").allowed_ips), ElementsAre("10.9.0.2/32", "fd09::2/128"));
  EXPECT_EQ(FirstPeer(topology, "b").endpoint, "10.0.0.1:51820");
}

TEST(WireguardPeers, ThroughASwitchTooAndByIpv6) {
  const Topology topology = Loaded(R"(
nodes:
  a: {interfaces: {eth0: {addresses: ["fd00::1/64"]}, wg0: {type: wireguard, auto: true, peers: [{node: b}]}}}
  b:
    interfaces:
      lo: {addresses: [10.255.0.2/32]}
      eth1: {addresses: [10.0.0.2/24]}
      eth0: {addresses: [10.1.0.2/24, "fd00::2/64"]}
      wg0: {type: wireguard, auto: true, listen_port: 1000, addresses: [10.9.0.2/24], peers: [{node: a, allowed_ips: [0.0.0.0/0]}]}
  c:
bridges: {sw: }
links:
  - endpoints: ["a:eth0", sw]
  - endpoints: ["b:eth0", sw]
  - endpoints: ["b:eth1", "c:eth0"]
)");
  EXPECT_EQ(FirstPeer(topology, "a").endpoint, "[fd00::2]:1000");
  EXPECT_EQ(FirstPeer(topology, "b").endpoint, "") << "a listens on no port of its own choice";
  EXPECT_THAT(Texts(FirstPeer(topology, "b").allowed_ips), ElementsAre("0.0.0.0/0"));
}

TEST(WireguardPeers, FarAwayTheFirstGlobalAddressOfAFamilyInCommonIsTaken) {
  const Topology topology = Loaded(R"(
nodes:
  a:
    interfaces:
      eth0: {addresses: [10.0.0.1/24]}
      wg0: {type: wireguard, auto: true, listen_port: 5, peers: [{node: "b:wg0"}]}
  r: {forwarding: true, interfaces: {eth0: {addresses: [10.0.0.254/24]}, eth1: {addresses: [10.1.0.254/24]}}}
  b:
    interfaces:
      lo: {addresses: [10.255.0.2/32]}
      wg1: {type: wireguard, auto: true, addresses: [10.8.0.2/24]}
      eth0: {addresses: ["fd01::2/64", 10.1.0.2/24]}
      wg0: {type: wireguard, auto: true, listen_port: 1000, addresses: [10.9.0.2/24], peers: [{node: a, endpoint: "a:eth0:7", allowed_ips: [10.9.0.0/24]}]}
links:
  - endpoints: ["a:eth0", "r:eth0"]
  - endpoints: ["r:eth1", "b:eth0"]
)");
  EXPECT_EQ(FirstPeer(topology, "a").endpoint, "10.1.0.2:1000") << "neither lo, nor wg1, nor IPv6";
  EXPECT_EQ(FirstPeer(topology, "b").endpoint, "10.0.0.1:7") << "as written";
}

TEST(WireguardPeers, AreCheckedAgainstEachOther) {
  const std::string key = kPublic;
  EXPECT_EQ(
      Told("nodes: {a: {interfaces: {w: {type: wireguard, auto: true, private_key_file: k}}}}\n"),
      "1:36: interface \"a:w\": it has one key: `private_key`, `private_key_file` and `auto` exclude each other\n");
  EXPECT_EQ(Told("nodes: {a: {interfaces: {w: {type: wireguard}}}}\n"),
            "1:36: interface \"a:w\": it has no key: say `auto: true`, `private_key_file` or `private_key`\n");
  EXPECT_EQ(Told("nodes: {a: {interfaces: {w: {type: wireguard, auto: true, peers: [{node: a}]}}}}\n"),
            "1:67: interface \"a:w\": peer \"a:w\": it is the interface itself\n");
  EXPECT_EQ(
      Told("nodes: {a: {interfaces: {w: {type: wireguard, auto: true, peers: [{public_key: abc}]}}}}\n"),
      "1:80: interface \"a:w\": \"public_key\" must be a key as `wg pubkey` prints it: 44 characters of base64, not "
      "\"abc\"\n");
  const std::string peers = "nodes: {a: {interfaces: {w: {type: wireguard, auto: true, peers: [\n{public_key: " + key +
                            ", allowed_ips: [10.0.0.0/8]},\n";
  EXPECT_EQ(Told(peers + "{public_key: " + key + "}]}}}}\n"),
            "3:1: interface \"a:w\": peer \"" + key + "\": it stands twice\n  2:1: first here\n");
  EXPECT_EQ(
      Told(peers + "{node: b}]}}}, b: {interfaces: {w: {type: wireguard, auto: true, addresses: [10.0.0.1/8]}}}}\n"),
      "3:1: warning: interface \"a:w\": peer \"b:w\": it does not have this interface as a peer, and hears nothing "
      "from it\n");
  EXPECT_EQ(Told(peers + "{public_key: " + kPublic2 + ", allowed_ips: [10.0.0.0/8, 10.0.0.0/8]}]}}}}\n"),
            "3:1: interface \"a:w\": peer \"" + std::string(kPublic2) + "\": 10.0.0.0/8 goes to peer \"" + key +
                "\" already\n  2:1: first here\n");
}

TEST(WireguardSecrets, AreNotShownInPrint) {
  const Topology topology =
      Loaded("nodes: {a: {interfaces: {w: {type: wireguard, private_key: " + std::string(kSecret) + "}}}}\n");
  for (const std::string& printed : {PrintYaml(topology), PrintJson(topology)}) {
    EXPECT_THAT(printed, HasSubstr("(secret)"));
    EXPECT_THAT(printed, Not(HasSubstr(kSecret)));
    EXPECT_TRUE(LoadTopology(printed, TestOptions()).ok()) << printed;
  }
}

TEST(WireguardSecrets, AreNotShownBesideAMistake) {
  for (const std::string& line :
       {"nodes: {a: {interfaces: {w: {type: wireguard, private_key: " + std::string(kSecret) + ", listen_prt: 5}}}}",
        "nodes: {a: {interfaces: {w: {type: wireguard, private_kye: " + std::string(kSecret) + "}}}}",
        // Not even half of one.
        "nodes: {a: {interfaces: {w: {type: wireguard, private_key: \"" + std::string(kSecret).substr(0, 40) +
            "\"}}}}"}) {
    const LoadResult result = LoadTopology(line + "\n", TestOptions());
    ASSERT_FALSE(result.ok());
    std::string shown;
    for (const Error& error : result.errors) shown += RenderError(error, Colour::kOff);
    EXPECT_THAT(shown, Not(HasSubstr(std::string(kSecret).substr(4, 20)))) << line;
    EXPECT_THAT(shown, HasSubstr("****"));
  }
}

TEST(WireguardSecrets, LinesKeepTheirLengthAndTheirPublicKeys) {
  const std::string key = kPublic;
  const std::string stars(44, '*');
  EXPECT_EQ(WithoutSecrets("{public_key: " + key + "}"), "{public_key: " + key + "}");
  EXPECT_EQ(WithoutSecrets("{public_key: \"" + key + "\"}"), "{public_key: \"" + key + "\"}");
  EXPECT_EQ(WithoutSecrets("  private_key: abc # x"), "  private_key: *** # x");
  EXPECT_EQ(WithoutSecrets("{\"private_key\": 'a b', b: 1}"), "{\"private_key\": ****', b: 1}");
  EXPECT_EQ(WithoutSecrets("  " + key), "  " + stars);
  EXPECT_EQ(WithoutSecrets("private_key_file: /etc/key"), "private_key_file: /etc/key");
  EXPECT_EQ(WithoutSecrets("private_key:"), "private_key:");
  EXPECT_EQ(WithoutSecrets("p: {public_key: " + key + ", x: " + key + "}"),
            "p: {public_key: " + key + ", x: " + stars + "}");
}

}  // namespace
}  // namespace runner
