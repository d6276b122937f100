#include "base/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/json.h"

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

struct Character {
  std::string_view bytes;
  char32_t code = 0;
};

/// Takes the first character off `text`; a byte that begins none counts as one.
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

int Width(char32_t code) {
  if (IsIn(kZeroWidth, code)) return 0;
  return IsIn(kWide, code) ? 2 : 1;
}

/// Nothing that could move a terminal's cursor; tabs stay and are repeated in the line below.
std::string Printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += (byte < 0x20 && c != '\t') || byte == 0x7f ? '?' : c;
  }
  return out;
}

/// The line of blanks and a caret that stands below `excerpt`.
std::string CaretLine(std::string_view excerpt, int column, int width) {
  std::string line;
  for (int i = 1; i < column; ++i) {
    if (excerpt.empty()) {
      line += ' ';
      continue;
    }
    const Character character = TakeCharacter(excerpt);
    if (character.code == '\t') {
      line += '\t';
    } else {
      line.append(static_cast<std::size_t>(Width(character.code)), ' ');
    }
  }
  int marked = 0;
  for (int i = 0; i < width && !excerpt.empty(); ++i) {
    const Character character = TakeCharacter(excerpt);
    marked += character.code == '\t' ? 1 : Width(character.code);
  }
  line += '^';
  if (marked > 1) line.append(static_cast<std::size_t>(marked - 1), '~');
  return line;
}

struct Shown {
  std::string file;
  Position at;
  std::string kind;  // "warning: ", "note: " or nothing
  std::string text;
  std::string excerpt;
  int excerpt_column;
};

std::string Render(const Shown& shown, Colour colour, std::string_view kind_colour) {
  const bool on = colour == Colour::kOn;
  std::string place;
  if (!shown.file.empty()) place = shown.file;
  if (shown.at.known()) place += fmt::format("{}{}:{}", place.empty() ? "" : ":", shown.at.line, shown.at.column);
  if (!place.empty()) place += ": ";
  std::string out;
  if (on) out += fmt::format("\x1b[1m{}\x1b[0m{}{}\x1b[0m", Printable(place), kind_colour, shown.kind);
  if (!on) out += Printable(place) + shown.kind;
  out += shown.text + "\n";
  if (shown.excerpt.empty() || !shown.at.known()) return out;
  const std::string caret = CaretLine(shown.excerpt, shown.at.column - shown.excerpt_column + 1, shown.at.width);
  out += "  " + Printable(shown.excerpt) + "\n  " + (on ? std::string(kind_colour) + caret + "\x1b[0m" : caret) + "\n";
  return out;
}

}  // namespace

int DisplayWidth(std::string_view text) {
  int width = 0;
  while (!text.empty()) width += Width(TakeCharacter(text).code);
  return width;
}

std::string RenderError(const Error& error, Colour colour) {
  const bool warning = error.severity == Severity::kWarning;
  std::string out = Render({.file = error.file,
                            .at = error.at,
                            .kind = warning ? "warning: " : "",
                            .text = error.text(),
                            .excerpt = error.excerpt,
                            .excerpt_column = error.excerpt_column},
                           colour, warning ? "\x1b[1;35m" : "\x1b[1;31m");
  for (const Note& note : error.notes) {
    out += Render({.file = note.at.known() ? error.file : "",
                   .at = note.at,
                   .kind = "note: ",
                   .text = note.text,
                   .excerpt = note.excerpt,
                   .excerpt_column = note.excerpt_column},
                  colour, "\x1b[1;36m");
  }
  return out;
}

Json ErrorsJson(const Errors& errors) {
  Json list = Json::array();
  for (const Error& error : errors) {
    if (error.severity != Severity::kError) continue;
    list.push_back({{"file", error.file},
                    {"line", error.at.line},
                    {"column", error.at.known() ? error.at.column : 0},
                    {"where", error.where},
                    {"tried", error.tried},
                    {"why", error.why},
                    {"errno", error.code}});
  }
  return Json{{"errors", std::move(list)}};
}

}  // namespace runner
