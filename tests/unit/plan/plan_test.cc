#include "plan/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

ResourceId Ns(const std::string& node) { return {.kind = Kind::kNamespace, .name = node}; }

Resource NamespaceOf(const std::string& node, bool forwarding = false) {
  return {.id = Ns(node),
          .attributes = NamespaceAttributes{.name = "lab." + node, .node = node, .forwarding_ipv4 = forwarding},
          .dependencies = {},
          .at = {}};
}

Resource Cable(const std::string& a, const std::string& b, std::uint32_t mtu = 1500) {
  VethAttributes veth;
  veth.a.ns = a == "host" ? "" : "lab." + a;
  veth.a.name = "eth0";
  veth.a.mtu = mtu;
  veth.b.ns = "lab." + b;
  veth.b.name = "eth0";
  std::vector<DependsOn> on = {{.id = Ns(b)}};
  if (a != "host") on.push_back({.id = Ns(a)});
  return {.id = {.kind = Kind::kVeth, .name = a + ":eth0--" + b + ":eth0"},
          .attributes = veth,
          .dependencies = on,
          .at = {}};
}

Resource AddressOn(const std::string& node, const std::string& prefix, const ResourceId& device) {
  AddressAttributes address;
  address.ns = "lab." + node;
  address.dev = "eth0";
  address.prefix = *IpPrefix::Parse(prefix);
  return {.id = {.kind = Kind::kAddress, .name = node + ":eth0/" + prefix},
          .attributes = address,
          .dependencies = {{.id = device}},
          .at = {}};
}

Resource RouteVia(const std::string& node, const ResourceId& address) {
  RouteAttributes route;
  route.ns = "lab." + node;
  route.hops = {{.via = IpAddress::Parse("10.0.0.2"), .dev = "eth0"}};
  return {.id = {.kind = Kind::kRoute, .name = node + "/default"},
          .attributes = route,
          .dependencies = {{.id = address}},
          .at = {}};
}

Graph Wish(std::vector<Resource> resources) {
  auto graph = Graph::Make(std::move(resources));
  EXPECT_TRUE(graph.ok());
  return std::move(graph).value();
}
Record Recorded(const std::vector<Resource>& resources) {
  Record record;
  for (const Resource& resource : resources) record.push_back({.resource = resource, .former = {}});
  return record;
}
Observation Standing(const std::vector<Resource>& resources, Observed::Owner owner = Observed::Owner::kOurs) {
  Observation seen;
  for (const Resource& r : resources) seen[r.id] = {.attributes = r.attributes, .owner = owner};
  return seen;
}

class Lab : public testing::Test {
 protected:
  Resource cable_ = Cable("a", "b");
  Resource address_ = AddressOn("a", "10.0.0.1/24", cable_.id);
  std::vector<Resource> all_ = {NamespaceOf("a"), NamespaceOf("b"), cable_, address_, RouteVia("a", address_.id)};
};

TEST_F(Lab, IsCreatedInTheOrderOfItsDependencies) {
  EXPECT_THAT(DescribePlan(MakePlan(Wish({all_.rbegin(), all_.rend()}), {}, {}, Purpose::kUp)),
              ElementsAre("+   namespace b", "+   namespace a", "+   link a:eth0--b:eth0",
                          "+   address a:eth0/10.0.0.1/24", "+   route a/default"));
}

TEST_F(Lab, ThatStandsAsRecordedNeedsNothing) {
  const Plan plan = MakePlan(Wish(all_), Recorded(all_), Standing(all_), Purpose::kUp);
  EXPECT_TRUE(plan.empty());
  EXPECT_EQ(SummarizePlan(plan), "nothing to do");
}

TEST_F(Lab, IsChangedInPlaceWhereTheKernelCan) {
  auto wish = all_;
  wish[2] = Cable("a", "b", 1400);
  EXPECT_THAT(DescribePlan(MakePlan(Wish(wish), Recorded(all_), Standing(all_), Purpose::kUp)),
              ElementsAre("~   link a:eth0--b:eth0  a:eth0 mtu 1500 → 1400"));
}

