// Every file that we ship, on the running kernel: each action of an `up`, a `down` and an edit is refused, done with
// its answer lost, and met with a kill before and after it; some undo is met with a second fault. Afterwards the
// machine is as it was, the next `up` finds its way, and the next `down` leaves nothing. By default a sample that
// changes with TOPORUN_SEED; with TOPORUN_LONG=1 all of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <random>

#include "base/text.h"
#include "tests/fault/trials.h"
#include "tests/support/sandbox.h"

namespace runner::test {
namespace {

using Command = Workshop::Command;

constexpr std::chrono::seconds kSampleTime(4);
constexpr unsigned kLimitSeconds = 100;
constexpr unsigned kLongLimitSeconds = 3000;

bool IsLong() {
  const char* value = std::getenv("TOPORUN_LONG");
  return value != nullptr && std::string_view(value) == "1";
}
unsigned Seed() {
  const char* value = std::getenv("TOPORUN_SEED");
  return value == nullptr ? 1 : static_cast<unsigned>(std::strtoul(value, nullptr, 10));
}

struct Case {
  Command command = Command::kUp;
  Fault fault = Fault::kRefuse;
  int at = 0;                     // the number of the action
  int later = 0;                  // a second fault so many actions after the first, in the roll-back; 0: none
  Fault second = Fault::kRefuse;  // what that is
  enum class After { kDown, kUp, kUpEdited } after = After::kDown;

  Faults faults() const {
    Faults faults = {{at, fault}};
    if (later > 0) faults.emplace(at + later, second);
    return faults;
  }
  bool kills() const { return Kills(fault) || (later > 0 && Kills(second)); }
  std::string text() const {
    constexpr const char* kCommands[] = {"up", "up with an edit", "down"};
    constexpr const char* kAfter[] = {"down", "up", "up with the edit"};
    std::string out =
        std::string(kCommands[static_cast<int>(command)]) + ": " + NameOf(fault) + " action " + std::to_string(at);
    if (later > 0) out += ", " + std::string(NameOf(second)) + " the action " + std::to_string(later) + " behind it";
    return out + "; then " + kAfter[static_cast<int>(after)];
  }
};

constexpr Fault kEveryFault[] = {Fault::kRefuse, Fault::kLose, Fault::kKillBefore, Fault::kKillAfter};

void AddCases(Command command, int actions, std::mt19937& random, std::vector<Case>& out) {
  using After = Case::After;
  for (int at = 1; at <= actions; ++at) {
    for (const Fault fault : kEveryFault) {
      out.push_back({.command = command, .fault = fault, .at = at, .after = After::kDown});
      out.push_back({.command = command, .fault = fault, .at = at, .after = After::kUp});
      if (command == Command::kUpEdited && Kills(fault)) {
        out.push_back({.command = command, .fault = fault, .at = at, .after = After::kUpEdited});
      }
    }
    if (command == Command::kDown) continue;
    // The undo of `at` actions has about as many.
    for (const Fault second : kEveryFault) {
      const int later = 1 + static_cast<int>(random() % static_cast<unsigned>(at));
      const After after = random() % 2 == 0 ? After::kDown : After::kUp;
      out.push_back(
          {.command = command, .fault = Fault::kRefuse, .at = at, .later = later, .second = second, .after = after});
    }
  }
}

/// The first of the calls: what it is for, and why.
std::string CallText(const RunResult& result) {
  if (result.calls.empty()) return {};
  std::string text = result.calls.front().id.text();
  for (const auto& difference : result.calls.front().differences) text += ", " + difference.text();
  return text;
}

/// A trial on a machine of its own, and where it stands between two cases.
class Bench {
 public:
  explicit Bench(const Trial& trial) : shop_(trial) {}

  /// How many actions each command has when nothing goes wrong.
  struct Actions {
    int up = 0;
    int edit = 0;
    int down = 0;
  };
  Actions Learn() {
    Actions actions;
    const RunResult up = shop_.Up();
    EXPECT_EQ(up.status, 0) << up.text();
    const RunResult edit = shop_.UpEdited();
    EXPECT_EQ(edit.status, 0) << edit.text();
    shop_.Converge(Command::kUp);
    const RunResult down = shop_.Down();
    EXPECT_EQ(down.status, 0) << down.text();
    EXPECT_EQ(shop_.WhatIsLeft(), "");
    actions.up = static_cast<int>(up.calls.size());
    actions.edit = static_cast<int>(edit.calls.size());
    actions.down = static_cast<int>(down.calls.size());
    EXPECT_GT(actions.up, 3);
    EXPECT_GT(actions.edit, 0);
    EXPECT_GT(actions.down, 1);
    return actions;
  }

  void Try(const Case& one) {
    if (one.command == Command::kUp) {
      StandDown();
    } else {
      StandUp();
    }
    if (one.kills()) {
      // A second fault may lie behind the end of the roll-back.
      const bool killed = shop_.RunAndDie(one.command, one.faults());
      EXPECT_TRUE(killed || one.later > 0);
      up_ = State::kUnknown;
    } else {
      Refuse(one);
    }
    After(one.after);
  }

