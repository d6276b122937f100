#include "commands/watch_screen.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "base/columns.h"
#include "base/report.h"

namespace runner {
namespace {

constexpr int kMostEvents = 5;
// On a lower screen the tables need the room.
constexpr int kRowsForEvents = 12;
// What the first column has at least; the others are cut then.
constexpr int kNarrowest = 12;
constexpr std::string_view kBetweenEnds = " -- ";

std::string Padded(const std::string& text, int width) {
  const int wanted = std::abs(width);
  const std::string fit = FitColumns(text, wanted);
  const std::string blanks(static_cast<std::size_t>(wanted - DisplayWidth(fit)), ' ');
  return width < 0 ? blanks + fit : fit + blanks;
}

/// Of a cable both ends are told, however long their names are.
std::string FitCell(const std::string& text, int width) {
  const std::size_t between = text.find(kBetweenEnds);
  if (DisplayWidth(text) <= width || between == std::string::npos) return text;
  const int each = (width - static_cast<int>(kBetweenEnds.size())) / 2;
  const std::string a = text.substr(0, between);
  const std::string b = text.substr(between + kBetweenEnds.size());
  // A short end leaves its room to the other.
  const int a_width = std::max(each, width - static_cast<int>(kBetweenEnds.size()) - DisplayWidth(b));
  const std::string fit = FitColumns(a, a_width);
  return fit + std::string(kBetweenEnds) + b;
}

std::string RowText(const std::string& first, const std::vector<std::string>& others, const WatchTable& table,
                    int columns) {
  int left = columns;
  for (const WatchTable::Column& column : table.columns) left -= std::abs(column.width) + 2;
  const int width = table.columns.empty() ? columns : std::max(left, std::min(kNarrowest, columns));
  std::string text = Padded(FitCell(first, width), width);
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    text += "  " + Padded(i < others.size() ? others[i] : "", table.columns[i].width);
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return FitColumns(text, columns);
}

}  // namespace

WatchWindow::WatchWindow(const WatchModel& model, ScreenSize size, int first) : model_(model), size_(size) {
  for (std::size_t table = 0; table < model.tables.size(); ++table) {
    if (model.tables[table].rows.empty()) continue;
    if (!lines_.empty()) lines_.push_back({});
    lines_.push_back({.kind = Line::Kind::kHeading, .at = {.table = table, .row = 0}});
    for (std::size_t row = 0; row < model.tables[table].rows.size(); ++row) {
      lines_.push_back({.kind = Line::Kind::kRow, .at = {.table = table, .row = row}});
    }
  }
  if (size.rows >= kRowsForEvents && !model.events.empty()) {
    events_ = 1 + std::min(static_cast<int>(model.events.size()), kMostEvents);
  }
  // Besides the title and the keys.
  height_ = std::max(size.rows - 2 - events_, 0);
  first_ = std::clamp(first, 0, std::max(static_cast<int>(lines_.size()) - height_, 0));
}

int WatchWindow::NextTable() const {
  const int count = static_cast<int>(lines_.size());
  if (first_ + height_ >= count) return 0;
  int next = first_ + 1;
  while (next < count && lines_[static_cast<std::size_t>(next)].kind != Line::Kind::kHeading) ++next;
  return next < count ? next : 0;
}

std::vector<ShownRow> WatchWindow::rows() const {
  std::vector<ShownRow> shown;
  const int end = std::min(first_ + height_, static_cast<int>(lines_.size()));
  for (int i = first_; i < end; ++i) {
    const Line& line = lines_[static_cast<std::size_t>(i)];
    if (line.kind == Line::Kind::kRow) shown.push_back(line.at);
  }
  return shown;
}

ScreenLine WatchWindow::TextOf(const Line& line) const {
  if (line.kind == Line::Kind::kBlank) return {};
  const WatchTable& table = model_.tables[line.at.table];
  if (line.kind == Line::Kind::kHeading) {
    std::vector<std::string> headings;
    for (const WatchTable::Column& column : table.columns) headings.push_back(column.heading);
    return {RowText(table.heading, headings, table, size_.columns), LineStyle::kHeading};
  }
  const WatchTable::Row& row = table.rows[line.at.row];
  if (row.cells.empty()) return {};
  return {RowText(row.cells[0], {row.cells.begin() + 1, row.cells.end()}, table, size_.columns), row.style};
}

std::string WatchWindow::Footer() const {
  const int total = static_cast<int>(lines_.size());
  const std::string keys = "q quit";
  if (total <= height_) return keys;
  const std::string place = fmt::format("{}-{} of {}", first_ + 1, std::min(first_ + height_, total), total);
  const std::string all = keys + "  ↑ ↓ PgUp PgDn Home End scroll  Tab next table";
  const std::string& shown = DisplayWidth(all) + DisplayWidth(place) + 2 <= size_.columns ? all : keys;
  const int between = std::max(size_.columns - DisplayWidth(shown) - DisplayWidth(place), 2);
  return shown + std::string(static_cast<std::size_t>(between), ' ') + place;
}

std::vector<ScreenLine> WatchWindow::Draw() const {
  std::vector<ScreenLine> lines;
  const int between = std::max(size_.columns - DisplayWidth(model_.title) - DisplayWidth(model_.state), 2);
  lines.push_back(
      {FitColumns(model_.title + std::string(static_cast<std::size_t>(between), ' ') + model_.state, size_.columns),
       model_.state_style});
  for (int i = first_; i < first_ + height_; ++i) {
    lines.push_back(i < static_cast<int>(lines_.size()) ? TextOf(lines_[static_cast<std::size_t>(i)]) : ScreenLine{});
  }
  if (events_ > 0) {
    lines.push_back({FitColumns("LATEST", size_.columns), LineStyle::kHeading});
    const auto begin = model_.events.end() - (events_ - 1);
    for (auto event = begin; event != model_.events.end(); ++event) {
      lines.push_back({FitColumns(event->text, size_.columns), event->style});
    }
  }
  lines.push_back({FitColumns(Footer(), size_.columns), LineStyle::kDim});
  lines.resize(static_cast<std::size_t>(std::max(size_.rows, 0)));
  return lines;
}

std::string RateText(std::optional<double> bits_per_second) {
  if (!bits_per_second) return "-";
  double value = *bits_per_second;
  constexpr std::array<std::string_view, 5> kUnits = {"", "k", "M", "G", "T"};
  std::size_t unit = 0;
  // What would be written as 1000 is one of the next unit.
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  const bool has_point = unit > 0 && value < 9.95;
  return fmt::format("{:.{}f}{}", value, has_point ? 1 : 0, kUnits[unit]);
}

}  // namespace runner
