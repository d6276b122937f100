#include "base/report.h"

#include <fmt/format.h>

#include "base/columns.h"
#include "base/json.h"

namespace runner {
namespace {

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
      line.append(static_cast<std::size_t>(ColumnsOf(character)), ' ');
    }
  }
  int marked = 0;
  for (int i = 0; i < width && !excerpt.empty(); ++i) {
    const Character character = TakeCharacter(excerpt);
    marked += character.code == '\t' ? 1 : ColumnsOf(character);
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
  while (!text.empty()) width += ColumnsOf(TakeCharacter(text));
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
