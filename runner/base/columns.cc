#include "base/columns.h"

#include <algorithm>
#include <array>

namespace runner {
namespace {

struct CodeRange {
  char32_t first;
  char32_t last;
};

// Blocks of UAX #11 that terminals draw two columns wide; the odd character outside them may shift a caret by one.
constexpr std::array<CodeRange, 13> kWide = {{{0x1100, 0x115f},
                                              {0x231a, 0x231b},
                                              {0x2e80, 0x303e},
                                              {0x3041, 0x33ff},
                                              {0x3400, 0x4dbf},
                                              {0x4e00, 0x9fff},
                                              {0xa000, 0xa4cf},
                                              {0xac00, 0xd7a3},
                                              {0xf900, 0xfaff},
                                              {0xfe30, 0xfe6f},
                                              {0xff00, 0xff60},
                                              {0x1f300, 0x1faff},
                                              {0x20000, 0x3fffd}}};
// Combining marks, joiners and variation selectors.
constexpr std::array<CodeRange, 7> kZeroWidth = {{{0x0300, 0x036f},
                                                  {0x0483, 0x0489},
                                                  {0x0591, 0x05bd},
                                                  {0x1ab0, 0x1aff},
                                                  {0x200b, 0x200f},
                                                  {0x20d0, 0x20ff},
                                                  {0xfe00, 0xfe0f}}};

template <std::size_t kSize>
bool IsIn(const std::array<CodeRange, kSize>& ranges, char32_t code) {
  return std::ranges::any_of(ranges, [code](const CodeRange& r) { return r.first <= code && code <= r.last; });
}

/// A whole character of UTF-8 that is none of the two blocks of control characters.
bool IsShown(const Character& character) {
  const auto is_more = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; };
  if (character.bytes.size() == 1) return character.code >= 0x20 && character.code < 0x7f;
  return character.code > 0x9f && std::ranges::all_of(character.bytes.substr(1), is_more);
}

}  // namespace

Character TakeCharacter(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  size = std::min(size, text.size());
  auto code = static_cast<char32_t>(size == 1 ? lead : lead & (0xff >> (size + 1)));
  for (std::size_t i = 1; i < size; ++i) {
    code = static_cast<char32_t>((code << 6) | (static_cast<unsigned char>(text[i]) & 0x3f));
  }
  const Character character{text.substr(0, size), code};
  text.remove_prefix(size);
  return character;
}

int ColumnsOf(const Character& character) {
  if (IsIn(kZeroWidth, character.code)) return 0;
  return IsIn(kWide, character.code) ? 2 : 1;
}

std::string FitColumns(std::string_view text, int columns) {
  std::string out;
  std::size_t cut = 0;  // where the ellipsis goes
  int width = 0;
  while (!text.empty()) {
    const std::string_view rest = text.substr(1);
    const Character character = TakeCharacter(text);
    const bool is_shown = IsShown(character);
    // What follows a byte that is no UTF-8 may be a control character.
    if (!is_shown) text = rest;
    const int added = is_shown ? ColumnsOf(character) : 1;
    if (width + added > columns) return columns < 1 ? "" : out.substr(0, cut) + "…";
    width += added;
    out += is_shown ? character.bytes : "?";
    if (width < columns) cut = out.size();
  }
  return out;
}

}  // namespace runner
