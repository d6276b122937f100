// Interfaces whose settings are not all the kernel's link messages': what the graph makes of them, and what is never
// in it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "plan/codec.h"
#include "plan/plan.h"
#include "topology/load.h"

namespace runner {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kSecret = "iMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwEA=";
constexpr const char* kKeyA = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
constexpr const char* kKeyB = "bSf+aOzQnI0essqY79dley6GcHvC2lPnlweTU69yZXY=";

Graph GraphOf(const std::string& text, const GraphInputs& inputs) {
  const LoadResult loaded = LoadTopology(text, {.file = "lab.yaml"});
  for (const Error& error : loaded.errors) ADD_FAILURE() << error.text();
  if (!loaded.ok()) return {};
  auto graph = BuildGraph(*loaded.topology, inputs);
  EXPECT_TRUE(graph.ok());
  return graph.ok() ? std::move(graph).value() : Graph();
}

std::string Mesh(const std::string& key = std::string("private_key: ") + kSecret) {
  return R"(name: lab
nodes:
  a:
    interfaces:
      eth0: {addresses: [10.0.0.1/24]}
      wg0: {type: wireguard, )" +
         key +
         R"(, listen_port: 51820, addresses: [10.9.0.1/24], peers: [{node: b, keepalive: 25, preshared_key_file: psk}]}
  b:
    interfaces:
      eth0: {addresses: [10.0.0.2/24]}
      wg0: {type: wireguard, auto: true, listen_port: 51820, addresses: [10.9.0.2/24], peers: [{node: a}]}
links: [{endpoints: ["a:eth0", "b:eth0"]}]
)";
}

const GraphInputs kInputs = {.nat_networks = {},
                             .without_tap = {},
                             .public_keys = {{"a:wg0", kKeyA}, {"b:wg0", kKeyB}},
                             .preshared_keys = {{"psk", "0123456789abcdef"}}};

template <class T>
T Get(const Graph& graph, Kind kind, const std::string& name) {
  const Resource* found = graph.Find({.kind = kind, .name = name});
  if (found == nullptr) {
    ADD_FAILURE() << "no " << name;
    return {};
  }
  return std::get<T>(found->attributes);
}

TEST(WireguardGraph, KeysAndPeersAreFilledIn) {
  const Graph graph = GraphOf(Mesh(), kInputs);
  const auto link = Get<LinkAttributes>(graph, Kind::kLink, "a:wg0");
  EXPECT_EQ(link.type, "wireguard");
  EXPECT_THAT(link.options,
              ElementsAre(OptionAttributes{"listen_port", "51820"}, OptionAttributes{"public_key", kKeyA}));
  EXPECT_FALSE(link.device.mac) << "it has none";
  const auto peer = Get<PeerAttributes>(graph, Kind::kPeer, "a:wg0/b:wg0");
  EXPECT_EQ(peer.public_key, kKeyB);
  EXPECT_EQ(peer.endpoint, "10.0.0.2:51820");
  EXPECT_EQ(peer.keepalive, 25);
  EXPECT_EQ(peer.preshared_key, "0123456789abcdef");
  EXPECT_THAT(peer.allowed_ips, ElementsAre(*IpPrefix::Parse("10.9.0.2/32")));
  EXPECT_EQ(Get<PeerAttributes>(graph, Kind::kPeer, "b:wg0/a:wg0").public_key, kKeyA);
}

TEST(WireguardGraph, NoSecretIsInWhatIsRecordedOrPrinted) {
  const Graph graph = GraphOf(Mesh(), kInputs);
  const Plan plan = MakePlan(graph, {}, {}, Purpose::kUp);
  std::string all = JsonText(PlanJson(plan));
  for (const std::string& line : DescribePlan(plan)) all += line;
  for (const Resource& resource : graph.resources()) all += JsonText(EncodeResource(resource));
  EXPECT_THAT(all, HasSubstr(kKeyA));
  EXPECT_THAT(all, Not(HasSubstr(kSecret)));
}

TEST(WireguardGraph, AnotherKeyIsAChangeHereAndAnotherPeerThere) {
  const Graph before = GraphOf(Mesh(), kInputs);
  Record record;
  Observation seen;
  for (const Resource& resource : before.resources()) {
    record.push_back({.resource = resource, .former = {}});
    seen[resource.id] = {.attributes = resource.attributes, .owner = Observed::Owner::kOurs};
  }
  GraphInputs inputs = kInputs;
  EXPECT_THAT(DescribePlan(MakePlan(GraphOf(Mesh(), inputs), record, seen, Purpose::kUp)), IsEmpty());
  inputs.public_keys["a:wg0"] = kKeyToCome;
  inputs.preshared_keys["psk"] = "fedcba9876543210";
  EXPECT_THAT(DescribePlan(MakePlan(GraphOf(Mesh("auto: true"), inputs), record, seen, Purpose::kUp)),
              ElementsAre(std::string("~   device a:wg0  public_key ") + kKeyA + " → (new)",
                          "~   peer a:wg0/b:wg0  preshared_key 0123456789abcdef → fedcba9876543210",
                          std::string("-/+ peer b:wg0/a:wg0  public_key ") + kKeyA + " → (new)"));
}

TEST(PhysicalGraph, ACardIsASettingThatGoesBackBeforeItsNamespace) {
  const std::string text =
      "name: lab\nnodes: {a: {interfaces: {wan0: {type: physical, device: eth9, addresses: [10.0.0.1/24]}}}}\n";
  const Graph graph = GraphOf(text, {});
  const auto card = Get<PhysicalAttributes>(graph, Kind::kPhysical, "a:wan0");
  EXPECT_EQ(card.card, "eth9");
  EXPECT_EQ(card.device.ns, "lab.a");
  EXPECT_FALSE(card.device.mac || card.device.mtu || card.device.txqueuelen) << "as it has them";
  Record record;
  Observation seen;
  for (const Resource& resource : graph.resources()) {
    record.push_back({.resource = resource, .former = {}});
    seen[resource.id] = {.attributes = resource.attributes, .owner = Observed::Owner::kOurs};
  }
  const auto former = PhysicalAttributes{.device = {.name = "eth9", .mtu = 1400}, .card = "eth9", .lent = false};
  for (RecordEntry& entry : record) {
    if (entry.resource.id.kind == Kind::kPhysical) entry.former = Attributes(former);
  }
  const Plan plan = MakePlan({}, record, seen, Purpose::kDown);
  std::vector<std::string> order;
  for (const Action& action : plan.actions) {
    if (action.verb == Verb::kRemove) order.push_back(action.resource.id.text());
  }
  EXPECT_THAT(order, testing::Contains("physical a:wan0"));
  EXPECT_LT(std::ranges::find(order, "physical a:wan0"), std::ranges::find(order, "namespace a"));
}

TEST(MacsecGraph, AnAddressAndAPortAreAChannel) {
  const std::string text = R"(name: lab
nodes: {a: {interfaces: {eth0: , m0: {type: macsec, link: eth0, address: "02:00:00:00:00:07", port: 11, encrypt: true, cipher: default}}}, b: }
links: [{endpoints: ["a:eth0", "b:eth0"]}]
)";
  const auto link = Get<LinkAttributes>(GraphOf(text, {}), Kind::kLink, "a:m0");
  EXPECT_THAT(link.options, ElementsAre(OptionAttributes{"cipher", "gcm-aes-128"}, OptionAttributes{"encrypt", "on"},
                                        OptionAttributes{"link", "eth0"}, OptionAttributes{"sci", "020000000007000b"}));
}

}  // namespace
}  // namespace runner