TEST_F(Lab, ReplacesWhatStandsOnAReplacedObject) {
  auto seen = Standing(all_);
  std::get<VethAttributes>(seen[cable_.id].attributes).joined = false;
  const Plan plan = MakePlan(Wish(all_), Recorded(all_), seen, Purpose::kUp);
  EXPECT_THAT(DescribePlan(plan), ElementsAre("-/+ link a:eth0--b:eth0  joined off → on",
                                              "-/+ address a:eth0/10.0.0.1/24  link a:eth0--b:eth0 is made anew",
                                              "-/+ route a/default  address a:eth0/10.0.0.1/24 is made anew"));
  // First all removals, what stands on a thing before the thing.
  ASSERT_EQ(plan.actions.size(), 6U);
  EXPECT_EQ(plan.actions[0].resource.id.kind, Kind::kRoute);
  EXPECT_EQ(plan.actions[2].resource.id.kind, Kind::kVeth);
  EXPECT_EQ(plan.actions[2].verb, Verb::kRemove);
  EXPECT_EQ(plan.actions[3].verb, Verb::kCreate);
}

TEST_F(Lab, MakesARouteAnewWhoseAddressIsRemoved) {
  auto wish = all_;
  wish[3] = AddressOn("a", "10.0.0.3/24", cable_.id);
  wish[4] = RouteVia("a", wish[3].id);
  EXPECT_THAT(DescribePlan(MakePlan(Wish(wish), Recorded(all_), Standing(all_), Purpose::kUp)),
              ElementsAre("-   address a:eth0/10.0.0.1/24", "+   address a:eth0/10.0.0.3/24",
                          "-/+ route a/default  address a:eth0/10.0.0.1/24 is removed"));
}

TEST_F(Lab, IsTakenDownByItsNamespacesAlone) {
  EXPECT_THAT(DescribePlan(MakePlan(Graph(), Recorded(all_), Standing(all_), Purpose::kDown)),
              ElementsAre("-   namespace b", "-   namespace a"));
}

TEST(Plan, RemovesACableToTheHostBeforeItsNamespace) {
  const std::vector<Resource> lab = {NamespaceOf("b"), Cable("host", "b")};
  EXPECT_THAT(DescribePlan(MakePlan(Graph(), Recorded(lab), Standing(lab), Purpose::kDown)),
              ElementsAre("-   link host:eth0--b:eth0", "-   namespace b"));
}

TEST(Plan, RemovesANamespaceLastBecauseItCannotComeBack) {
  const std::vector<Resource> before = {NamespaceOf("a"), NamespaceOf("old")};
  EXPECT_THAT(DescribePlan(MakePlan(Wish({NamespaceOf("a"), NamespaceOf("new")}), Recorded(before), Standing(before),
                                    Purpose::kUp)),
              ElementsAre("+   namespace new", "-   namespace old"));
}

TEST(Plan, StopsAtAForeignObjectAndNamesIt) {
  const std::vector<Resource> lab = {NamespaceOf("a")};
  for (const auto owner : {Observed::Owner::kForeign, Observed::Owner::kUnknown}) {
    const Plan plan = MakePlan(Wish(lab), {}, Standing(lab, owner), Purpose::kUp);
    ASSERT_EQ(plan.conflicts.size(), 1U);
    EXPECT_EQ(plan.conflicts[0].text(), "namespace a: stands already and is not this lab's");
    EXPECT_EQ(plan.conflicts[0].failure, Failure::kConflict);
  }
}

TEST(Plan, AForeignObjectUnderARecordedNameIsLeftAlone) {
  const std::vector<Resource> lab = {NamespaceOf("a")};
  const Plan plan = MakePlan(Graph(), Recorded(lab), Standing(lab, Observed::Owner::kForeign), Purpose::kDown);
  EXPECT_FALSE(plan.changes_anything());
  ASSERT_EQ(plan.actions.size(), 1U);
  EXPECT_EQ(plan.actions[0].verb, Verb::kForget);
  EXPECT_EQ(MakePlan(Wish(lab), Recorded(lab), Standing(lab, Observed::Owner::kForeign), Purpose::kUp).conflicts.size(),
            1U);
}