  /// The end of all: nothing is left.
  void StandDown() {
    if (up_ != State::kDown) shop_.Clear();
    up_ = State::kDown;
  }

 private:
  enum class State { kDown, kUp, kUnknown };

  void StandUp() {
    if (up_ == State::kUp) return;
    shop_.Converge(Command::kUp);
    up_ = State::kUp;
    networks_ = ReadNamedNetworks();
  }

  void Refuse(const Case& one) {
    const RunResult result = shop_.Run(one.command, one.faults());
    // An answer that was lost on the way down is looked up.
    const bool looked_up = one.command == Command::kDown && one.fault == Fault::kLose;
    EXPECT_EQ(result.status, looked_up ? 0 : 1) << result.text();
    if (!looked_up) {
      ASSERT_FALSE(result.errors.empty());
      EXPECT_NE(result.errors.front().where, "") << result.text();
    }
    const bool undone = one.command != Command::kDown;
    const auto at = static_cast<std::size_t>(one.at);
    if (undone && result.Done(at) > 0) {
      EXPECT_GT(result.calls.size(), at) << "nothing was undone";
    }
    const bool twice = one.later > 0 && result.calls.size() >= at + static_cast<std::size_t>(one.later);
    if (twice && one.second == Fault::kRefuse) {
      EXPECT_NE(result.text().find("undo"), std::string::npos) << result.text();
      EXPECT_NE(result.text().find("toporun down"), std::string::npos) << result.text();
      up_ = State::kUnknown;
    } else if (one.command == Command::kUp) {
      EXPECT_EQ(shop_.WhatIsLeft(), "") << result.text();
    } else if (one.command == Command::kUpEdited) {
      EXPECT_EQ(Difference(networks_, ReadNamedNetworks()), "") << result.text();
      const RunResult again = shop_.Up();
      EXPECT_EQ(again.calls.size(), 0U) << "after the roll-back there is something to do: " << CallText(again) << "\n"
                                        << result.text();
    } else {
      up_ = State::kUnknown;
    }
  }

  void After(Case::After after) {
    if (up_ == State::kUnknown && after == Case::After::kUp) StandUp();
    if (up_ == State::kUnknown && after == Case::After::kUpEdited) shop_.Converge(Command::kUpEdited);
    if (up_ == State::kUnknown) StandDown();
  }

  Workshop shop_;
  State up_ = State::kDown;
  MachineState networks_;
};

class FaultAtEveryAction : public testing::TestWithParam<std::string> {};

TEST_P(FaultAtEveryAction, LeavesNothingAndStopsNothing) {
  const std::vector<std::string> special = SpecialNeeds(GetParam());
  // In a guest with Debian's kernel (tests/vm) only what another kernel may lack.
  const char* only_special = std::getenv("TOPORUN_TEST_SPECIAL");
  if (only_special != nullptr && special.empty()) GTEST_SKIP() << "it asks nothing special of the kernel";
  const std::vector<std::string> lacking = Lacking(special);
  if (!lacking.empty()) GTEST_SKIP() << "the kernel has no " << Join(lacking, ", ");
  const SandboxOptions options{.limit_seconds = IsLong() ? kLongLimitSeconds : kLimitSeconds,
                               .processes = Processes::kOwn};
  InSandbox(options, [] {
    const Trial trial = MakeTrial(GetParam());
    Bench bench(trial);
    const Bench::Actions actions = bench.Learn();
    std::mt19937 random(Seed());
    std::vector<Case> cases;
    AddCases(Command::kUp, actions.up, random, cases);
    AddCases(Command::kUpEdited, actions.edit, random, cases);
    AddCases(Command::kDown, actions.down, random, cases);
    if (!IsLong()) std::ranges::shuffle(cases, random);
    // To look at one that failed: TOPORUN_CASE is a part of its text.
    if (const char* chosen = std::getenv("TOPORUN_CASE")) {
      std::erase_if(cases, [chosen](const Case& one) { return one.text().find(chosen) == std::string::npos; });
    }
    const auto start = std::chrono::steady_clock::now();
    std::size_t tried = 0;
    for (const Case& one : cases) {
      if (testing::Test::HasFailure() || (!IsLong() && std::chrono::steady_clock::now() - start > kSampleTime)) break;
      SCOPED_TRACE(one.text());
      bench.Try(one);
      ++tried;
    }
    if (!testing::Test::HasFailure()) bench.StandDown();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::printf("%s: %zu of %zu cases (%d actions up, %d of an edit, %d down) in %.1f s, seed %u\n", GetParam().c_str(),
                tried, cases.size(), actions.up, actions.edit, actions.down, took.count(), Seed());
    EXPECT_GT(tried, 0U);
  });
}

INSTANTIATE_TEST_SUITE_P(, FaultAtEveryAction, testing::ValuesIn(TrialNames()), [](const auto& trial) {
  std::string name = trial.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace runner::test
