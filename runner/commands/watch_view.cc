#include "commands/watch_view.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/text.h"
#include "commands/record.h"

namespace runner {
namespace {

constexpr std::chrono::milliseconds kBetweenReadings{1000};
constexpr std::size_t kEventsKept = 20;

std::vector<WatchTable> EmptyTables() {
  return {
      {.heading = "NOT AS RECORDED", .columns = {}, .rows = {}},
      {.heading = "CHANGED FOR A WHILE", .columns = {}, .rows = {}},
      {.heading = "NODE",
       .columns = {{"KIND", 6}, {"INTERFACES", 12}, {"IN bit/s", -8}, {"OUT bit/s", -9}},
       .rows = {}},
      {.heading = "LINK", .columns = {{"STATE", 10}, {"→ bit/s", -7}, {"← bit/s", -7}, {"DROPPED", -8}}, .rows = {}},
      {.heading = "UPLINK",
       .columns = {{"TYPE", 5}, {"NETWORK", 15}, {"STATE", 7}, {"IN bit/s", -8}, {"OUT bit/s", -9}},
       .rows = {}},
      {.heading = "PROCESS", .columns = {{"STATE", 22}, {"PID", -7}, {"HEALTH", 9}, {"RESTARTS", -8}}, .rows = {}}};
}

LineStyle StyleOfSign(const std::string& sign) {
  if (sign.starts_with("-")) return LineStyle::kGone;
  return sign.starts_with("=") ? LineStyle::kMended : LineStyle::kChanged;
}

std::string Line(const std::vector<std::string>& cells) {
  std::string line;
  for (const std::string& cell : cells) line += (line.empty() ? "" : "  ") + cell;
  return line;
}

std::string TimeOfDay() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  return fmt::format("{:%H:%M:%S}", fmt::localtime(now));
}

const LinkCounters* FindLink(const WatchReading& reading, const NamespaceName& place, const std::string& name) {
  const auto found = reading.places.find(place);
  if (found == reading.places.end()) return nullptr;
  const auto link = found->second.find(name);
  return link == found->second.end() ? nullptr : &link->second;
}

std::string StateOf(const LinkCounters* a, const LinkCounters* b) {
  if (a == nullptr || b == nullptr) return "gone";
  if (!a->up || !b->up) return "down";
  return a->carrier && b->carrier ? "up" : "no carrier";
}

std::optional<double> BitsPerSecond(std::uint64_t before, std::uint64_t now, double seconds) {
  // A counter that begins anew says nothing.
  if (now < before || seconds <= 0) return std::nullopt;
  return static_cast<double>(now - before) * 8 / seconds;
}

}  // namespace

Result<std::unique_ptr<WatchView>> WatchView::Open(const Context& context, const std::string& lab) {
  std::unique_ptr<WatchView> view(new WatchView(context, lab));
  view->screen_ = TRY(FullScreen::Open(context.out_colour));
  view->model_.tables = EmptyTables();
  view->model_.title = lab;
  return view;
}

// ---- What a look has found

void WatchView::Take(const Sight& sight, const Record& record) {
  record_ = record;
  for (WatchTable& table : model_.tables) table.rows.clear();
  for (std::vector<Source>& sources : sources_) sources.clear();
  for (const FoundDrift& found : sight.drift) {
    AddSource(kDrift, {Line(found.row)}, {});
    model_.tables[kDrift].rows.back().style = StyleOfSign(found.row[0]);
  }
  for (const OverrideNote& note : sight.overrides) AddSource(kOverrides, {Line(note.Row())}, {});
  FillIn(record);
  const auto count = [this](Table table, const std::string& noun) {
    return Counted(model_.tables[table].rows.size(), noun);
  };
  model_.title = fmt::format("{}: {}, {}", lab_, count(kNodes, "node"), count(kLinks, "link"));
  const std::size_t drifted = sight.drift.size();
  model_.state = drifted == 0 ? "as recorded" : Counted(drifted, "object") + " not as recorded";
  UpdateRows();
}

void WatchView::TakeBusy() { model_.state = "another command changes it"; }

