// What `watch` shows on a terminal: the lab's nodes, links, uplinks and processes as the last look found them, and
// beside each that is on the screen what the kernel counts.
#pragma once
#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commands/context.h"
#include "commands/full_screen.h"
#include "commands/lookout.h"
#include "commands/watch_reading.h"
#include "commands/watch_screen.h"

namespace runner {

class WatchView {
 public:
  static Result<std::unique_ptr<WatchView>> Open(const Context& context, const std::string& lab);

  /// What a look has found.
  void Take(const Sight& sight, const Record& record);
  void TakeBusy();
  /// Cells as of a plan's line: sign, object, what differs.
  void Tell(const std::vector<std::vector<std::string>>& rows);

  /// Reads what is on the screen, once a second at most, and draws it.
  Result<void, Errors> Show();
  std::chrono::milliseconds UntilNextReading() const;
  int keys() const { return screen_->keys(); }
  enum class Wish { kGoOn, kQuit };
  Wish TakeKeys();

 private:
  using Clock = std::chrono::steady_clock;
  enum Table : std::size_t { kDrift, kOverrides, kNodes, kLinks, kUplinks, kProcesses, kTables };
  /// What stands behind a row: where it is read.
  struct Source {
    NamespaceName a = {};
    std::string a_name = {};  // an interface
    NamespaceName b = {};
    std::string b_name = {};
    std::string node = {};
    std::string process = {};
  };
  struct Rates {
    std::optional<double> received;
    std::optional<double> sent;
  };

  WatchView(const Context& context, std::string lab) : context_(context), lab_(std::move(lab)) {}
  void AddSource(Table table, std::vector<std::string> cells, Source source);
  void FillIn(const Record& record);
  WatchWish OnScreen(ScreenSize size) const;
  Result<void, Errors> Read(WatchWish wish);
  void UpdateRows();
  // The cells of a row that change from second to second; empty for what was not on the screen.
  std::vector<std::string> NodeCells(const Source& source) const;
  std::vector<std::string> LinkCells(const Source& source) const;
  std::vector<std::string> UplinkCells(const Source& source) const;
  std::vector<std::string> ProcessCells(const Source& source) const;
  Rates RatesOf(const NamespaceName& place, const std::string& interface) const;
  void TellErrors();

  const Context& context_;
  const std::string lab_;
  std::unique_ptr<FullScreen> screen_;
  WatchModel model_;
  std::array<std::vector<Source>, kTables> sources_;
  Record record_;
  int first_ = 0;
  WatchWish read_;  // at the last reading
  std::optional<Clock::time_point> read_at_;
  WatchReading last_;
  WatchReading before_;
  double between_ = 0;  // seconds from `before_` to `last_`
};

}  // namespace runner
