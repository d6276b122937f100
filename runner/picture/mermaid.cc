// A drawing in Mermaid's language (flowchart), which code hosts render in a README.
#include <unordered_map>

#include <fmt/format.h>

#include "picture/drawing.h"

namespace runner {
namespace {

/// Within a quoted label the language knows entities, written with `#` in place of `&`.
std::string WithEntities(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "#quot;";
        break;
      case '<':
        out += "#lt;";
        break;
      case '>':
        out += "#gt;";
        break;
      case '#':
        out += "#35;";
        break;
      case '&':
        out += "#amp;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

/// What stands around the label of a box: its shape.
std::pair<const char*, const char*> BracketsOf(DrawnBox::Kind kind) {
  switch (kind) {
    case DrawnBox::Kind::kNode:
      return {"[\"", "\"]"};
    case DrawnBox::Kind::kSwitch:
      return {"([\"", "\"])"};
    case DrawnBox::Kind::kHost:
      return {"[[\"", "\"]]"};
    case DrawnBox::Kind::kUplink:
      return {">\"", "\"]"};
  }
  return {"[\"", "\"]"};
}

std::string LabelOf(const DrawnCable& cable, DrawnBox::Kind a, DrawnBox::Kind b) {
  std::string label;
  const auto add = [&label](const std::string& part, const char* between) {
    if (!part.empty()) label += (label.empty() ? "" : between) + WithEntities(part);
  };
  if (ShowsLabel(a)) add(cable.a_label, "");
  if (ShowsLabel(b)) add(cable.b_label, " - ");
  for (const std::string& line : cable.lines) add(line, "<br/>");
  return label;
}

}  // namespace

std::string MermaidText(const Drawing& drawing) {
  std::string out = "flowchart TB\n";
  std::unordered_map<std::string, std::size_t> numbers;
  for (const DrawnBox& box : drawing.boxes) {
    const auto [open, close] = BracketsOf(box.kind);
    std::string label = WithEntities(box.name);
    for (const std::string& line : box.lines) label += "<br/>" + WithEntities(line);
    out += fmt::format("  n{}{}{}{}\n", numbers.size(), open, label, close);
    numbers.emplace(box.name, numbers.size());
  }
  for (const DrawnCable& cable : drawing.cables) {
    const std::size_t a = numbers.at(cable.a);
    const std::size_t b = numbers.at(cable.b);
    const std::string label = LabelOf(cable, drawing.boxes[a].kind, drawing.boxes[b].kind);
    out += fmt::format("  n{} ---{} n{}\n", a, label.empty() ? "" : "|\"" + label + "\"|", b);
  }
  return out;
}

}  // namespace runner
