// The parts of a picture that a file of its own and a page have in common.
#pragma once
#include <string>
#include <string_view>

#include "picture/layout.h"

namespace runner {

/// "node", "switch", "host", "uplink"
const char* KindWord(DrawnBox::Kind kind);
/// For text and attributes of XML and HTML.
std::string EscapedForMarkup(const std::string& text);
/// The style sheet: colours for light and dark, one font whose letters are of one width.
std::string_view PictureStyle();
/// The `svg` element.
std::string PictureMarkup(const Drawing& drawing, const Layout& layout);

}  // namespace runner
