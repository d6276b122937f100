#include "exec/executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan/graph.h"
#include "tests/support/fake_backend.h"

namespace runner {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Fault = FakeBackend::Fault;

Resource Space(const std::string& node) {
  return {.id = {.kind = Kind::kNamespace, .name = node},
          .attributes = NamespaceAttributes{.name = "lab." + node, .node = node, .forwarding_ipv4 = false},
          .dependencies = {},
          .at = {.line = 7, .column = 3, .width = 1}};
}
Resource HostCable(const std::string& node, std::uint32_t mtu = 1500) {
  VethAttributes veth;
  veth.a.name = "to-" + node;
  veth.a.mtu = mtu;
  veth.b.ns = "lab." + node;
  veth.b.name = "eth0";
  return {.id = {.kind = Kind::kVeth, .name = "host:to-" + node + "--" + node + ":eth0"},
          .attributes = veth,
          .dependencies = {{.id = {.kind = Kind::kNamespace, .name = node}}},
          .at = {}};
}
Graph Wish(std::vector<Resource> resources) {
  auto graph = Graph::Make(std::move(resources));
  EXPECT_TRUE(graph.ok());
  return std::move(graph).value();
}
LabHeader Header() {
  LabHeader header;
  header.lab = "lab";
  return header;
}
std::vector<std::string> Ids(const Record& record) {
  std::vector<std::string> ids;
  for (const RecordEntry& entry : record) ids.push_back(entry.resource.id.text());
  std::sort(ids.begin(), ids.end());
  return ids;
}

const std::vector<Resource> kLab = {Space("a"), Space("b"), HostCable("a"), HostCable("b")};
const std::vector<std::string> kLabIds = {"link host:to-a--a:eth0", "link host:to-b--b:eth0", "namespace a",
                                          "namespace b"};

class Converging : public testing::Test {
 protected:
  Outcome Up(const std::vector<Resource>& lab, AfterFailure after = AfterFailure::kRollBack) {
    return Converge(Wish(lab), Purpose::kUp, backend_, journal_, Header(), after, hooks_);
  }
  FakeBackend backend_;
  Journal journal_ = Journal::InMemory();
  Hooks hooks_;
};

TEST_F(Converging, MakesAllAndRecordsIt) {
  const Outcome outcome = Up(kLab);
  EXPECT_TRUE(outcome.report.ok());
  EXPECT_EQ(backend_.Standing(), kLabIds);
  EXPECT_EQ(Ids(journal_.record()), kLabIds);
}

TEST_F(Converging, TwiceDoesNothingTheSecondTime) {
  ASSERT_TRUE(Up(kLab).report.ok());
  backend_.calls.clear();
  const Outcome outcome = Up(kLab);
  EXPECT_FALSE(outcome.changed);
  EXPECT_THAT(backend_.calls, IsEmpty());
}

// A failure at any call leaves the state before the run, and the error says where it happened.
TEST_F(Converging, UndoesItsOwnWorkAfterAFailureAtAnyCall) {
  for (int failing = 1; failing <= 4; ++failing) {
    for (const Fault fault : {Fault::kRefuse, Fault::kDoneButLost}) {
      FakeBackend backend;
      Journal journal = Journal::InMemory();
      backend.fault = [&](int call, const Action&) { return call == failing ? fault : Fault::kNone; };
      const Outcome outcome =
          Converge(Wish(kLab), Purpose::kUp, backend, journal, Header(), AfterFailure::kRollBack, hooks_);
      ASSERT_EQ(outcome.report.errors.size(), 1U) << failing;
      EXPECT_THAT(outcome.report.errors[0].where, testing::AnyOfArray(kLabIds));
      EXPECT_TRUE(outcome.rolled_back);
      EXPECT_THAT(outcome.roll_back, IsEmpty());
      EXPECT_THAT(backend.Standing(), IsEmpty()) << failing;
      EXPECT_THAT(Ids(journal.record()), IsEmpty()) << failing;
      if (failing > 1) {
        EXPECT_GT(backend.calls.size(), static_cast<std::size_t>(failing)) << "nothing was undone";
      }
    }
  }
}

TEST_F(Converging, ReturnsToTheFormerLabAfterAFailedChange) {
  ASSERT_TRUE(Up(kLab).report.ok());
  backend_.calls.clear();
  backend_.fault = [](int call, const Action&) { return call == 2 ? Fault::kRefuse : Fault::kNone; };
  EXPECT_FALSE(Up({Space("a"), Space("b"), HostCable("a", 1400), HostCable("b", 1300)}).report.ok());
  EXPECT_EQ(backend_.Standing(), kLabIds);
  const auto& veth = std::get<VethAttributes>(backend_.kernel[HostCable("a").id].attributes);
  EXPECT_EQ(veth.a.mtu, 1500U);
  backend_.fault = [](int, const Action&) { return Fault::kNone; };
  EXPECT_FALSE(Up(kLab).changed);
}

// What somebody had set by hand before the run is not the run's to mend when it fails.
TEST_F(Converging, ReturnsToWhatHadDriftedBeforeAFailedRun) {
  ASSERT_TRUE(Up(kLab).report.ok());
  auto& drifted = std::get<VethAttributes>(backend_.kernel[HostCable("a").id].attributes);
  drifted.a.mtu = 1234;
  backend_.kernel.erase(HostCable("b").id);
  backend_.fault = [](int, const Action& action) {
    return action.resource.id == Space("c").id ? Fault::kRefuse : Fault::kNone;
  };
  const Outcome outcome = Up({Space("a"), Space("b"), HostCable("a", 1400), HostCable("b"), Space("c")});
  EXPECT_FALSE(outcome.report.ok());
  EXPECT_THAT(outcome.roll_back, IsEmpty());
  EXPECT_EQ(std::get<VethAttributes>(backend_.kernel[HostCable("a").id].attributes).a.mtu, 1234U);
  EXPECT_THAT(backend_.Standing(), ElementsAre("link host:to-a--a:eth0", "namespace a", "namespace b"));
  // The record still says what the lab asked for.
  EXPECT_EQ(Ids(journal_.record()), kLabIds);
  EXPECT_EQ(std::get<VethAttributes>(journal_.Find(HostCable("a").id)->resource.attributes).a.mtu, 1500U);
}

// The other end's namespace is on its way out: what is on the cable goes with it, and is no state to come back to.
TEST_F(Converging, DoesNotReturnToWhatStandsOnADyingCable) {
  AddressAttributes at;
  at.ns = "lab.a";
  at.dev = "eth0";
  at.prefix = *IpPrefix::Parse("10.0.0.1/24");
  const Resource cable = HostCable("a");
  const Resource address{.id = {.kind = Kind::kAddress, .name = "a:eth0/10.0.0.1/24"},
                         .attributes = at,
                         .dependencies = {{.id = cable.id}},
                         .at = {}};
  const std::vector<Resource> lab = {Space("a"), cable, address};
  ASSERT_TRUE(Up(lab).report.ok());
  std::get<VethAttributes>(backend_.kernel[cable.id].attributes).joined = false;
  backend_.calls.clear();
  backend_.fault = [](int, const Action& action) {
    return action.verb == Verb::kCreate && action.resource.kind() == Kind::kVeth ? Fault::kRefuse : Fault::kNone;
  };
  const Outcome outcome = Up(lab);
  EXPECT_FALSE(outcome.report.ok());
  EXPECT_TRUE(outcome.rolled_back);
  EXPECT_THAT(outcome.roll_back, IsEmpty());
  EXPECT_EQ(backend_.Standing(), std::vector<std::string>{"namespace a"});
}

TEST_F(Converging, LeavesWhatAFailedRunAdopted) {
  ASSERT_TRUE(Up(kLab).report.ok());
  Journal lost = Journal::InMemory();
  backend_.fault = [](int, const Action& action) {
    return action.resource.id == Space("c").id ? Fault::kRefuse : Fault::kNone;
  };
  std::vector<Resource> lab = kLab;
  lab.push_back(Space("c"));
  const Outcome outcome = Converge(Wish(lab), Purpose::kUp, backend_, lost, Header(), AfterFailure::kRollBack, hooks_);
  EXPECT_FALSE(outcome.report.ok());
  EXPECT_EQ(backend_.Standing(), kLabIds);
  EXPECT_THAT(Ids(lost.record()), IsEmpty());
}

TEST_F(Converging, UndoesTheRunWhenTheKernelRefusesInTheEnd) {
  class Late : public FakeBackend {
   public:
    Errors Settle() override { return {Fail("wait", "another host has it")}; }
  } late;
  const Outcome outcome = Converge(Wish(kLab), Purpose::kUp, late, journal_, Header(), AfterFailure::kRollBack, hooks_);
  ASSERT_EQ(outcome.report.errors.size(), 1U);
  EXPECT_EQ(outcome.report.errors[0].why, "another host has it");
  EXPECT_THAT(late.Standing(), IsEmpty());
}

TEST_F(Converging, LooksAgainWhenALookWhileUndoingFails) {
  class Blinking : public FakeBackend {
   public:
    int blind_from = 0;
    int blind_to = 0;
    Result<Observation> Observe(const Graph& wish, const Record& record) override {
      ++looks_;
      if (looks_ >= blind_from && looks_ < blind_to) return SystemError(EPERM, "read links");
      return FakeBackend::Observe(wish, record);
    }

   private:
    int looks_ = 0;
  };
  // The first look is the run's own.
  for (const int blind_to : {3, 4, 100}) {
    Blinking backend;
    backend.fault = [](int call, const Action&) { return call == 3 ? Fault::kRefuse : Fault::kNone; };
    backend.blind_from = 2;
    backend.blind_to = blind_to;
    Journal journal = Journal::InMemory();
    const Outcome outcome =
        Converge(Wish(kLab), Purpose::kUp, backend, journal, Header(), AfterFailure::kRollBack, hooks_);
    EXPECT_FALSE(outcome.report.ok());
    EXPECT_EQ(outcome.roll_back.empty(), blind_to < 100);
    EXPECT_EQ(backend.Standing().empty(), blind_to < 100);
    EXPECT_EQ(journal.size() == 0, blind_to < 100);
  }
}

TEST_F(Converging, KeepsTheWreckWhenAsked) {
  backend_.fault = [](int call, const Action&) { return call == 3 ? Fault::kRefuse : Fault::kNone; };
  const Outcome outcome = Up(kLab, AfterFailure::kKeep);
  EXPECT_FALSE(outcome.rolled_back);
  EXPECT_THAT(backend_.Standing(), ElementsAre("namespace a", "namespace b"));
  EXPECT_THAT(Ids(journal_.record()), ElementsAre("namespace a", "namespace b"));
}

TEST_F(Converging, AnInterruptionUndoesTheRun) {
  int asked = 0;
  hooks_.interrupted = [&asked] { return ++asked > 2; };
  const Outcome outcome = Up(kLab);
  EXPECT_TRUE(outcome.report.interrupted);
  EXPECT_EQ(outcome.report.errors.back().failure, Failure::kInterrupted);
  EXPECT_THAT(backend_.Standing(), IsEmpty());
}

TEST_F(Converging, StopsBeforeTheFirstChangeAtAForeignObject) {
  backend_.kernel[Space("b").id] = {.attributes = Space("b").attributes, .owner = Observed::Owner::kForeign};
  const Outcome outcome = Up(kLab);
  ASSERT_EQ(outcome.report.errors.size(), 1U);
  EXPECT_EQ(outcome.report.errors[0].failure, Failure::kConflict);
  EXPECT_THAT(backend_.calls, IsEmpty());
}

TEST_F(Converging, AKernelThatDoesNotObeyIsTheError) {
  // Says yes and does nothing.
  class Liar : public FakeBackend {
   public:
    Result<Attributes> Apply(const Action& action) override { return action.resource.attributes; }
  } liar;
  const Outcome outcome = Converge(Wish(kLab), Purpose::kUp, liar, journal_, Header(), AfterFailure::kKeep, hooks_);
  ASSERT_EQ(outcome.report.errors.size(), 1U);
  EXPECT_EQ(outcome.report.errors[0].why, "the kernel does not show what was asked for");
}

TEST_F(Converging, TouchesNothingElseWhenAsked) {
  ASSERT_TRUE(Up(kLab).report.ok());
  backend_.kernel.erase(HostCable("b").id);
  const ResourceIds only = {HostCable("a").id};
  const Outcome outcome = Converge(Wish({Space("a"), Space("b"), HostCable("a", 1400)}), Purpose::kUp, backend_,
                                   journal_, Header(), AfterFailure::kRollBack, hooks_, &only);
  EXPECT_TRUE(outcome.report.ok());
  EXPECT_TRUE(outcome.changed);
  EXPECT_EQ(std::get<VethAttributes>(backend_.kernel[HostCable("a").id].attributes).a.mtu, 1400U);
  // What has drifted, and what is not wished for, stays as it is on record.
  EXPECT_EQ(Ids(journal_.record()), kLabIds);
  EXPECT_FALSE(backend_.kernel.contains(HostCable("b").id));
}

TEST_F(Converging, TearsDownFromTheRecordAlone) {
  ASSERT_TRUE(Up(kLab).report.ok());
  const Outcome outcome = runner::TearDown(backend_, journal_, hooks_);
  EXPECT_TRUE(outcome.report.ok());
  EXPECT_THAT(backend_.Standing(), IsEmpty());
  EXPECT_THAT(Ids(journal_.record()), IsEmpty());
}

TEST_F(Converging, TearsDownTheRestWhenOneObjectStays) {
  ASSERT_TRUE(Up(kLab).report.ok());
  backend_.fault = [](int, const Action& action) {
    return action.resource.id == HostCable("a").id ? Fault::kRefuse : Fault::kNone;
  };
  const Outcome outcome = runner::TearDown(backend_, journal_, hooks_);
  ASSERT_EQ(outcome.report.errors.size(), 1U);
  EXPECT_EQ(outcome.report.errors[0].where, "link host:to-a--a:eth0");
  EXPECT_THAT(outcome.report.skipped, ElementsAre(Space("a").id));
  EXPECT_THAT(backend_.Standing(), ElementsAre("link host:to-a--a:eth0", "namespace a"));
  backend_.fault = [](int, const Action&) { return Fault::kNone; };
  EXPECT_TRUE(runner::TearDown(backend_, journal_, hooks_).report.ok());
  EXPECT_THAT(backend_.Standing(), IsEmpty());
}

// Without the record, or where it may not be all, marks tell what is left.
TEST_F(Converging, TearsDownByMarksWhatTheRecordLacks) {
  ASSERT_TRUE(Up(kLab).report.ok());
  Journal lost = Journal::InPlaceOf("");
  EXPECT_TRUE(runner::TearDown(backend_, lost, hooks_).report.ok());
  EXPECT_THAT(backend_.Standing(), IsEmpty());
}

TEST_F(Converging, LooksUpAnAnswerThatWasLostOnTheWayDown) {
  ASSERT_TRUE(Up(kLab).report.ok());
  const int before = static_cast<int>(backend_.calls.size());
  backend_.fault = [before](int call, const Action&) {
    return call == before + 1 ? Fault::kDoneButLost : Fault::kNone;
  };
  EXPECT_TRUE(runner::TearDown(backend_, journal_, hooks_).report.ok());
  EXPECT_THAT(backend_.Standing(), IsEmpty());
}

// A cable between two nodes goes with them; where one of them stays, so does the cable, and the record of it.
TEST_F(Converging, KeepsOnRecordWhatDidNotGoWithItsNamespace) {
  VethAttributes veth;
  veth.a.ns = "lab.a";
  veth.a.name = "eth0";
  veth.b.ns = "lab.b";
  veth.b.name = "eth0";
  const Resource cable{.id = {.kind = Kind::kVeth, .name = "a:eth0--b:eth0"},
                       .attributes = veth,
                       .dependencies = {{.id = Space("a").id}, {.id = Space("b").id}},
                       .at = {}};
  ASSERT_TRUE(Up({Space("a"), Space("b"), cable}).report.ok());
  backend_.fault = [](int, const Action& action) {
    return action.resource.id.kind == Kind::kNamespace ? Fault::kRefuse : Fault::kNone;
  };
  EXPECT_FALSE(runner::TearDown(backend_, journal_, hooks_).report.ok());
  EXPECT_THAT(Ids(journal_.record()), ElementsAre("link a:eth0--b:eth0", "namespace a", "namespace b"));
}

// A run that is killed between a node and its command leaves the command to the next one.
TEST_F(Converging, RunsACommandThatAKilledRunDidNotReach) {
  const Resource command{.id = {.kind = Kind::kExec, .name = "a/1"},
                         .attributes = ExecAttributes{.ns = "lab.a", .node = "a", .number = 1, .command = {"true"}},
                         .dependencies = {{.id = Space("a").id}},
                         .at = {}};
  const std::vector<Resource> lab = {Space("a"), Space("b"), command};
  backend_.fault = [](int call, const Action&) { return call == 2 ? Fault::kRefuse : Fault::kNone; };
  ASSERT_FALSE(Up(lab, AfterFailure::kKeep).report.ok());
  backend_.fault = [](int, const Action&) { return Fault::kNone; };
  backend_.calls.clear();
  ASSERT_TRUE(Up(lab).report.ok());
  EXPECT_THAT(backend_.calls, ElementsAre("+ namespace b", "+ exec a/1"));
}

// The kill came between a card's return to the host and the record of it; the file asks for another one by now.
TEST_F(Converging, ReadsACardAnewWhenARunWasKilledThatGaveAnotherBack) {
  const auto wan = [](const std::string& card, bool lent) {
    PhysicalAttributes physical;
    physical.device.ns = "lab.a";
    physical.device.name = "wan0";
    physical.card = card;
    physical.lent = lent;
    return Resource{.id = {.kind = Kind::kPhysical, .name = "a:wan0"},
                    .attributes = physical,
                    .dependencies = {{.id = Space("a").id}},
                    .at = {}};
  };
  ASSERT_TRUE(Up({Space("a")}).report.ok());
  ASSERT_TRUE(journal_.Begin(wan("card0", true), wan("card0", false).attributes));
  ASSERT_TRUE(journal_.Made(wan("card0", true).id, wan("card0", true).attributes));
  ASSERT_TRUE(Up({Space("a"), wan("card2", true)}).report.ok());
  const RecordEntry* entry = journal_.Find(wan("card2", true).id);
  ASSERT_NE(entry, nullptr);
  // This backend's host has no card to read.
  EXPECT_FALSE(entry->former.has_value());
}

}  // namespace
}  // namespace runner
