// What `watch` shows on a terminal, as lines of text: a title, what of the lab's tables fits, what happened last, and
// the keys. Values in, values out; who draws it is commands/full_screen.h.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace runner {

struct ScreenSize {
  int rows = 24;
  int columns = 80;
  friend bool operator==(const ScreenSize&, const ScreenSize&) = default;
};

enum class LineStyle { kPlain, kTitle, kHeading, kGone, kChanged, kMended, kDim };

struct ScreenLine {
  std::string text;
  LineStyle style = LineStyle::kPlain;
  friend bool operator==(const ScreenLine&, const ScreenLine&) = default;
};

/// A table of which the first column takes the room that the others leave.
struct WatchTable {
  struct Row {
    std::vector<std::string> cells = {};
    LineStyle style = LineStyle::kPlain;
  };
  struct Column {
    std::string heading;
    int width = 0;  // negative: at the right edge
  };
  std::string heading;
  std::vector<Column> columns;  // but the first
  std::vector<Row> rows;
};

struct WatchModel {
  std::string title;
  std::string state;
  LineStyle state_style = LineStyle::kTitle;
  std::vector<WatchTable> tables;  // one without rows is not shown
  std::vector<ScreenLine> events;  // the last one is the latest
};

/// A row of a table on the screen.
struct ShownRow {
  std::size_t table = 0;
  std::size_t row = 0;
  friend bool operator==(const ShownRow&, const ShownRow&) = default;
};

/// The part of the tables that is on the screen, from line `first` of them on.
class WatchWindow {
 public:
  WatchWindow(const WatchModel& model, ScreenSize size, int first);

  /// As near to what was asked for as there are lines.
  int first() const { return first_; }
  int height() const { return height_; }
  /// Where the next table begins behind `first`; the first one behind the last.
  int NextTable() const;
  std::vector<ShownRow> rows() const;
  /// Exactly as many as the screen has rows, none wider than it.
  std::vector<ScreenLine> Draw() const;

 private:
  struct Line {
    enum class Kind { kBlank, kHeading, kRow };
    Kind kind = Kind::kBlank;
    ShownRow at = {};
  };
  ScreenLine TextOf(const Line& line) const;
  std::string Footer() const;

  const WatchModel& model_;
  ScreenSize size_;
  std::vector<Line> lines_;
  int events_ = 0;  // lines that they take, with their heading
  int height_ = 0;
  int first_ = 0;
};

/// "0", "999", "1.2k", "34M", three figures at most.
std::string RateText(std::optional<double> bits_per_second);

}  // namespace runner
