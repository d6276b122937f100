#include "picture/tree.h"

#include <algorithm>
#include <deque>
#include <numeric>
#include <string_view>
#include <unordered_map>

#include <fmt/format.h>

namespace runner {
namespace {

/// Lower is further outside.
int Outerness(DrawnBox::Kind kind) {
  if (kind == DrawnBox::Kind::kHost) return 0;
  return kind == DrawnBox::Kind::kUplink ? 1 : 2;
}

class Walker {
 public:
  explicit Walker(const Drawing& drawing) : drawing_(drawing) {}

  DrawnTree Walk() {
    tree_.parent.assign(drawing_.boxes.size(), DrawnTree::kNone);
    tree_.cable.assign(drawing_.boxes.size(), DrawnTree::kNone);
    tree_.place.assign(drawing_.boxes.size(), DrawnTree::kNone);
    ReadCables();
    for (const std::size_t root : Roots()) {
      if (!IsReached(root)) WalkFrom(root);
    }
    return std::move(tree_);
  }

 private:
  bool IsReached(std::size_t box) const { return tree_.place[box] != DrawnTree::kNone; }

  void ReadCables() {
    std::unordered_map<std::string_view, std::size_t> by_name;
    for (std::size_t i = 0; i < drawing_.boxes.size(); ++i) by_name.emplace(drawing_.boxes[i].name, i);
    tree_.cables.resize(drawing_.boxes.size());
    for (const DrawnCable& cable : drawing_.cables) {
      const DrawnTree::Ends ends{.a = by_name.at(cable.a), .b = by_name.at(cable.b)};
      tree_.cables[ends.a].push_back(tree_.ends.size());
      if (ends.a != ends.b) tree_.cables[ends.b].push_back(tree_.ends.size());
      tree_.ends.push_back(ends);
    }
  }

  std::vector<std::size_t> Roots() const {
    std::vector<std::size_t> roots(drawing_.boxes.size());
    std::iota(roots.begin(), roots.end(), std::size_t{0});
    std::ranges::stable_sort(roots, [this](std::size_t a, std::size_t b) {
      const int outer_a = Outerness(drawing_.boxes[a].kind);
      const int outer_b = Outerness(drawing_.boxes[b].kind);
      return outer_a != outer_b ? outer_a < outer_b : tree_.cables[a].size() > tree_.cables[b].size();
    });
    return roots;
  }

  void Reach(std::size_t box) {
    tree_.place[box] = tree_.order.size();
    tree_.order.push_back(box);
  }

  void WalkFrom(std::size_t root) {
    Reach(root);
    for (std::size_t next = tree_.place[root]; next < tree_.order.size(); ++next) {
      const std::size_t box = tree_.order[next];
      for (const std::size_t cable : tree_.cables[box]) {
        const std::size_t far = tree_.ends[cable].Far(box);
        if (IsReached(far)) continue;
        tree_.parent[far] = box;
        tree_.cable[far] = cable;
        Reach(far);
      }
    }
  }

  const Drawing& drawing_;
  DrawnTree tree_;
};

class TreeWriter {
 public:
  explicit TreeWriter(const Drawing& drawing) : drawing_(drawing), tree_(WalkTree(drawing)) {
    children_.resize(drawing.boxes.size());
    for (const std::size_t box : tree_.order) {
      if (tree_.parent[box] != DrawnTree::kNone) children_[tree_.parent[box]].push_back(box);
    }
  }

  std::string Write() {
    for (const std::size_t box : tree_.order) {
      if (tree_.parent[box] == DrawnTree::kNone) WriteFrom(box);
    }
    return std::move(out_);
  }

 private:
  struct Entry {
    std::size_t box = 0;
    std::string head;   // before its own line
    std::string rest;   // before what stands below it
    std::string cable;  // to its parent
  };

  // A list of what is still to write in place of calls: a chain of routers may be as deep as it is long.
  void WriteFrom(std::size_t root) {
    std::vector<Entry> open = {{.box = root, .head = {}, .rest = {}, .cable = {}}};
    while (!open.empty()) {
      const Entry entry = std::move(open.back());
      open.pop_back();
      WriteBox(entry);
      const std::vector<std::size_t>& children = children_[entry.box];
      for (std::size_t i = children.size(); i-- > 0;) {
        const bool is_last = i + 1 == children.size();
        open.push_back({.box = children[i],
                        .head = entry.rest + (is_last ? "`-- " : "|-- "),
                        .rest = entry.rest + (is_last ? "    " : "|   "),
                        .cable = CableText(tree_.cable[children[i]], entry.box)});
      }
    }
  }

  void WriteBox(const Entry& entry) {
    const DrawnBox& box = drawing_.boxes[entry.box];
    out_ += fmt::format("{}{}{}{}\n", entry.head, entry.cable.empty() ? "" : entry.cable + " ", box.name,
                        box.kind == DrawnBox::Kind::kSwitch ? " (switch)" : "");
    const std::vector<std::size_t> circles = CirclesAt(entry.box);
    const bool has_children = !children_[entry.box].empty();
    const char* bar = has_children || !circles.empty() ? "|" : " ";
    for (const std::string& line : box.lines) out_ += fmt::format("{}{}  {}\n", entry.rest, bar, line);
    for (std::size_t i = 0; i < circles.size(); ++i) {
      const bool is_last = !has_children && i + 1 == circles.size();
      out_ += fmt::format("{}{} {} {} (above)\n", entry.rest, is_last ? "`--" : "|--", CableText(circles[i], entry.box),
                          drawing_.boxes[tree_.ends[circles[i]].Far(entry.box)].name);
    }
  }

  /// Cables that no child hangs on, each told once: at the end that the walk came to later.
  std::vector<std::size_t> CirclesAt(std::size_t box) const {
    std::vector<std::size_t> found;
    for (const std::size_t cable : tree_.cables[box]) {
      const std::size_t far = tree_.ends[cable].Far(box);
      const bool is_in_tree = tree_.cable[box] == cable || tree_.cable[far] == cable;
      if (!is_in_tree && tree_.place[far] <= tree_.place[box]) found.push_back(cable);
    }
    return found;
  }

  /// "eth0 -- eth1 (mtu 1400)": the near end first.
  std::string CableText(std::size_t index, std::size_t near) const {
    const DrawnCable& cable = drawing_.cables[index];
    const DrawnTree::Ends& ends = tree_.ends[index];
    const auto label = [this](std::size_t box, const std::string& text) {
      return ShowsLabel(drawing_.boxes[box].kind) ? text : std::string();
    };
    std::string from = label(ends.a, cable.a_label);
    std::string to = label(ends.b, cable.b_label);
    if (near != ends.a) std::swap(from, to);
    std::string set;
    for (const std::string& line : cable.lines) set += (set.empty() ? "" : ", ") + line;
    // The branch itself is a line already.
    std::string text = from.empty() ? to : from + " --" + (to.empty() ? "" : " " + to);
    if (!set.empty()) text += (text.empty() ? "(" : " (") + set + ")";
    return text;
  }

  const Drawing& drawing_;
  const DrawnTree tree_;
  std::vector<std::vector<std::size_t>> children_;
  std::string out_;
};

}  // namespace

DrawnTree WalkTree(const Drawing& drawing) { return Walker(drawing).Walk(); }

std::string TreeText(const Drawing& drawing) { return TreeWriter(drawing).Write(); }

}  // namespace runner
