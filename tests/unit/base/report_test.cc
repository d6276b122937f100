#include "base/report.h"
#include "base/json.h"

#include <gtest/gtest.h>

namespace runner {
namespace {

Error Mistake(std::string excerpt, int column, int width) {
  return {.where = "node \"a\"",
          .tried = {},
          .why = "wrong",
          .file = "lab.yaml",
          .at = {.line = 3, .column = column, .width = width},
          .excerpt = std::move(excerpt)};
}

TEST(Report, PutsTheCaretBelowTheToken) {
  EXPECT_EQ(RenderError(Mistake("nodes: {a: 1}", 12, 1), Colour::kOff),
            "lab.yaml:3:12: node \"a\": wrong\n"
            "  nodes: {a: 1}\n"
            "             ^\n");
  EXPECT_EQ(RenderError(Mistake("nodes: {a: 1}", 1, 5), Colour::kOff),
            "lab.yaml:3:1: node \"a\": wrong\n"
            "  nodes: {a: 1}\n"
            "  ^~~~~\n");
}

TEST(Report, RepeatsTabsAndCountsWideCharacters) {
  EXPECT_EQ(RenderError(Mistake("\tä: 東京 x", 8, 1), Colour::kOff),
            "lab.yaml:3:8: node \"a\": wrong\n"
            "  \tä: 東京 x\n"
            "  \t        ^\n");
  EXPECT_EQ(RenderError(Mistake("a: 東京", 4, 2), Colour::kOff),
            "lab.yaml:3:4: node \"a\": wrong\n"
            "  a: 東京\n"
            "     ^~~~\n");
}

TEST(Report, ShowsNotesWithTheirOwnLine) {
  Error error = Mistake("b: 1", 1, 1);
  error.severity = Severity::kWarning;
  error.notes.push_back({.at = {.line = 1, .column = 4, .width = 1}, .text = "first here", .excerpt = "a: 1"});
  error.notes.push_back({.at = {}, .text = "a hint"});
  EXPECT_EQ(RenderError(error, Colour::kOff),
            "lab.yaml:3:1: warning: node \"a\": wrong\n"
            "  b: 1\n"
            "  ^\n"
            "lab.yaml:1:4: note: first here\n"
            "  a: 1\n"
            "     ^\n"
            "note: a hint\n");
}

TEST(Report, CutsNoCaretOutOfAPartOfALongLine) {
  Error error = Mistake("tail: x", 1007, 1);
  error.excerpt_column = 1001;
  EXPECT_EQ(RenderError(error, Colour::kOff),
            "lab.yaml:3:1007: node \"a\": wrong\n"
            "  tail: x\n"
            "        ^\n");
}

TEST(Report, ColoursOnlyWhenAsked) {
  EXPECT_EQ(RenderError(Mistake("x", 1, 1), Colour::kOff).find('\x1b'), std::string::npos);
  EXPECT_NE(RenderError(Mistake("x", 1, 1), Colour::kOn).find("\x1b[1;31m^"), std::string::npos);
}

TEST(Report, KeepsControlCharactersOffTheTerminal) {
  EXPECT_EQ(RenderError(Mistake("a\x1b[2J", 1, 1), Colour::kOff).find('\x1b'), std::string::npos);
}

TEST(Report, WritesJson) {
  Error error = Mistake("x", 4, 1);
  error.code = 2;
  Error warning = error;
  warning.severity = Severity::kWarning;
  EXPECT_EQ(
      JsonText(ErrorsJson({warning, error})),
      R"({"errors":[{"file":"lab.yaml","line":3,"column":4,"where":"node \"a\"","tried":"","why":"wrong","errno":2}]})");
}

}  // namespace
}  // namespace runner
