#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <memory>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "commands/commands.h"
#include "commands/drift.h"
#include "commands/inside.h"
#include "commands/interrupts.h"
#include "commands/lab.h"
#include "commands/lookout.h"
#include "commands/run.h"
#include "commands/table.h"
#include "commands/watch_view.h"

namespace runner {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// How often to ask whether another command is done; nobody announces that.
constexpr milliseconds kWhileBusy{100};
// Between two repairs, doubled as long as nothing comes of them.
constexpr milliseconds kBetweenRepairs{1000};
constexpr milliseconds kLongestPause{30'000};

/// RFC 3339 with milliseconds.
std::string Now() {
  const auto now = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
  const auto rest = now.time_since_epoch().count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(now)), rest);
}

bool IsInterruption(const Errors& errors) {
  return Ending::StatusOf(errors) == static_cast<int>(Failure::kInterrupted);
}

class Watcher {
 public:
  /// Without a view what is told is lines.
  Watcher(const Context& context, std::string lab, const WatchOptions& options, std::unique_ptr<WatchView> view)
      : context_(context),
        lab_(std::move(lab)),
        options_(options),
        lookout_(context, lab_, options.interval),
        view_(std::move(view)) {}

  Ending Run() {
    while (!Interrupts::asked()) {
      bool is_busy = false;
      if (is_due_) {
        auto sight = lookout_.Look();
        if (!sight.ok() && !is_watching_) return Stopped(std::move(sight).error());
        if (sight.ok() && sight->what == Sight::What::kDown) return TellDown();
        is_busy = sight.ok() && sight->what == Sight::What::kBusy;
        auto taken = sight.ok() ? Take(*sight) : Miss(sight.error());
        if (!taken.ok()) return Stopped(std::move(taken).error());
      }
      if (view_) {
        auto shown = view_->Show();
        if (!shown.ok()) return Stopped(std::move(shown).error());
      }
      TRY(Wait(is_busy));
      if (view_ && view_->TakeKeys() == WatchView::Wish::kQuit) return kExitDone;
    }
    return static_cast<int>(Failure::kInterrupted);
  }

 private:
  // ---- What was seen

  Result<void, Errors> Take(const Sight& sight) {
    misses_ = 0;
    if (sight.what == Sight::What::kBusy) {
      if (view_) view_->TakeBusy();
      return {};
    }
    TellBeginning(sight);
    if (view_) view_->Take(sight, lookout_.record());
    TellOverrides(sight.overrides);
    if (TellChanges(sight.drift)) pause_ = kBetweenRepairs;
    if (!context_.out->good()) return Errors{Fail("write to standard output", "it did not take all")};
    if (!options_.heal || told_.empty() || Clock::now() < repaired_at_ + pause_) return {};
    return Repair();
  }

  /// One look may fail because something goes while it is looked at; the next one tells.
  Result<void, Errors> Miss(const Errors& errors) {
    if (IsInterruption(errors)) return errors;
    if (++misses_ > 1) TellErrors(errors);
    return {};
  }

  /// With a lock of its own, as any other command that changes the lab.
  Result<void, Errors> Repair() {
    auto lock = LabLock::Take(context_.state, lab_, milliseconds(0));
    // Another command was faster, and the next look waits for it.
    if (!lock.ok() && lock.error().code == EWOULDBLOCK) return {};
    if (!lock.ok()) return Repaired({std::move(lock).error()});
    Errors errors;
    if (IsStillUp()) {
      errors = InLab(context_, lab_, Entry::kUp, [this](const Context& inside) -> Ending {
                 return Heal(inside, lab_);
               }).errors();
    }
    if (auto left = lock->LeaveIfEmpty(); !left.ok()) errors.push_back(std::move(left).error());
    return Repaired(errors);
  }

  bool IsStillUp() const {
    const auto labs = context_.state.Labs();
    return std::ranges::find(labs, lab_) != labs.end();
  }

  Result<void, Errors> Repaired(const Errors& errors) {
    if (IsInterruption(errors)) return errors;
    pause_ = std::min(2 * pause_, kLongestPause);
    repaired_at_ = Clock::now();
    has_repaired_ = true;
    if (errors.empty()) {
      told_error_.clear();
    } else {
      TellErrors(errors);
    }
    return {};
  }

  Status Wait(bool is_busy) {
    is_due_ = true;
    if (std::exchange(has_repaired_, false)) return {};
    const int keys = view_ ? view_->keys() : -1;
    if (is_busy || misses_ == 1) {
      Interrupts::WaitFor(keys, kWhileBusy);
      return {};
    }
    auto limit = options_.interval;
    const bool will_repair = options_.heal && !told_.empty();
    if (will_repair) {
      const auto left = std::chrono::ceil<milliseconds>(repaired_at_ + pause_ - Clock::now());
      limit = std::clamp(left, milliseconds(0), limit);
    }
    if (view_) limit = std::min(limit, view_->UntilNextReading());
    TRY(lookout_.Wait(limit, keys));
    // A key, and a second of counters, are no reason to look.
    is_due_ = !view_ || lookout_.IsDue() || (will_repair && Clock::now() >= repaired_at_ + pause_);
    return {};
  }

