#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fd.h"
#include "topology/load.h"

namespace runner {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> Unbuilt(const std::string& text) {
  const auto result = LoadTopology(text, {.file = "lab.yaml"});
  EXPECT_TRUE(result.ok());
  std::vector<std::string> out;
  if (!result.ok()) {
    for (const Error& error : result.errors) ADD_FAILURE() << error.text();
    return out;
  }
  for (const Error& error : FindUnbuilt(*result.topology)) {
    EXPECT_EQ(error.failure, Failure::kTopology);
    out.push_back(std::to_string(error.at.line) + ":" + std::to_string(error.at.column) + ": " + error.text());
  }
  return out;
}

TEST(Unbuilt, NamesEachThingAtItsPlace) {
  EXPECT_THAT(Unbuilt(R"(nodes:
  a:
    interfaces:
      d0: {type: dummy}
      m0: {type: macsec, link: eth0}
      wg0: {type: wireguard, auto: true}
      eth0: {impair: {delay: 20ms}}
  b:
bridges:
  sw: {vlan_filtering: true}
links:
  - endpoints: ["a:eth0", "b:eth0"]
  - endpoints: ["b:eth1", {bridge: sw, port: p1, vlans: {pvid: 10}}]
)"),
              ElementsAre("5:18: interface \"a:m0\": this version does not build interfaces of type `macsec` yet",
                          "6:19: interface \"a:wg0\": this version does not build interfaces of type `wireguard` yet"));
}

TEST(Unbuilt, LetsPassWhatIsBuilt) {
  EXPECT_THAT(Unbuilt(R"(nodes:
  a:
    interfaces:
      lo: {addresses: [10.0.0.1/32]}
      eth0: {addresses: [10.1.0.1/24], mtu: 1400}
    uplink: {type: slirp}
    processes: {web: {command: sleep 1}}
    files: {/etc/motd: {content: hello}}
    binds: ["/srv:/srv"]
    tmpfs: [/run/frr]
  b:
bridges:
  sw: {mtu: 1400, stp: true, priority: 4096, ageing: 30, vlan_filtering: false}
  br0: {node: b, addresses: [10.1.0.2/24]}
links:
  - endpoints: ["a:eth0", br0]
  - endpoints: ["a:eth1", sw]
tests:
  up: {from: a, ping: 10.1.0.2}
)"),
              IsEmpty());
}

}  // namespace
}  // namespace runner
