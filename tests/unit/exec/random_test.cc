// Random labs, edits, drift, foreign objects and faults on a simulated kernel: whatever happens, an `up` that ends well
// leaves what was asked for and nothing to do, one that fails leaves what was there, a kill stops nobody, what is not
// the lab's is never touched, and after `down` there is nothing left. TOPORUN_SEED is the first seed, TOPORUN_CASES how
// many; a failing case is made smaller before it is told.
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "base/json.h"
#include "exec/executor.h"
#include "plan/codec.h"
#include "tests/support/random_lab.h"
#include "tests/support/simulated_kernel.h"

namespace runner::test {
namespace {

struct Step {
  enum class What { kUp, kDown, kDrift, kLoseRecord } what = What::kUp;
  std::size_t lab = 0;
  Faults faults = {};
  unsigned choice = 0;  // which object drifts
};
struct Story {
  std::vector<Lab> labs;
  std::vector<Step> steps;
  std::string text() const {
    std::string out;
    constexpr const char* kNames[] = {"up", "down", "drift", "lose the record"};
    for (const Step& step : steps) {
      out += std::string(kNames[static_cast<int>(step.what)]) + " lab " + std::to_string(step.lab);
      for (const auto& [at, fault] : step.faults) out += std::string(", ") + NameOf(fault) + " " + std::to_string(at);
      out += "\n";
    }
    for (std::size_t i = 0; i < labs.size(); ++i) out += "# lab " + std::to_string(i) + "\n" + Text(labs[i]);
    return out;
  }
};

Story MakeStory(unsigned seed) {
  Random random(seed);
  Story story;
  story.labs.push_back(MakeLab(random));
  for (int edits = Number(random, 3); edits > 0; --edits) story.labs.push_back(Edit(story.labs.back(), random));
  for (int steps = 2 + Number(random, 5); steps > 0; --steps) {
    Step step;
    const int what = Number(random, 10);
    step.what = what < 6   ? Step::What::kUp
                : what < 7 ? Step::What::kDown
                : what < 9 ? Step::What::kDrift
                           : Step::What::kLoseRecord;
    step.lab = static_cast<std::size_t>(Number(random, static_cast<int>(story.labs.size())));
    step.choice = static_cast<unsigned>(random());
    if (Number(random, 2) == 0) {
      const int at = 1 + Number(random, 40);
      step.faults.emplace(at, static_cast<Fault>(Number(random, 4)));
      if (Number(random, 3) == 0)
        step.faults.emplace(at + 1 + Number(random, 20), static_cast<Fault>(Number(random, 4)));
    }
    story.steps.push_back(step);
  }
  return story;
}

class Player {
 public:
  /// Why a promise is broken; empty when all hold.
  std::string Play(const Story& story) {
    AddForeign();
    foreign_ = Foreign();
    const std::string baseline = kernel_.Text();
    for (std::size_t i = 0; i < story.steps.size(); ++i) {
      if (std::string broken = Do(story, story.steps[i]); !broken.empty()) {
        return "step " + std::to_string(i + 1) + ": " + broken;
      }
      if (Foreign() != foreign_) return "step " + std::to_string(i + 1) + ": something foreign was touched";
    }
    if (std::string broken = Down({}); !broken.empty()) return "at the end: " + broken;
    if (kernel_.Text() != baseline) return "left at the end:\n" + kernel_.Text();
    return "";
  }

 private:
  void AddForeign() {
    Resource bridge{.id = {.kind = Kind::kBridge, .name = "host:docker0"},
                    .attributes = BridgeAttributes{.device = {.ns = "", .name = "docker0"}},
                    .dependencies = {},
                    .at = {}};
    kernel_.objects.emplace(bridge.id.text(),
                            SimulatedKernel::Object{.resource = bridge, .owner = Observed::Owner::kForeign});
    Resource space{.id = {.kind = Kind::kNamespace, .name = "theirs"},
                   .attributes = NamespaceAttributes{.name = "theirs", .node = "theirs"},
                   .dependencies = {},
                   .at = {}};
    kernel_.objects.emplace(space.id.text(),
                            SimulatedKernel::Object{.resource = space, .owner = Observed::Owner::kForeign});
  }
  std::string Foreign() const {
    std::string out;
    for (const auto& [id, object] : kernel_.objects) {
      if (object.owner != Observed::Owner::kForeign) continue;
      out += id + " " + JsonText(EncodeAttributes(object.resource.attributes)) + "\n";
    }
    return out;
  }

  std::string Do(const Story& story, const Step& step) {
    switch (step.what) {
      case Step::What::kUp:
        return Up(story.labs[step.lab], step.faults);
      case Step::What::kDown:
        return Down(step.faults);
      case Step::What::kDrift:
        Drift(step.choice);
        return "";
      case Step::What::kLoseRecord:
        // Former values of the host's settings go with it, so only a lab without such may lose it. None has any here.
        journal_ = Journal::InPlaceOf("");
        lost_ = true;
        return "";
    }
    return "";
  }

  void Drift(unsigned choice) {
    std::vector<std::string> ours;
    for (const auto& [id, object] : kernel_.objects) {
      if (object.owner == Observed::Owner::kOurs && object.resource.id.kind != Kind::kExec) ours.push_back(id);
    }
    if (ours.empty()) return;
    drifted_ = true;
    kernel_.Take(ours[choice % ours.size()]);
  }