  // ---- What is told

  void TellBeginning(const Sight& sight) {
    if (is_watching_) return;
    is_watching_ = true;
    if (!view_) Say(context_, fmt::format("watching {}: {}", lab_, Counted(sight.objects, "object")));
    if (context_.json()) TellJson("watching", {{"objects", sight.objects}});
  }

  /// Each once, and once more when it is over. Whether there was anything to tell.
  bool TellChanges(const std::vector<FoundDrift>& drift) {
    std::map<std::string, std::vector<std::string>> now;
    std::vector<std::vector<std::string>> rows;
    for (const FoundDrift& found : drift) {
      now.emplace(found.object, found.row);
      const auto told = told_.find(found.object);
      if (told != told_.end() && told->second == found.row) continue;
      rows.push_back(found.row);
      if (context_.json()) {
        TellJson("drift",
                 {{"object", found.object}, {"gone", found.told["gone"]}, {"differences", found.told["differences"]}});
      }
    }
    for (const auto& [object, row] : told_) {
      if (now.contains(object)) continue;
      rows.push_back({"= ", object, "is as recorded again"});
      if (context_.json()) TellJson("mended", {{"object", object}});
    }
    told_ = std::move(now);
    TellRows(rows);
    return !rows.empty();
  }

  /// Deliberate changes, each once, and once more when it ends.
  void TellOverrides(const std::vector<OverrideNote>& overrides) {
    std::map<std::string, std::vector<std::string>> now;
    std::vector<std::vector<std::string>> rows;
    for (const OverrideNote& note : overrides) {
      // An interface may be impaired and down.
      const std::string key = note.interface + " " + note.json["now"].begin().key();
      now.emplace(key, note.Row());
      const auto told = overrides_.find(key);
      if (told != overrides_.end() && told->second == note.Row()) continue;
      rows.push_back(note.Row());
      if (context_.json()) TellJson("override", note.json);
    }
    for (const auto& [key, row] : overrides_) {
      if (now.contains(key)) continue;
      rows.push_back({"= ", row[1], "is no longer overridden"});
      if (context_.json()) TellJson("override_ended", {{"interface", row[1]}});
    }
    overrides_ = std::move(now);
    TellRows(rows);
  }

  void TellRows(const std::vector<std::vector<std::string>>& rows) {
    if (view_) {
      view_->Tell(rows);
    } else if (!context_.json()) {
      *context_.out << Table(rows) << std::flush;
    }
  }

  /// Once as long as it stays the same.
  void TellErrors(const Errors& errors) {
    std::string text;
    for (const Error& error : errors) text += error.text() + "\n";
    if (text == told_error_) return;
    told_error_ = text;
    if (context_.json()) {
      TellJson("error", ErrorsJson(errors));
    } else if (view_) {
      for (const Error& error : errors) view_->Tell({{"!", error.text()}});
    } else {
      PrintErrors(context_, errors);
    }
  }

  Ending TellDown() {
    view_.reset();
    Say(context_, lab_ + " is down: nothing to watch any more");
    if (context_.json()) TellJson("down", Json::object());
    return kExitDone;
  }

  void TellJson(const std::string& event, const Json& about) {
    Json line = {{"time", Now()}, {"lab", lab_}, {"event", event}};
    line.update(about);
    *context_.out << JsonText(line) << "\n" << std::flush;
  }

  static Ending Stopped(Errors errors) {
    // What an interrupted repair could not undo is told.
    if (IsInterruption(errors) && errors.size() == 1) return static_cast<int>(Failure::kInterrupted);
    return errors;
  }

  const Context& context_;
  const std::string lab_;
  const WatchOptions options_;
  const Interrupts interrupts_;
  Lookout lookout_;
  std::unique_ptr<WatchView> view_;
  bool is_due_ = true;  // to look
  bool is_watching_ = false;
  std::map<std::string, std::vector<std::string>> overrides_;  // what of which interface -> its line
  std::map<std::string, std::vector<std::string>> told_;       // object -> its line
  std::string told_error_;
  int misses_ = 0;  // looks that failed, one after another
  Clock::time_point repaired_at_;
  milliseconds pause_ = kBetweenRepairs;  // from then to the next repair
  bool has_repaired_ = false;             // since the last look
};

}  // namespace

Ending Watch(const Context& context, const WatchOptions& options) {
  TRY(CheckPrivilege(context));
  const std::string lab = TRY(FindLabThatIsUp(context, options.lab));
  // With --json, or without a terminal, what is told is lines.
  if (context.json() || !FullScreen::IsPossible()) return Watcher(context, lab, options, nullptr).Run();
  Context beside = context;
  beside.terminal = false;  // no line of progress
  return Watcher(beside, lab, options, TRY(WatchView::Open(beside, lab))).Run();
}

}  // namespace runner
