#include "picture/layout.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "base/json.h"
#include "picture/tree.h"

namespace runner {
namespace {

constexpr double kPointsPerInch = 72;
constexpr double kBoxPadding = 10;
constexpr std::size_t kMostLines = 12;
// More boxes than these that hang on one go into several rows.
constexpr std::size_t kLongRow = 8;
constexpr double kGap = 14;    // between the boxes of a block
constexpr double kTrunk = 24;  // at its left, where the cables come down

struct Size {
  double width = 0;
  double height = 0;
};

/// In letters, not bytes.
double Letters(const std::string& text) {
  return static_cast<double>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

double Widest(const std::vector<std::string>& lines) {
  double widest = 0;
  for (const std::string& line : lines) widest = std::max(widest, Letters(line));
  return widest * kLetterWidth;
}

Size SizeOf(const DrawnBox& box) {
  const std::vector<std::string> lines = BoxLines(box);
  const double text = std::max(Letters(box.name) * kNameLetterWidth, Widest(lines));
  return {.width = text + 2 * kBoxPadding,
          .height = kNameHeight + static_cast<double>(lines.size()) * kLineHeight + kBoxPadding};
}

/// The names of the ends, in the order of `first` and `second`, then what is set on the cable.
std::vector<std::string> LabelLines(const DrawnCable& cable, const std::string& first, const std::string& second) {
  std::vector<std::string> lines;
  for (const std::string& name : {first, second}) {
    if (!name.empty()) lines.push_back(name);
  }
  lines.insert(lines.end(), cable.lines.begin(), cable.lines.end());
  return lines;
}

struct EndNames {
  std::string a;
  std::string b;
};

EndNames NamesOf(const Drawing& drawing, const DrawnTree::Ends& ends, const DrawnCable& cable) {
  const auto shown = [&drawing](std::size_t box, const std::string& label) {
    return ShowsLabel(drawing.boxes[box].kind) ? label : std::string();
  };
  return {.a = shown(ends.a, cable.a_label), .b = shown(ends.b, cable.b_label)};
}

Size LabelSize(const std::vector<std::string>& lines) {
  if (lines.empty()) return {};
  return {.width = Widest(lines) + 8, .height = static_cast<double>(lines.size()) * kLineHeight + 4};
}

/// Many leaves of one box. Side by side they would make a picture as wide as they are many, so they stand in rows, and
/// Graphviz gets one box for all of them.
struct Block {
  std::vector<std::size_t> leaves;
  Size cell;         // a leaf with the label of its cable above it
  double label = 0;  // the height of that label
  std::size_t columns = 1;

  Size size() const {
    const std::size_t rows = (leaves.size() + columns - 1) / columns;
    return {.width = static_cast<double>(columns) * cell.width + kTrunk,
            .height = static_cast<double>(rows) * cell.height};
  }
};

/// The blocks by the box that they hang on.
std::map<std::size_t, Block> FindBlocks(const Drawing& drawing, const DrawnTree& tree) {
  std::map<std::size_t, Block> blocks;
  for (const std::size_t box : tree.order) {
    if (tree.parent[box] != DrawnTree::kNone && tree.cables[box].size() == 1)
      blocks[tree.parent[box]].leaves.push_back(box);
  }
  std::erase_if(blocks, [](const auto& entry) { return entry.second.leaves.size() <= kLongRow; });
  for (auto& [parent, block] : blocks) {
    Size widest;
    for (const std::size_t leaf : block.leaves) {
      const Size box = SizeOf(drawing.boxes[leaf]);
      const EndNames names = NamesOf(drawing, tree.ends[tree.cable[leaf]], drawing.cables[tree.cable[leaf]]);
      const Size label = LabelSize(LabelLines(drawing.cables[tree.cable[leaf]], names.a, names.b));
      widest = {.width = std::max({widest.width, box.width, label.width}),
                .height = std::max(widest.height, box.height)};
      block.label = std::max(block.label, label.height);
    }
    block.cell = {.width = widest.width + kGap, .height = widest.height + block.label + 3 * kGap};
    // About twice as wide as high.
    const double area = static_cast<double>(block.leaves.size()) * block.cell.width * block.cell.height;
    block.columns =
        std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(std::sqrt(2 * area) / block.cell.width)));
  }
  return blocks;
}

// ---- The answer

std::optional<double> Number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string_view> Split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(at), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

Error NoLayout(const std::string& what) { return Fail("read what Graphviz answered", what); }

class Reader {
 public:
  Reader(const Drawing& drawing, const Json& answer)
      : drawing_(drawing), answer_(answer), tree_(WalkTree(drawing)), blocks_(FindBlocks(drawing, tree_)) {}

  Result<Layout> Read() {
    TRY(ReadSize());
    layout_.boxes.resize(drawing_.boxes.size());
    layout_.cables.resize(drawing_.cables.size());
    TRY(ReadBoxes());
    TRY(ReadCables());
    return std::move(layout_);
  }