  std::string Up(const Lab& lab, const Faults& faults) {
    std::string why;
    const auto wish = Wish(lab, why);
    if (!wish) return why;
    const std::string before = kernel_.Text();
    kernel_.Begin(faults);
    LabHeader header;
    header.lab = "lab";
    try {
      const Outcome outcome = Converge(*wish, Purpose::kUp, kernel_, journal_, header, AfterFailure::kRollBack, {});
      if (outcome.report.ok()) return Settled(*wish, header);
      // What had drifted or had lost its record is not part of the promise here, nor what failed twice.
      if (faults.size() > 1 || drifted_ || lost_) return "";
      if (!outcome.roll_back.empty()) return "cannot undo: " + outcome.roll_back.front().text();
      if (outcome.report.errors.front().where.empty())
        return "an error that names nothing: " + outcome.report.errors.front().text();
      if (faults.empty()) return "fails by itself: " + outcome.report.errors.front().text();
      if (kernel_.Text() != before)
        return "the roll-back left another state:\n" + before + "instead of\n" + kernel_.Text();
    } catch (const Killed&) {
      drifted_ = true;  // From here on the state before the run is no promise.
    }
    return "";
  }

  /// After an `up` that ended well.
  std::string Settled(const Graph& wish, const LabHeader& header) {
    kernel_.Begin({});
    const Outcome again = Converge(wish, Purpose::kUp, kernel_, journal_, header, AfterFailure::kRollBack, {});
    if (!again.report.ok()) return "a second `up` fails: " + again.report.errors.front().text();
    if (kernel_.calls != 0) return "a second `up` does something";
    for (const Resource& resource : wish.resources()) {
      if (Traits(resource.kind()).is_setting || resource.id.kind == Kind::kExec) continue;
      if (!kernel_.objects.contains(resource.id.text())) return resource.id.text() + " is missing";
    }
    drifted_ = false;
    lost_ = false;
    return "";
  }

  std::string Down(const Faults& faults) {
    kernel_.Begin(faults);
    try {
      const Outcome outcome = TearDown(kernel_, journal_, {});
      if (faults.empty() && !outcome.report.ok()) return "`down` fails: " + outcome.report.errors.front().text();
      if (outcome.report.ok() && journal_.size() != 0) return "`down` ends well and leaves its record";
    } catch (const Killed&) {
      drifted_ = true;
    }
    if (journal_.size() == 0) journal_ = Journal::InMemory();
    return "";
  }

  SimulatedKernel kernel_;
  std::string foreign_;
  Journal journal_ = Journal::InMemory();
  bool drifted_ = false;
  bool lost_ = false;
};

std::string Play(const Story& story) { return Player().Play(story); }

/// Leaves out whatever can be left out without the story ending well.
Story Shrink(Story story) {
  const auto try_this = [&story](const Story& smaller) {
    if (Play(smaller).empty()) return false;
    story = smaller;
    return true;
  };
  for (bool any = true; any;) {
    any = false;
    for (std::size_t i = 0; i < story.steps.size(); ++i) {
      Story smaller = story;
      smaller.steps.erase(smaller.steps.begin() + static_cast<std::ptrdiff_t>(i));
      any = try_this(smaller) || any;
    }
    for (std::size_t i = 0; i < story.steps.size(); ++i) {
      Story smaller = story;
      if (smaller.steps[i].faults.empty()) continue;
      smaller.steps[i].faults.erase(std::prev(smaller.steps[i].faults.end()));
      any = try_this(smaller) || any;
    }
    for (std::size_t i = 0; i < story.labs.size(); ++i) {
      if (story.labs[i].cables.empty()) continue;
      Story smaller = story;
      const int last = static_cast<int>(smaller.labs[i].cables.size()) - 1;
      smaller.labs[i].cables.pop_back();
      std::erase_if(smaller.labs[i].routes, [last](const auto& route) { return route.first == last; });
      std::erase(smaller.labs[i].masquerade, last);
      any = try_this(smaller) || any;
    }
  }
  return story;
}

TEST(RandomLabs, KeepEveryPromiseOnASimulatedKernel) {
  const auto first = static_cast<unsigned>(FromEnvironment("TOPORUN_SEED", 1));
  const bool is_long = FromEnvironment("TOPORUN_LONG", 0) == 1;
  const int cases = FromEnvironment("TOPORUN_CASES", is_long ? 12000 : 400);
  // A line for each action of thousands of runs helps nobody.
  const auto level = spdlog::get_level();
  spdlog::set_level(spdlog::level::off);
  for (int i = 0; i < cases; ++i) {
    const unsigned seed = first + static_cast<unsigned>(i);
    const Story story = MakeStory(seed);
    if (Play(story).empty()) continue;
    const Story smallest = Shrink(story);
    FAIL() << "seed " << seed << ": " << Play(smallest) << "\n" << smallest.text();
  }
  spdlog::set_level(level);
  std::printf("%d cases from seed %u\n", cases, first);
}

}  // namespace
}  // namespace runner::test