TEST(Plan, TakesOverWhatCarriesOurMarkWithoutARecord) {
  const std::vector<Resource> lab = {NamespaceOf("a")};
  const Plan plan = MakePlan(Wish(lab), {}, Standing(lab), Purpose::kUp);
  EXPECT_TRUE(plan.conflicts.empty());
  ASSERT_EQ(plan.actions.size(), 1U);
  EXPECT_EQ(plan.actions[0].verb, Verb::kAdopt);
}

// As a removal by halves leaves it: nothing but the mark says that it is ours.
TEST(Plan, RemovesWhatItMakesAnewWithoutARecord) {
  const Resource cable = Cable("a", "b");
  Observation seen = Standing({NamespaceOf("a"), NamespaceOf("b"), cable});
  std::get<VethAttributes>(seen[cable.id].attributes).joined = false;
  const Plan plan = MakePlan(Wish({NamespaceOf("a"), NamespaceOf("b"), cable}),
                             Recorded({NamespaceOf("a"), NamespaceOf("b")}), seen, Purpose::kUp);
  ASSERT_EQ(plan.actions.size(), 2U);
  EXPECT_EQ(plan.actions[0].verb, Verb::kRemove);
  EXPECT_EQ(plan.actions[0].resource.id, cable.id);
  EXPECT_EQ(plan.actions[1].verb, Verb::kCreate);
}

// A run ended between the note that a change begins and the change, or just behind it.
TEST(Plan, WritesAgainWhatABegunChangeLeavesInDoubt) {
  NatAttributes nat{.ns = "lab.a", .rules = {"new"}, .listing = "seen"};
  const Resource wish{.id = {.kind = Kind::kNat, .name = "a"}, .attributes = nat, .dependencies = {}, .at = {}};
  Record record = Recorded({NamespaceOf("a"), wish});
  const Observation seen = Standing({NamespaceOf("a"), wish});
  EXPECT_TRUE(MakePlan(Wish({NamespaceOf("a"), wish}), record, seen, Purpose::kUp).empty());
  record[1].state = RecordEntry::State::kBegun;
  EXPECT_THAT(DescribePlan(MakePlan(Wish({NamespaceOf("a"), wish}), record, seen, Purpose::kUp)),
              ElementsAre("~   nat a  whether it is as asked for is not on record"));
  // Undone, it is the former rules that are asked for.
  Resource former = wish;
  std::get<NatAttributes>(former.attributes).rules = {"old"};
  const Plan undo = MakePlan(Wish({NamespaceOf("a"), former}), record, seen, Purpose::kRollBack);
  ASSERT_EQ(undo.actions.size(), 1U);
  EXPECT_EQ(undo.actions[0].verb, Verb::kChange);
  // And so without a record.
  record.pop_back();
  EXPECT_EQ(MakePlan(Wish({NamespaceOf("a"), wish}), record, seen, Purpose::kUp).actions.at(0).verb, Verb::kChange);
}

TEST(Plan, UndoesABegunChangeOfWhatTheFileLeavesOpen) {
  RouteAttributes open{.ns = "lab.a", .hops = {{.dev = "eth0"}}};
  RouteAttributes narrow = open;
  narrow.mtu = 1300;
  const ResourceId id{.kind = Kind::kRoute, .name = "a/default"};
  const Resource before{.id = id, .attributes = open, .dependencies = {}, .at = {}};
  const Resource changed{.id = id, .attributes = narrow, .dependencies = {}, .at = {}};
  Record record = Recorded({changed});
  record[0].state = RecordEntry::State::kBegun;
  const Plan undo = MakePlan(Wish({before}), record, Standing({changed}), Purpose::kRollBack);
  EXPECT_THAT(DescribePlan(undo), ElementsAre("-/+ route a/default  mtu 1300 → unset"));
}

