// The core schema of YAML 1.2.2, section 10.3.2: what a plain scalar is.
#include <algorithm>

#include "topology/yaml.h"

namespace runner {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

std::size_t TakeDigits(std::string_view& text) {
  const std::size_t count = std::min(text.find_first_not_of("0123456789"), text.size());
  text.remove_prefix(count);
  return count;
}

bool IsInteger(std::string_view text) {
  const auto rest_is = [&](std::string_view digits) {
    return text.size() > 2 && text.substr(2).find_first_not_of(digits) == std::string_view::npos;
  };
  if (text.starts_with("0x")) return rest_is("0123456789abcdefABCDEF");
  if (text.starts_with("0o")) return rest_is("01234567");
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return !text.empty() && std::ranges::all_of(text, IsDigit);
}

bool IsFloat(std::string_view text) {
  if (IsOneOf(text, {".nan", ".NaN", ".NAN"})) return true;
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  if (IsOneOf(text, {".inf", ".Inf", ".INF"})) return true;
  std::size_t digits = TakeDigits(text);
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    digits += TakeDigits(text);
  }
  if (digits == 0) return false;
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    if (TakeDigits(text) == 0) return false;
  }
  return text.empty();
}

}  // namespace

ScalarType TypeOf(const YamlNode& node) {
  if (node.is_null()) return ScalarType::kNull;
  if (node.style == YamlNode::Style::kQuoted) return ScalarType::kString;
  const std::string_view text = node.text;
  if (IsOneOf(text, {"", "~", "null", "Null", "NULL"})) return ScalarType::kNull;
  if (IsOneOf(text, {"true", "True", "TRUE", "false", "False", "FALSE"})) return ScalarType::kBool;
  if (IsInteger(text)) return ScalarType::kInteger;
  if (IsFloat(text)) return ScalarType::kFloat;
  return ScalarType::kString;
}

}  // namespace runner