 private:
  static std::string Text(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
  }
  /// Which box or cable it is: "n12", "c3".
  static std::optional<std::size_t> Index(const std::string& name, char letter, std::size_t count) {
    if (name.size() < 2 || name[0] != letter) return std::nullopt;
    const auto number = Number(std::string_view(name).substr(1));
    if (!number || *number < 0 || *number >= static_cast<double>(count)) return std::nullopt;
    return static_cast<std::size_t>(*number);
  }

  Result<DrawnPoint> ReadPoint(std::string_view text) const {
    const auto parts = Split(text, ',');
    if (parts.size() == 2) {
      const auto x = Number(parts[0]);
      const auto y = Number(parts[1]);
      if (x && y) return DrawnPoint{.x = *x, .y = layout_.height - *y};  // its y grows upwards
    }
    return NoLayout(fmt::format("\"{}\" is no point", text));
  }

  Status ReadSize() {
    const auto parts = Split(bounds_ = Text(answer_, "bb"), ',');
    const auto width = parts.size() == 4 ? Number(parts[2]) : std::nullopt;
    const auto height = parts.size() == 4 ? Number(parts[3]) : std::nullopt;
    if (!width || !height) return NoLayout("it has no size");
    layout_.width = *width;
    layout_.height = *height;
    return {};
  }

  Status ReadBoxes() {
    std::size_t found = 0;
    for (const Json& object : answer_.value("objects", Json::array())) {
      const std::string name = Text(object, "name");
      if (const auto block = Index(name, 'b', drawing_.boxes.size()); block && blocks_.contains(*block)) {
        found += FillBlock(blocks_.at(*block), TRY(ReadPoint(Text(object, "pos"))));
      }
      const auto index = Index(name, 'n', drawing_.boxes.size());
      if (!index) continue;
      const Size size = SizeOf(drawing_.boxes[*index]);
      layout_.boxes[*index] = {
          .centre = TRY(ReadPoint(Text(object, "pos"))), .width = size.width, .height = size.height};
      ++found;
    }
    if (found != drawing_.boxes.size())
      return NoLayout(fmt::format("{} of {} boxes are in it", found, drawing_.boxes.size()));
    return {};
  }

  Status ReadCables() {
    std::size_t found = 0;
    for (const Json& object : answer_.value("edges", Json::array())) {
      const std::string id = Text(object, "id");
      if (const auto block = Index(id, 't', drawing_.boxes.size()); block && blocks_.contains(*block)) {
        found += ConnectBlock(blocks_.at(*block), TRY(ReadCurve(object)));
      }
      const auto index = Index(id, 'c', drawing_.cables.size());
      if (!index) continue;
      TRY(ReadCable(object, *index));
      ++found;
    }
    if (found != drawing_.cables.size())
      return NoLayout(fmt::format("{} of {} cables are in it", found, drawing_.cables.size()));
    return {};
  }

  Result<std::vector<DrawnPoint>> ReadCurve(const Json& object) const {
    std::vector<DrawnPoint> curve;
    const std::string text = Text(object, "pos");
    for (const std::string_view part : Split(text, ' ')) curve.push_back(TRY(ReadPoint(part)));
    if (curve.size() < 4) return NoLayout("a cable has no curve");
    return curve;
  }

  /// The boxes of both ends have their places.
  void SetLabel(std::size_t index, const DrawnPoint& centre) {
    const DrawnTree::Ends& ends = tree_.ends[index];
    EndNames names = NamesOf(drawing_, ends, drawing_.cables[index]);
    const DrawnPoint& a = layout_.boxes[ends.a].centre;
    const DrawnPoint& b = layout_.boxes[ends.b].centre;
    const bool level = std::abs(a.y - b.y) < 1;
    if (level ? b.x < a.x : b.y < a.y) std::swap(names.a, names.b);
    PlacedCable& placed = layout_.cables[index];
    placed.lines = LabelLines(drawing_.cables[index], names.a, names.b);
    const Size size = LabelSize(placed.lines);
    placed.label = {.centre = centre, .width = size.width, .height = size.height};
  }

  Status ReadCable(const Json& object, std::size_t index) {
    layout_.cables[index].curve = TRY(ReadCurve(object));
    const std::string label = Text(object, "lp");
    if (!label.empty()) SetLabel(index, TRY(ReadPoint(label)));
    return {};
  }

  /// Leaves in rows, from the left; how many there are.
  std::size_t FillBlock(const Block& block, const DrawnPoint& centre) {
    const Size whole = block.size();
    for (std::size_t i = 0; i < block.leaves.size(); ++i) {
      const std::size_t rows_above = i / block.columns;
      const auto column = static_cast<double>(i % block.columns);
      const auto row = static_cast<double>(rows_above);
      const Size size = SizeOf(drawing_.boxes[block.leaves[i]]);
      const double bottom = centre.y - whole.height / 2 + (row + 1) * block.cell.height - kGap / 2;
      layout_.boxes[block.leaves[i]] = {
          .centre = {.x = centre.x - whole.width / 2 + kTrunk + (column + 0.5) * block.cell.width,
                     .y = bottom - (block.cell.height - block.label - 3 * kGap) + size.height / 2},
          .width = size.width,
          .height = size.height};
    }
    return block.leaves.size();
  }

