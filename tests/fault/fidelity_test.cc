// The simulated kernel that random labs are played on is held against the running one: the same labs, edits and strokes
// of somebody's hand on both, and after each the same plan follows from what the two show. TOPORUN_SEED is the first
// seed; TOPORUN_LONG=1 tries more of them.
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <thread>

#include "base/json.h"
#include "exec/executor.h"
#include "exec/linux_backend.h"
#include "tests/support/random_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/simulated_kernel.h"

namespace runner::test {
namespace {

using Lines = std::vector<std::string>;

std::string In(const NamespaceName& ns) { return ns.empty() ? "" : "-n " + ns + " "; }

/// The command that takes an object of the running kernel away; empty for a kind that no hand takes.
struct Hand {
  std::string operator()(const NamespaceAttributes& ns) const { return "ip netns del " + ns.name; }
  std::string operator()(const VethAttributes& veth) const { return Delete(veth.a); }
  std::string operator()(const BridgeAttributes& bridge) const { return Delete(bridge.device); }
  std::string operator()(const AddressAttributes& address) const {
    return "ip " + In(address.ns) + "address del " + address.prefix.text() + " dev " + address.dev;
  }
  std::string operator()(const RouteAttributes& route) const {
    return "ip " + In(route.ns) + "route del " + route.to.text() + " metric " + std::to_string(route.metric);
  }
  std::string operator()(const NatAttributes& nat) const {
    const std::string inside = nat.ns.empty() ? "" : "ip netns exec " + nat.ns + " ";
    return inside + "nft delete table inet " + nat.table;
  }
  template <class Other>
  std::string operator()(const Other& /*other*/) const {
    return "";
  }

 private:
  static std::string Delete(const DeviceAttributes& device) {
    return "ip " + In(device.ns) + "link del " + device.name;
  }
};

/// One lab on the two kernels.
class Both {
 public:
  Both() : lock_(LabLock::Take({}, "lab", std::chrono::milliseconds(0))) { EXPECT_TRUE(lock_.ok()); }

  void Up(const Lab& lab) {
    std::string why;
    wish_ = Wish(lab, why);
    ASSERT_TRUE(wish_) << why;
    const Outcome simulated = Converge(*wish_, Purpose::kUp, simulation_, simulated_, Header(), kRollBack, {});
    const Outcome real = Converge(*wish_, Purpose::kUp, *Open(), real_, Header(), kRollBack, {});
    EXPECT_EQ(simulated.report.ok(), real.report.ok())
        << (real.report.errors.empty() ? "" : real.report.errors.front().text());
    ExpectTheSamePlan();
  }

  /// Takes the same object away on both.
  void Take(Random& random) {
    const std::vector<const Resource*> takeable = Takeable();
    if (takeable.empty()) return;
    const Resource& gone = *takeable[static_cast<std::size_t>(Number(random, static_cast<int>(takeable.size())))];
    SCOPED_TRACE("somebody removes " + gone.id.text());
    Shell(std::visit(Hand(), gone.attributes));
    simulation_.Take(gone.id.text());
    ExpectTheSamePlan();
  }

  void Down() {
    EXPECT_TRUE(TearDown(simulation_, simulated_, {}).report.ok());
    const Outcome real = TearDown(*Open(), real_, {});
    EXPECT_TRUE(real.report.ok()) << real.report.errors.front().text();
    EXPECT_EQ(simulation_.objects.size(), 0U) << simulation_.Text();
    wish_.reset();
  }

  /// How many plans were compared that had something to do.
  int told() const { return told_; }

 private:
  static constexpr AfterFailure kRollBack = AfterFailure::kRollBack;

  static LabHeader Header() {
    LabHeader header;
    header.lab = "lab";
    return header;
  }

  static std::unique_ptr<Backend> Open() {
    BackendOptions options;
    options.lab = "lab";
    auto backend = OpenLinuxBackend(std::move(options));
    if (backend.ok()) return std::move(*backend);
    ADD_FAILURE() << backend.error().text();
    std::abort();
  }

  std::vector<const Resource*> Takeable() const {
    std::vector<const Resource*> found;
    for (const Resource& resource : wish_->resources()) {
      if (std::visit(Hand(), resource.attributes).empty()) continue;
      if (simulation_.objects.contains(resource.id.text())) found.push_back(&resource);
    }
    return found;
  }

  Lines PlanOn(Backend& backend, const Record& record) const {
    const auto observed = backend.Observe(*wish_, record);
    if (!observed.ok()) return {observed.error().text()};
    return DescribePlan(MakePlan(*wish_, record, *observed, Purpose::kUp));
  }

  void ExpectTheSamePlan() {
    const Lines simulated = PlanOn(simulation_, simulated_.record());
    // What goes with a namespace goes a moment after it.
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    Lines real = PlanOn(*Open(), real_.record());
    while (real != simulated && std::chrono::steady_clock::now() < limit) {
      std::this_thread::yield();
      real = PlanOn(*Open(), real_.record());
    }
    EXPECT_EQ(real, simulated);
    told_ += simulated.empty() ? 0 : 1;
  }

  Result<LabLock> lock_;  // makes the lab's folder, too
  SimulatedKernel simulation_;
  Journal simulated_ = Journal::InMemory();
  Journal real_ = Journal::InMemory();
  std::optional<Graph> wish_;
  int told_ = 0;
};

int PlayOnBoth(unsigned seed) {
  Random random(seed);
  Both both;
  Lab lab = MakeLab(random);
  both.Up(lab);
  for (int strokes = 1 + Number(random, 3); strokes > 0; --strokes) both.Take(random);
  lab = Edit(lab, random);
  both.Up(lab);
  both.Take(random);
  both.Down();
  return both.told();
}

TEST(SimulatedKernel, ShowsWhatTheRunningOneShows) {
  const bool is_long = FromEnvironment("TOPORUN_LONG", 0) == 1;
  const int cases = is_long ? 200 : 15;
  const auto first = static_cast<unsigned>(FromEnvironment("TOPORUN_SEED", 1));
  InSandbox({.limit_seconds = is_long ? 3000U : 100U, .processes = Processes::kOwn}, [cases, first] {
    spdlog::set_level(spdlog::level::off);
    int told = 0;
    for (int i = 0; i < cases && !testing::Test::HasFailure(); ++i) {
      const unsigned seed = first + static_cast<unsigned>(i);
      SCOPED_TRACE("seed " + std::to_string(seed));
      told += PlayOnBoth(seed);
    }
    EXPECT_GT(told, cases);
    std::printf("%d cases from seed %u, %d plans with something to do\n", cases, first, told);
  });
}

}  // namespace
}  // namespace runner::test
