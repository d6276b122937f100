// What the backend saves itself on the running kernel, and what that must not cost.
#include <gtest/gtest.h>

#include "exec/executor.h"
#include "exec/linux_backend.h"
#include "plan/graph.h"
#include "tests/support/sandbox.h"
#include "topology/load.h"

namespace runner::test {
namespace {

constexpr const char* kLab = R"(name: lab
nodes:
  a: {interfaces: {eth0: {addresses: [10.0.0.1/24]}}}
  b: {interfaces: {eth0: {addresses: [10.0.1.1/24]}}}
links:
  - {endpoints: ["host:to-a", "a:eth0"]}
  - {endpoints: ["host:to-b", "b:eth0"]}
)";

/// kLab, up, with its record.
class StandingLab {
 public:
  StandingLab() : lock_(LabLock::Take({}, "lab", std::chrono::milliseconds(0))), wish_(MakeWish()) {
    EXPECT_TRUE(lock_.ok());
    LabHeader header;
    header.lab = "lab";
    const Outcome up = Converge(wish_, Purpose::kUp, *Open(), journal_, header, AfterFailure::kRollBack, {});
    EXPECT_TRUE(up.report.ok()) << up.report.errors.front().text();
  }

  static std::unique_ptr<Backend> Open() {
    BackendOptions options;
    options.lab = "lab";
    auto backend = OpenLinuxBackend(std::move(options));
    EXPECT_TRUE(backend.ok());
    return std::move(*backend);
  }

  const Graph& wish() const { return wish_; }
  Journal& journal() { return journal_; }

  const Resource& Find(Kind kind, const std::string& name) const { return *wish_.Find({.kind = kind, .name = name}); }

 private:
  static Graph MakeWish() {
    const LoadResult loaded = LoadTopology(kLab, {.file = "lab.yaml"});
    EXPECT_TRUE(loaded.ok());
    auto graph = BuildGraph(*loaded.topology);
    EXPECT_TRUE(graph.ok());
    return std::move(graph).value();
  }

  Result<LabLock> lock_;
  Graph wish_;
  Journal journal_ = Journal::InMemory();
};

TEST(SecondLook, VisitsWhatThePlanTouchesAndNothingElse) {
  InSandbox([] {
    StandingLab lab;
    const auto backend = StandingLab::Open();
    const Resource& at_a = lab.Find(Kind::kAddress, "a:eth0/10.0.0.1/24");
    const Resource& at_b = lab.Find(Kind::kAddress, "b:eth0/10.0.1.1/24");
    const Record record = lab.journal().record();
    const auto first = backend->Observe(lab.wish(), record);
    ASSERT_TRUE(first.ok());
    ASSERT_TRUE(first->contains(at_a.id) && first->contains(at_b.id));
    Shell("ip -n lab.a address del 10.0.0.1/24 dev eth0; ip -n lab.b address del 10.0.1.1/24 dev eth0");
    Plan plan;
    plan.actions.push_back({.verb = Verb::kChange, .resource = at_a, .before = {}, .differences = {}, .reason = {}});
    backend->Expect(plan);
    const auto second = backend->ObserveAgain(lab.wish(), record, *first);
    ASSERT_TRUE(second.ok());
    EXPECT_FALSE(second->contains(at_a.id));
    EXPECT_TRUE(second->contains(at_b.id)) << "b was visited again";
    // The cables too, of which one end each is at the host, which is always visited.
    EXPECT_EQ(second->size() + 1, first->size());
    EXPECT_TRUE(runner::TearDown(*StandingLab::Open(), lab.journal(), {}).report.ok());
  });
}

TEST(Removal, OfAllAtTheHostSparesWhatIsNotTheLabs) {
  InSandbox([] {
    StandingLab lab;
    Shell("ip link add own type bridge; ip link add other type bridge; ip link set other group 7");
    EXPECT_TRUE(runner::TearDown(*StandingLab::Open(), lab.journal(), {}).report.ok());
    const Json links = Ip("link");
    for (const char* name : {"own", "other"}) EXPECT_FALSE(Find(links, "ifname", name).is_null()) << name;
    for (const char* name : {"to-a", "to-b"}) EXPECT_TRUE(Find(links, "ifname", name).is_null()) << name;
  });
}

}  // namespace
}  // namespace runner::test
