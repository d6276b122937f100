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

}  // namespace
}  // namespace runner