// Each setting of a type of interface has its own role.
TEST(Plan, ComparesTheSettingsOfATypeOneByOne) {
  const auto vxlan = [](std::vector<OptionAttributes> options) {
    LinkAttributes link{.device = {.ns = "lab.a", .name = "x0"}, .type = "vxlan", .options = std::move(options)};
    return Resource{
        .id = {.kind = Kind::kLink, .name = "a:x0"}, .attributes = link, .dependencies = {{.id = Ns("a")}}, .at = {}};
  };
  const Resource was = vxlan({{"id", "10"}, {"remote", "10.0.0.2"}});
  const auto plan = [&](const Resource& wish) {
    return DescribePlan(MakePlan(Wish({NamespaceOf("a"), wish}), Recorded({NamespaceOf("a"), was}),
                                 Standing({NamespaceOf("a"), was}), Purpose::kUp));
  };
  EXPECT_THAT(plan(was), ElementsAre());
  EXPECT_THAT(plan(vxlan({{"id", "10"}, {"remote", "10.0.0.3"}})),
              ElementsAre("~   device a:x0  remote 10.0.0.2 → 10.0.0.3"));
  EXPECT_THAT(plan(vxlan({{"id", "11"}, {"remote", "10.0.0.2"}})), ElementsAre("-/+ device a:x0  id 10 → 11"));
  EXPECT_THAT(plan(vxlan({{"id", "10"}})), ElementsAre("-/+ device a:x0  remote 10.0.0.2 → unset"));
  Resource other = was;
  std::get<LinkAttributes>(other.attributes) = {.device = {.ns = "lab.a", .name = "x0"}, .type = "dummy"};
  EXPECT_THAT(plan(other), ElementsAre("-/+ device a:x0  type vxlan → dummy"));
}

TEST(Plan, ForgetsWhatIsGone) {
  const std::vector<Resource> lab = {NamespaceOf("a")};
  const Plan plan = MakePlan(Graph(), Recorded(lab), {}, Purpose::kDown);
  ASSERT_EQ(plan.actions.size(), 1U);
  EXPECT_EQ(plan.actions[0].verb, Verb::kForget);
}

Resource CommandIn(const std::string& node, const std::string& word) {
  return {.id = {.kind = Kind::kExec, .name = node + "/1"},
          .attributes = ExecAttributes{.ns = "lab." + node, .node = node, .number = 1, .command = {word}},
          .dependencies = {{.id = Ns(node)}},
          .at = {}};
}

TEST(Plan, RunsACommandOnlyWhenItsNodeIsMade) {
  const std::vector<Resource> lab = {NamespaceOf("a"), CommandIn("a", "true")};
  EXPECT_THAT(DescribePlan(MakePlan(Wish(lab), {}, {}, Purpose::kUp)),
              ElementsAre("+   namespace a", "+   exec a/1  its node is made"));
  auto edited = lab;
  edited[1] = CommandIn("a", "false");
  const Plan plan = MakePlan(Wish(edited), Recorded(lab), Standing({lab[0]}), Purpose::kUp);
  EXPECT_THAT(plan.actions, IsEmpty());
  ASSERT_EQ(plan.notes.size(), 1U);
  EXPECT_EQ(plan.notes[0].text(), "exec a/1: is new or was edited, but its node stands already: it does not run");
}

TEST(Graph, NamesACircleNodeByNode) {
  auto a = NamespaceOf("a");
  auto b = NamespaceOf("b");
  a.dependencies = {{.id = b.id}};
  b.dependencies = {{.id = a.id}};
  const auto graph = Graph::Make({a, b});
  ASSERT_FALSE(graph.ok());
  EXPECT_EQ(graph.error().text(),
            "order the lab's objects: they need each other in a circle: namespace a → namespace b → namespace a");
}

