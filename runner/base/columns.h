// Text on a terminal, character by character: how many columns each takes, and what fits.
#pragma once
#include <string>
#include <string_view>

namespace runner {

/// Of UTF-8.
struct Character {
  std::string_view bytes;
  char32_t code = 0;
};
/// Takes the first character off `text`, which is not empty; a byte that begins none counts as one.
Character TakeCharacter(std::string_view& text);
/// Two for wide characters, none for combining ones.
int ColumnsOf(const Character& character);

/// No more of `text` than fits into so many columns; where something is left out, an ellipsis. Nothing in it moves a
/// terminal's cursor: `?` stands for what would.
std::string FitColumns(std::string_view text, int columns);

}  // namespace runner