void WatchView::FillIn(const Record& record) {
  std::map<NamespaceName, std::string> nodes;
  for (const RecordedPlace& place : PlacesOf(record)) {
    nodes[place.ns_name] = place.node;
    AddSource(kNodes, {place.node, place.is_switch ? "switch" : "node"}, {.a = place.ns_name});
  }
  const auto end = [&nodes](const DeviceAttributes& device) {
    const auto node = nodes.find(device.ns);
    return (node == nodes.end() ? "host" : node->second) + ":" + device.name;
  };
  for (const RecordEntry& entry : record) {
    const Attributes& attributes = entry.resource.attributes;
    if (const auto* veth = std::get_if<VethAttributes>(&attributes)) {
      AddSource(kLinks, {end(veth->a) + " -- " + end(veth->b)},
                {.a = veth->a.ns, .a_name = veth->a.name, .b = veth->b.ns, .b_name = veth->b.name});
    } else if (const auto* uplink = std::get_if<UplinkAttributes>(&attributes)) {
      AddSource(kUplinks,
                {uplink->node + ":" + uplink->interface, uplink->relay_only ? "nat" : "slirp",
                 uplink->cidr ? uplink->cidr->text() : "-"},
                {.a = uplink->ns, .a_name = uplink->interface, .node = uplink->node});
    } else if (const auto* process = std::get_if<ProcessAttributes>(&attributes)) {
      AddSource(kProcesses, {process->node + "/" + process->name}, {.node = process->node, .process = process->name});
    }
  }
}

void WatchView::AddSource(Table table, std::vector<std::string> cells, Source source) {
  cells.resize(model_.tables[table].columns.size() + 1);
  model_.tables[table].rows.push_back({.cells = std::move(cells)});
  sources_[table].push_back(std::move(source));
}

void WatchView::Tell(const std::vector<std::vector<std::string>>& rows) {
  for (const std::vector<std::string>& row : rows) {
    model_.events.push_back({TimeOfDay() + "  " + Line(row), StyleOfSign(row[0])});
  }
  if (model_.events.size() <= kEventsKept) return;
  model_.events.erase(model_.events.begin(), model_.events.end() - kEventsKept);
}

void WatchView::TellErrors() {
  for (const std::string& line : screen_->TakeErrors()) Tell({{"!", line}});
}

// ---- What is read

Result<void, Errors> WatchView::Show() {
  TellErrors();
  const ScreenSize size = FullScreen::size();
  const auto now = std::chrono::steady_clock::now();
  first_ = WatchWindow(model_, size, first_).first();
  if (!read_at_ || now >= *read_at_ + kBetweenReadings) TRY(Read(OnScreen(size)));
  const Status drawn = screen_->Draw(WatchWindow(model_, size, first_).Draw());
  if (!drawn.ok()) return Errors{drawn.error()};
  return {};
}

std::chrono::milliseconds WatchView::UntilNextReading() const {
  if (!read_at_) return {};
  const auto left = *read_at_ + kBetweenReadings - std::chrono::steady_clock::now();
  return std::max(std::chrono::ceil<std::chrono::milliseconds>(left), std::chrono::milliseconds(0));
}

WatchWish WatchView::OnScreen(ScreenSize size) const {
  WatchWish wish;
  for (const ShownRow& shown : WatchWindow(model_, size, first_).rows()) {
    const Source& source = sources_[shown.table][shown.row];
    if (shown.table == kNodes || shown.table == kLinks || shown.table == kUplinks) wish.places.insert(source.a);
    if (shown.table == kLinks) wish.places.insert(source.b);
    if (shown.table == kUplinks) wish.uplinks.insert(source.node);
    if (shown.table == kProcesses) wish.process_nodes.insert(source.node);
  }
  return wish;
}

Result<void, Errors> WatchView::Read(WatchWish wish) {
  auto reading = ReadWatched(context_, lab_, record_, wish);
  const auto now = std::chrono::steady_clock::now();
  if (!reading.ok()) return std::move(reading).error();
  before_ = std::exchange(last_, std::move(*reading));
  between_ = read_at_ ? std::chrono::duration<double>(now - *read_at_).count() : 0;
  read_at_ = now;
  read_ = std::move(wish);
  UpdateRows();
  return {};
}

WatchView::Rates WatchView::RatesOf(const NamespaceName& place, const std::string& interface) const {
  const LinkCounters* before = FindLink(before_, place, interface);
  const LinkCounters* now = FindLink(last_, place, interface);
  if (before == nullptr || now == nullptr || before->index != now->index) return {};
  return {.received = BitsPerSecond(before->received, now->received, between_),
          .sent = BitsPerSecond(before->sent, now->sent, between_)};
}

