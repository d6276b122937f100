// The text behind a YAML tree: byte offsets to lines and columns, tokens and their width.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace runner {

/// A scalar's token, behind its anchor and tag.
struct TokenPlace {
  Position at;
  bool quoted = false;      // in quotes or a block scalar
  std::string_view text{};  // of the token, on its first line
};

class YamlText {
 public:
  explicit YamlText(std::string_view text);

  struct IllFormed {
    Position at;
    std::string why;
  };
  /// The first byte that is not UTF-8, or a control character that YAML does not allow.
  std::optional<IllFormed> FindIllFormed();

  Position At(int offset, int width);
  TokenPlace Token(int offset);
  /// The last character before `offset` that is no blank and no comment: where an empty value was expected.
  Position BeforeBlank(int offset);
  char ByteAt(int offset) const;
  /// Whether the quoted scalar at `offset` has its closing quote; true for every other token.
  bool IsClosed(int offset) const;

  /// An unquoted `${` in flow style, on the line of `offset` or the one before: what a syntax error there is about.
  std::optional<Position> UnquotedReference(int offset);
  /// A tab in the indentation of the line of `offset`.
  std::optional<Position> LeadingTab(int offset);

 private:
  std::size_t Clamp(int offset) const;
  std::size_t SkipProperties(std::size_t offset) const;
  std::size_t EndOfToken(std::size_t start) const;
  std::string_view LineOf(std::size_t offset, std::size_t& start) const;

  std::string_view text_;
  std::vector<std::size_t> line_starts_;
  // The place asked last: columns are counted on from it, as one line may hold the whole file.
  std::size_t last_offset_ = 0;
  std::size_t last_line_ = 0;
  int last_column_ = 1;
};

}  // namespace runner
