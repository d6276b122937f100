// A drawing in Graphviz's language.
#include <fmt/format.h>

#include "picture/drawing.h"

namespace runner {
namespace {

/// A string of the language: only quotes and backslashes mean something in it.
std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string LabelOf(const DrawnBox& box) {
  // `\n` is the language's own sign for a new line in a label.
  std::string label = Quoted(box.name);
  label.pop_back();
  for (const std::string& line : box.lines) {
    const std::string quoted = Quoted(line);
    label += "\\n" + quoted.substr(1, quoted.size() - 2);
  }
  return label + '"';
}

const char* ShapeOf(DrawnBox::Kind kind) {
  switch (kind) {
    case DrawnBox::Kind::kNode:
      return "box";
    case DrawnBox::Kind::kSwitch:
      return "ellipse";
    case DrawnBox::Kind::kHost:
      return "house";
    case DrawnBox::Kind::kUplink:
      return "egg";
  }
  return "box";
}

std::string CableText(const DrawnCable& cable) {
  std::string labels;
  if (!cable.a_label.empty()) labels += "taillabel=" + Quoted(cable.a_label);
  if (!cable.b_label.empty()) labels += (labels.empty() ? "" : ", ") + ("headlabel=" + Quoted(cable.b_label));
  return fmt::format("  {} -- {}{};\n", Quoted(cable.a), Quoted(cable.b), labels.empty() ? "" : " [" + labels + "]");
}

}  // namespace

std::string DotText(const Drawing& drawing) {
  std::string out = fmt::format("graph {} {{\n  node [shape=box];\n  edge [labeldistance=1.5];\n", Quoted(drawing.lab));
  for (const DrawnBox& box : drawing.boxes) {
    out += fmt::format("  {} [label={}, shape={}];\n", Quoted(box.name), LabelOf(box), ShapeOf(box.kind));
  }
  for (const DrawnCable& cable : drawing.cables) out += CableText(cable);
  return out + "}\n";
}

}  // namespace runner