  /// From the end of `trunk` down at the block's left, along above the row, down to the leaf.
  std::size_t ConnectBlock(const Block& block, const std::vector<DrawnPoint>& trunk) {
    for (std::size_t i = 0; i < block.leaves.size(); ++i) {
      const std::size_t leaf = block.leaves[i];
      const DrawnArea& box = layout_.boxes[leaf];
      const auto column = static_cast<double>(i % block.columns);
      const double left = box.centre.x - (column + 0.5) * block.cell.width - kTrunk / 2;
      const double above = box.centre.y - box.height / 2 - block.label - 1.5 * kGap;
      PlacedCable& placed = layout_.cables[tree_.cable[leaf]];
      placed.curve = trunk;
      const DrawnPoint& end = trunk.back();
      for (const DrawnPoint& corner : {DrawnPoint{.x = left, .y = end.y}, DrawnPoint{.x = left, .y = above},
                                       DrawnPoint{.x = box.centre.x, .y = above},
                                       DrawnPoint{.x = box.centre.x, .y = box.centre.y - box.height / 2}}) {
        const DrawnPoint from = placed.curve.back();
        placed.curve.insert(placed.curve.end(), {from, corner, corner});
      }
      SetLabel(tree_.cable[leaf], {.x = box.centre.x, .y = above + kGap / 2 + block.label / 2 + 2});
    }
    return block.leaves.size();
  }

  const Drawing& drawing_;
  const Json& answer_;
  const DrawnTree tree_;
  const std::map<std::size_t, Block> blocks_;
  std::string bounds_;
  Layout layout_;
};

}  // namespace

bool DrawnArea::Overlaps(const DrawnArea& other) const {
  // Touching is no overlap, nor is what rounding makes.
  constexpr double kSlack = 0.5;
  return std::abs(centre.x - other.centre.x) + kSlack < (width + other.width) / 2 &&
         std::abs(centre.y - other.centre.y) + kSlack < (height + other.height) / 2;
}

std::vector<std::string> BoxLines(const DrawnBox& box) {
  if (box.lines.size() <= kMostLines) return box.lines;
  std::vector<std::string> lines(box.lines.begin(), box.lines.begin() + (kMostLines - 1));
  lines.push_back(fmt::format("and {} more", box.lines.size() - lines.size()));
  return lines;
}

std::string LayoutRequest(const Drawing& drawing) {
  const DrawnTree tree = WalkTree(drawing);
  const std::map<std::size_t, Block> blocks = FindBlocks(drawing, tree);
  const auto in_block = [&](std::size_t box) {
    return tree.cables[box].size() == 1 && tree.parent[box] != DrawnTree::kNone && blocks.contains(tree.parent[box]);
  };
  const auto box_text = [](char letter, std::size_t box, const Size& size) {
    return fmt::format("  {}{} [width={:.4f} height={:.4f}];\n", letter, box, size.width / kPointsPerInch,
                       size.height / kPointsPerInch);
  };
  std::string out = "graph {\n  graph [nodesep=0.3 ranksep=0.35];\n  node [shape=box fixedsize=true label=\"\"];\n";
  for (const std::size_t box : tree.order) {
    if (!in_block(box)) out += box_text('n', box, SizeOf(drawing.boxes[box]));
    if (const auto block = blocks.find(box); block != blocks.end()) out += box_text('b', box, block->second.size());
  }
  for (std::size_t i = 0; i < tree.ends.size(); ++i) {
    const DrawnTree::Ends& ends = tree.ends[i];
    // What is further outside stands above.
    const auto [upper, lower] =
        std::minmax(ends.a, ends.b, [&tree](std::size_t a, std::size_t b) { return tree.place[a] < tree.place[b]; });
    if (in_block(lower)) continue;
    const EndNames names = NamesOf(drawing, ends, drawing.cables[i]);
    const Size label = LabelSize(LabelLines(drawing.cables[i], names.a, names.b));
    out += fmt::format("  n{} -- n{} [id=c{}", upper, lower, i);
    // An empty table: the only label whose size does not hang on a font.
    if (label.height > 0) {
      out += fmt::format(
          " label=<<TABLE BORDER=\"0\" CELLBORDER=\"0\" CELLSPACING=\"0\" CELLPADDING=\"0\" FIXEDSIZE=\"TRUE\" "
          "WIDTH=\"{:.0f}\" HEIGHT=\"{:.0f}\"><TR><TD></TD></TR></TABLE>>",
          std::ceil(label.width), std::ceil(label.height));
    }
    out += "];\n";
  }
  for (const auto& [parent, block] : blocks) out += fmt::format("  n{0} -- b{0} [id=t{0}];\n", parent);
  return out + "}\n";
}

Result<Layout> ReadLayout(const Drawing& drawing, const std::string& answer) {
  const Json parsed = Json::parse(answer, nullptr, false);
  if (!parsed.is_object()) return NoLayout("it is no JSON document");
  return Reader(drawing, parsed).Read();
}

}  // namespace runner