std::vector<std::string> WatchView::NodeCells(const Source& source) const {
  if (!read_.places.contains(source.a)) return {"", "", ""};
  const auto place = last_.places.find(source.a);
  if (place == last_.places.end()) return {"gone", "-", "-"};
  std::size_t up = 0;
  std::size_t total = 0;
  std::optional<double> received;
  std::optional<double> sent;
  for (const auto& [name, link] : place->second) {
    if (name == "lo") continue;
    ++total;
    up += link.up && link.carrier ? 1 : 0;
    const Rates rates = RatesOf(source.a, name);
    if (rates.received) received = received.value_or(0) + *rates.received;
    if (rates.sent) sent = sent.value_or(0) + *rates.sent;
  }
  return {fmt::format("{}/{} up", up, total), RateText(received), RateText(sent)};
}

std::vector<std::string> WatchView::LinkCells(const Source& source) const {
  if (!read_.places.contains(source.a) || !read_.places.contains(source.b)) return {"", "", "", ""};
  const LinkCounters* a = FindLink(last_, source.a, source.a_name);
  const LinkCounters* b = FindLink(last_, source.b, source.b_name);
  const Rates rates = RatesOf(source.a, source.a_name);
  const std::string dropped = a != nullptr && b != nullptr ? std::to_string(a->dropped + b->dropped) : "-";
  return {StateOf(a, b), RateText(rates.sent), RateText(rates.received), dropped};
}

std::vector<std::string> WatchView::UplinkCells(const Source& source) const {
  if (!read_.uplinks.contains(source.node)) return {"", "", ""};
  const auto state = last_.uplinks.find(source.node);
  const Rates rates = RatesOf(source.a, source.a_name);
  return {state == last_.uplinks.end() ? "dead" : state->second, RateText(rates.received), RateText(rates.sent)};
}

std::vector<std::string> WatchView::ProcessCells(const Source& source) const {
  if (!read_.process_nodes.contains(source.node)) return {"", "", "", ""};
  const auto process = last_.processes.find({source.node, source.process});
  return process == last_.processes.end() ? std::vector<std::string>{"gone", "-", "-", "-"} : process->second;
}

void WatchView::UpdateRows() {
  const auto update = [this](Table table, auto cells_of) {
    for (std::size_t row = 0; row < sources_[table].size(); ++row) {
      const std::vector<std::string> news = (this->*cells_of)(sources_[table][row]);
      std::vector<std::string>& cells = model_.tables[table].rows[row].cells;
      std::ranges::copy(news, cells.end() - static_cast<std::ptrdiff_t>(news.size()));
    }
  };
  update(kNodes, &WatchView::NodeCells);
  update(kLinks, &WatchView::LinkCells);
  update(kUplinks, &WatchView::UplinkCells);
  update(kProcesses, &WatchView::ProcessCells);
}

// ---- What is wished for

WatchView::Wish WatchView::TakeKeys() {
  const int page = std::max(WatchWindow(model_, FullScreen::size(), first_).height() - 1, 1);
  constexpr int kEnd = std::numeric_limits<int>::max() / 2;
  const std::array<std::pair<std::string_view, int>, 14> moves = {{{"\x1b[A", -1},
                                                                   {"\x1bOA", -1},
                                                                   {"k", -1},
                                                                   {"\x1b[B", 1},
                                                                   {"\x1bOB", 1},
                                                                   {"j", 1},
                                                                   {"\x1b[5~", -page},
                                                                   {"\x1b[6~", page},
                                                                   {" ", page},
                                                                   {"\x1b[H", -kEnd},
                                                                   {"\x1b[1~", -kEnd},
                                                                   {"\x1b[F", kEnd},
                                                                   {"\x1b[4~", kEnd},
                                                                   {"\x1bOF", kEnd}}};
  const std::string keys = screen_->TakeKeys();
  for (std::string_view left = keys; !left.empty();) {
    if (left[0] == 'q' || left[0] == 'Q') return Wish::kQuit;
    const WatchWindow window(model_, FullScreen::size(), first_);
    const auto move = std::ranges::find_if(moves, [left](const auto& one) { return left.starts_with(one.first); });
    if (left[0] == '\t') first_ = window.NextTable();
    if (move != moves.end()) first_ = window.first() + move->second;
    // A key that means nothing here goes letter by letter.
    left.remove_prefix(move == moves.end() ? 1 : move->first.size());
  }
  return Wish::kGoOn;
}

}  // namespace runner
