// A drawing that has its places as SVG.
#include <fmt/format.h>

#include "picture/layout.h"
#include "picture/svg.h"

namespace runner {
namespace {

constexpr double kMargin = 16;

const char* StateName(DrawnBox::State state) {
  switch (state) {
    case DrawnBox::State::kUnknown:
      return "";
    case DrawnBox::State::kAsRecorded:
      return " as-recorded";
    case DrawnBox::State::kDrifted:
      return " drifted";
    case DrawnBox::State::kGone:
      return " gone";
  }
  return "";
}

std::string CurveText(const std::vector<DrawnPoint>& curve) {
  std::string out = fmt::format("M{:.1f},{:.1f}C", curve[0].x, curve[0].y);
  for (std::size_t i = 1; i < curve.size(); ++i)
    out += fmt::format("{}{:.1f},{:.1f}", i > 1 ? " " : "", curve[i].x, curve[i].y);
  return out;
}

std::string Line(const char* css, double x, double y, const std::string& text) {
  return fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", css, x, y, EscapedForMarkup(text));
}

std::string CableMarkup(const DrawnCable& cable, const PlacedCable& placed) {
  std::string out =
      fmt::format("<g class=\"cable\"><title>{}</title><path d=\"{}\"/>",
                  EscapedForMarkup(cable.a + ":" + cable.a_label + " -- " + cable.b + ":" + cable.b_label),
                  CurveText(placed.curve));
  if (!placed.lines.empty()) {
    const DrawnArea& label = placed.label;
    out += fmt::format("<rect class=\"paper\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>",
                       label.centre.x - label.width / 2, label.centre.y - label.height / 2, label.width, label.height);
    double y = label.centre.y - label.height / 2 + kLineHeight - 1;
    for (const std::string& line : placed.lines) {
      out += Line("label", label.centre.x, y, line);
      y += kLineHeight;
    }
  }
  return out + "</g>\n";
}

std::string BoxMarkup(const DrawnBox& box, const DrawnArea& area, std::size_t index) {
  const double left = area.centre.x - area.width / 2;
  const double top = area.centre.y - area.height / 2;
  const double round = box.kind == DrawnBox::Kind::kSwitch ? 14 : box.kind == DrawnBox::Kind::kUplink ? 10 : 4;
  std::string out = fmt::format("<g class=\"box {}{}\" data-box=\"{}\"><title>{}</title>", KindWord(box.kind),
                                StateName(box.state), index, EscapedForMarkup(box.name));
  out += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" rx=\"{}\"/>", left, top,
                     area.width, area.height, round);
  double y = top + kNameHeight;
  out += Line("name", area.centre.x, y - 1, box.name);
  for (const std::string& line : BoxLines(box)) {
    y += kLineHeight;
    out += Line("line", area.centre.x, y, line);
  }
  return out + "</g>\n";
}

}  // namespace

const char* KindWord(DrawnBox::Kind kind) {
  switch (kind) {
    case DrawnBox::Kind::kNode:
      return "node";
    case DrawnBox::Kind::kSwitch:
      return "switch";
    case DrawnBox::Kind::kHost:
      return "host";
    case DrawnBox::Kind::kUplink:
      return "uplink";
  }
  return "node";
}

std::string EscapedForMarkup(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// No variables and no nesting: many viewers of SVG know neither.
std::string_view PictureStyle() {
  return R"(svg { background: #ffffff; }
text { font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; text-anchor: middle; fill: #1b2733; }
.name { font-size: 13px; font-weight: bold; }
.line { font-size: 11px; fill: #5b6875; }
.label { font-size: 11px; }
.paper { fill: #ffffff; }
.cable path { fill: none; stroke: #7d8a98; stroke-width: 1.4; }
.box rect { stroke-width: 1.4; }
.node rect { fill: #e8f1fb; stroke: #3c78b4; }
.switch rect { fill: #eceff2; stroke: #7d8a98; }
.host rect { fill: #fdf3dc; stroke: #b98a1d; }
.uplink rect { fill: #e4f4e6; stroke: #3f8f4b; }
.drifted rect, .gone rect { stroke: #c62828; stroke-width: 2.6; }
.gone rect { stroke-dasharray: 5 4; }
@media (prefers-color-scheme: dark) {
svg { background: #14191f; }
text { fill: #e6ebf0; }
.line { fill: #a3afba; }
.paper { fill: #14191f; }
.node rect { fill: #1d2f42; stroke: #5b9bd8; }
.switch rect { fill: #262d35; stroke: #8a96a3; }
.host rect { fill: #3a3017; stroke: #d0a440; }
.uplink rect { fill: #1b3320; stroke: #5fb56c; }
.drifted rect, .gone rect { stroke: #ff7b72; }
}
)";
}

std::string PictureMarkup(const Drawing& drawing, const Layout& layout) {
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"{0:.1f} {0:.1f} {1:.1f} {2:.1f}\" width=\"{1:.0f}\" "
      "height=\"{2:.0f}\" "
      "role=\"img\" aria-label=\"{3}\">\n<style>\n{4}</style>\n<g class=\"all\">\n",
      -kMargin, layout.width + 2 * kMargin, layout.height + 2 * kMargin, EscapedForMarkup("the lab " + drawing.lab),
      PictureStyle());
  for (std::size_t i = 0; i < drawing.cables.size(); ++i) out += CableMarkup(drawing.cables[i], layout.cables[i]);
  for (std::size_t i = 0; i < drawing.boxes.size(); ++i) out += BoxMarkup(drawing.boxes[i], layout.boxes[i], i);
  return out + "</g>\n</svg>\n";
}

std::string SvgText(const Drawing& drawing, const Layout& layout) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + PictureMarkup(drawing, layout);
}

}  // namespace runner