TEST(Drift, IsToldFromRecordToKernel) {
  const std::vector<Resource> lab = {NamespaceOf("a", true), NamespaceOf("b")};
  auto seen = Standing({NamespaceOf("a", false)});
  const auto drift = FindDrift(Recorded(lab), seen);
  ASSERT_EQ(drift.size(), 2U);
  EXPECT_EQ(drift[0].differences[0].text(), "forwarding.ipv4 on → off");
  EXPECT_TRUE(drift[1].gone);
}

/// A lab whose end a:eth0 a command has set down, while the kernel shows what is left of it.
class HeldDownLab : public Lab {
 protected:
  HeldDownLab() {
    std::get<VethAttributes>(cable_.attributes).a.up = true;
    overridden_ = cable_;
    std::get<VethAttributes>(overridden_.attributes).a.up = false;
    overridden_.overridden = Override{.declared = cable_.attributes};
    declared_ = {NamespaceOf("a"), NamespaceOf("b"), cable_, address_, six_, RouteVia("a", address_.id)};
    recorded_ = declared_;
    recorded_[2] = overridden_;
    left_ = Standing({NamespaceOf("a"), NamespaceOf("b"), overridden_, address_});
  }
  Resource six_ = AddressOn("a", "fd00::1/64", cable_.id);
  Resource overridden_;
  std::vector<Resource> declared_;
  std::vector<Resource> recorded_;
  Observation left_;
};

TEST_F(HeldDownLab, HasNoDriftAndNothingToHeal) {
  EXPECT_THAT(FindDrift(Recorded(recorded_), left_), IsEmpty());
  EXPECT_TRUE(MakePlan(Wish(recorded_), Recorded(recorded_), left_, Purpose::kUp).empty());
}

TEST_F(HeldDownLab, StillHasDriftOfWhatTheKernelWouldHaveKept) {
  left_.erase(address_.id);
  const auto drift = FindDrift(Recorded(recorded_), left_);
  ASSERT_EQ(drift.size(), 1U);
  EXPECT_EQ(drift[0].id, address_.id);
  // And an interface that somebody else set down explains nothing.
  EXPECT_EQ(FindDrift(Recorded(declared_), left_).size(), 4U);
}

TEST_F(HeldDownLab, ComesBackWhenTheFileIsWishedFor) {
  EXPECT_THAT(DescribePlan(MakePlan(Wish(declared_), Recorded(recorded_), left_, Purpose::kUp)),
              ElementsAre("~   link a:eth0--b:eth0  a:eth0 up off → on; it was changed by `toporun impair`",
                          "+   address a:eth0/fd00::1/64  it is gone", "+   route a/default  it is gone"));
}

TEST_F(HeldDownLab, TakesItsVlansAlong) {
  LinkAttributes vlan{.type = "vlan", .options = {{"id", "10"}, {"link", "eth0"}}};
  vlan.device.ns = "lab.a";
  vlan.device.name = "v";
  vlan.device.up = true;
  Resource device{.id = {.kind = Kind::kLink, .name = "a:v"}, .attributes = vlan, .dependencies = {}, .at = {}};
  recorded_.push_back(device);
  std::get<LinkAttributes>(device.attributes).device.up = false;
  left_[device.id] = {.attributes = device.attributes, .owner = Observed::Owner::kOurs};
  EXPECT_THAT(FindDrift(Recorded(recorded_), left_), IsEmpty());
  std::get<LinkAttributes>(left_[device.id].attributes).type = "dummy";
  EXPECT_EQ(FindDrift(Recorded(recorded_), left_).size(), 1U);
}

TEST_F(Lab, ForgetsAnOverrideThatTheFileHasComeToSay) {
  Record record = Recorded(all_);
  record[2].resource.overridden = Override{};
  const Plan plan = MakePlan(Wish(all_), record, Standing(all_), Purpose::kUp);
  ASSERT_EQ(plan.actions.size(), 1U);
  EXPECT_EQ(plan.actions[0].verb, Verb::kAdopt);
  EXPECT_FALSE(plan.changes_anything());
}

}  // namespace
}  // namespace runner
