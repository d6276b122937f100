#include "topology/yaml_text.h"

#include <algorithm>

namespace runner {
namespace {

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

int CountCharacters(std::string_view text) {
  return static_cast<int>(std::ranges::count_if(text, [](char c) { return !IsContinuation(c); }));
}

/// The length of the well-formed UTF-8 sequence that `text` begins with, or 0 (RFC 3629: no overlong forms, no
/// surrogates, nothing above U+10FFFF).
std::size_t SequenceLength(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : static_cast<unsigned char>(0);
  };
  const auto continues = [&](std::size_t i, int low = 0x80, int high = 0xbf) {
    return byte(i) >= low && byte(i) <= high;
  };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return continues(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const bool second = continues(1, lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf);
    return second && continues(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const bool second = continues(1, lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf);
    return second && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

YamlText::YamlText(std::string_view text) : text_(text) {
  line_starts_.push_back(0);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') line_starts_.push_back(i + 1);
  }
}

std::optional<YamlText::IllFormed> YamlText::FindIllFormed() {
  for (std::size_t i = 0; i < text_.size();) {
    const auto byte = static_cast<unsigned char>(text_[i]);
    const std::size_t length = SequenceLength(text_.substr(i));
    const auto ill_formed = [&](const char* why) { return IllFormed{At(static_cast<int>(i), 1), why}; };
    if (length == 0) return ill_formed("this is not UTF-8");
    if (byte == 0) return ill_formed("a NUL byte: this is no text");
    const bool control = (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f ||
                         (byte == 0xc2 && static_cast<unsigned char>(text_[i + 1]) < 0xa0 &&
                          static_cast<unsigned char>(text_[i + 1]) != 0x85);
    if (control) return ill_formed("a control character that YAML does not allow");
    i += length;
  }
  return std::nullopt;
}

std::size_t YamlText::Clamp(int offset) const {
  return std::min(static_cast<std::size_t>(std::max(offset, 0)), text_.size());
}

char YamlText::ByteAt(int offset) const {
  const std::size_t i = Clamp(offset);
  return i < text_.size() ? text_[i] : '\0';
}

Position YamlText::At(int offset, int width) {
  const std::size_t target = Clamp(offset);
  const bool same_line = target >= line_starts_[last_line_] &&
                         (last_line_ + 1 == line_starts_.size() || target < line_starts_[last_line_ + 1]);
  if (!same_line) {
    const auto next = std::ranges::upper_bound(line_starts_, target);
    last_line_ = static_cast<std::size_t>(next - line_starts_.begin()) - 1;
    last_offset_ = line_starts_[last_line_];
    last_column_ = 1;
  }
  if (target >= last_offset_) {
    last_column_ += CountCharacters(text_.substr(last_offset_, target - last_offset_));
  } else {
    last_column_ -= CountCharacters(text_.substr(target, last_offset_ - target));
  }
  last_offset_ = target;
  return {.line = static_cast<int>(last_line_) + 1, .column = last_column_, .width = std::max(width, 1)};
}

std::size_t YamlText::SkipProperties(std::size_t offset) const {
  while (offset < text_.size() && (text_[offset] == '&' || text_[offset] == '!')) {
    std::size_t end = offset;
    while (end < text_.size() && !IsBlank(text_[end])) ++end;
    while (end < text_.size() && IsBlank(text_[end])) ++end;
    if (end == text_.size()) return offset;
    offset = end;
  }
  return offset;
}

std::size_t YamlText::EndOfToken(std::size_t start) const {
  const char first = text_[start];
  std::size_t end = start + 1;
  if (first == '"' || first == '\'') {
    for (; end < text_.size() && text_[end] != '\n'; ++end) {
      if (first == '"' && text_[end] == '\\') {
        ++end;
      } else if (text_[end] == first) {
        if (first == '\'' && end + 1 < text_.size() && text_[end + 1] == '\'') {
          ++end;
        } else {
          return end + 1;
        }
      }
    }
    return std::min(end, text_.size());
  }
  if (std::string_view("{[|>").find(first) != std::string_view::npos) return end;
  for (; end < text_.size() && text_[end] != '\n' && text_[end] != '\r'; ++end) {
    const char c = text_[end];
    const char next = end + 1 < text_.size() ? text_[end + 1] : '\n';
    if (std::string_view(",[]{}").find(c) != std::string_view::npos) break;
    if (c == ':' && (IsBlank(next) || std::string_view(",[]{}").find(next) != std::string_view::npos)) break;
    if (c == '#' && IsBlank(text_[end - 1])) break;
  }
  while (end > start + 1 && IsBlank(text_[end - 1])) --end;
  return end;
}

bool YamlText::IsClosed(int offset) const {
  const std::size_t start = SkipProperties(Clamp(offset));
  if (start >= text_.size()) return true;
  const char quote = text_[start];
  if (quote != '"' && quote != '\'') return true;
  for (std::size_t i = start + 1; i < text_.size(); ++i) {
    if (quote == '"' && text_[i] == '\\') {
      ++i;
    } else if (text_[i] == quote) {
      // A doubled single quote stands for one; two empty scalars side by side are no YAML anyway.
      if (quote == '"' || i + 1 >= text_.size() || text_[i + 1] != quote) return true;
      ++i;
    }
  }
  return false;
}

TokenPlace YamlText::Token(int offset) {
  const std::size_t start = SkipProperties(Clamp(offset));
  if (start >= text_.size()) return {.at = At(static_cast<int>(start), 1)};
  const std::string_view token = text_.substr(start, EndOfToken(start) - start);
  return {.at = At(static_cast<int>(start), CountCharacters(token)),
          .quoted = std::string_view("\"'|>").find(token[0]) != std::string_view::npos,
          .text = token};
}

Position YamlText::BeforeBlank(int offset) {
  std::size_t at = Clamp(offset);
  while (at > 0 && IsBlank(text_[at - 1])) --at;
  return At(static_cast<int>(at == 0 ? 0 : at - 1), 1);
}

std::string_view YamlText::LineOf(std::size_t offset, std::size_t& start) const {
  const auto next = std::ranges::upper_bound(line_starts_, offset);
  start = *(next - 1);
  const std::size_t end = next == line_starts_.end() ? text_.size() : *next - 1;
  return text_.substr(start, end - start);
}

std::optional<Position> YamlText::UnquotedReference(int offset) {
  std::size_t start = 0;
  std::string_view line = LineOf(Clamp(offset), start);
  for (int lines = 0; lines < 2; ++lines) {
    char quote = 0;
    int flow = 0;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const char c = line[i];
      if (quote != 0) {
        if (c == quote) quote = 0;
      } else if (c == '"' || c == '\'') {
        quote = c;
      } else if (flow > 0 && c == '$' && i + 1 < line.size() && line[i + 1] == '{') {
        const std::size_t end = line.find('}', i);
        const std::size_t width = end == std::string_view::npos ? 2 : end - i + 1;
        return At(static_cast<int>(start + i), CountCharacters(line.substr(i, width)));
      } else if (c == '{' || c == '[') {
        ++flow;
      } else if (c == '}' || c == ']') {
        --flow;
      }
    }
    if (start == 0) break;
    line = LineOf(start - 1, start);
  }
  return std::nullopt;
}

std::optional<Position> YamlText::LeadingTab(int offset) {
  std::size_t start = 0;
  const std::string_view line = LineOf(Clamp(offset), start);
  const std::size_t indent = std::min(line.find_first_not_of(" \t"), line.size());
  const std::size_t tab = line.substr(0, indent).find('\t');
  if (tab == std::string_view::npos) return std::nullopt;
  return At(static_cast<int>(start + tab), 1);
}

}  // namespace runner
