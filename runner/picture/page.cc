// A drawing as a page of its own. The page itself is page.html; here its blanks are filled.
#include "picture/page.h"

#include "base/json.h"
#include "picture/svg.h"

namespace runner {
namespace {

const char* StateText(DrawnBox::State state) {
  switch (state) {
    case DrawnBox::State::kUnknown:
      return "";
    case DrawnBox::State::kAsRecorded:
      return "as recorded";
    case DrawnBox::State::kDrifted:
      return "not as recorded";
    case DrawnBox::State::kGone:
      return "gone";
  }
  return "";
}

/// JSON that may stand in a script element: nothing in it ends one.
std::string Data(const Drawing& drawing) {
  Json boxes = Json::array();
  for (const DrawnBox& box : drawing.boxes) {
    Json sections = Json::array();
    for (const DrawnSection& section : box.sections)
      sections.push_back({{"title", section.title}, {"lines", section.lines}});
    boxes.push_back({{"name", box.name},
                     {"kind", KindWord(box.kind)},
                     {"state", StateText(box.state)},
                     {"lines", box.lines},
                     {"sections", std::move(sections)}});
  }
  const Json data = {{"made", drawing.made}, {"boxes", std::move(boxes)}};
  std::string out;
  for (const char c : data.dump(-1, ' ', false, Json::error_handler_t::replace)) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string PageText(const Drawing& drawing, const Layout& layout) {
  std::string out;
  std::string_view rest = kPageText;
  while (!rest.empty()) {
    const std::size_t open = rest.find("{{");
    out += rest.substr(0, open);
    if (open == std::string_view::npos) break;
    const std::size_t close = rest.find("}}", open);
    const std::string_view blank = rest.substr(open + 2, close - open - 2);
    if (blank == "TITLE") out += EscapedForMarkup(drawing.lab + " - toporun");
    if (blank == "LAB") out += EscapedForMarkup(drawing.lab);
    if (blank == "PICTURE") out += PictureMarkup(drawing, layout);
    if (blank == "DATA") out += Data(drawing);
    rest.remove_prefix(close + 2);
  }
  return out;
}

}  // namespace runner
