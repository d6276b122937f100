#include "topology/expression.h"

#include <optional>

#include "base/text.h"

namespace runner {
namespace {

constexpr int kMaxNestedBraces = 32;

/// The expression in braces at the start of `text`, with the braces, or nothing: only digits, blanks, operators and at
/// least one `n` make braces ours.
std::optional<std::string_view> TemplateAt(std::string_view text) {
  const std::size_t end = text.find_first_not_of("n0123456789+-*/%() ", 1);
  if (end == std::string_view::npos || text[end] != '}') return std::nullopt;
  const std::string_view found = text.substr(0, end + 1);
  if (found.find('n') == std::string_view::npos) return std::nullopt;
  return found;
}

/// sum = product {(+|-) product}; product = factor {(*|/|%) factor}; factor = n | number | -factor | (sum)
class Evaluator {
 public:
  Evaluator(std::string_view text, std::int64_t n) : text_(text), n_(n) {}

  Result<std::int64_t> Evaluate() {
    const std::int64_t value = TRY(Sum());
    if (Peek() != '\0') return Bad();
    return value;
  }

 private:
  char Peek() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  static Error Bad() { return Fail("this is no arithmetic over n"); }
  static Error Overflow() { return Fail("the value does not fit into 64 bits"); }

  Result<std::int64_t> Sum() {
    if (++nesting_ > kMaxNestedBraces) return Fail("nested too deep");
    std::int64_t value = TRY(Product());
    while (Peek() == '+' || Peek() == '-') {
      const char op = text_[at_++];
      const std::int64_t right = TRY(Product());
      const bool overflow =
          op == '+' ? __builtin_add_overflow(value, right, &value) : __builtin_sub_overflow(value, right, &value);
      if (overflow) return Overflow();
    }
    --nesting_;
    return value;
  }

  Result<std::int64_t> Product() {
    std::int64_t value = TRY(Factor());
    while (Peek() == '*' || Peek() == '/' || Peek() == '%') {
      const char op = text_[at_++];
      const std::int64_t right = TRY(Factor());
      if (op == '*') {
        if (__builtin_mul_overflow(value, right, &value)) return Overflow();
        continue;
      }
      if (right == 0) return Fail("division by zero");
      if (right == -1) {  // the one quotient that can overflow
        const std::int64_t left = value;
        if (__builtin_sub_overflow(std::int64_t{0}, left, &value)) return Overflow();
        if (op == '%') value = 0;
        continue;
      }
      value = op == '/' ? value / right : value % right;
    }
    return value;
  }

  Result<std::int64_t> Factor() {
    const char c = Peek();
    if (c == 'n') {
      ++at_;
      return n_;
    }
    if (c == '-') {
      ++at_;
      if (++nesting_ > kMaxNestedBraces) return Fail("nested too deep");
      const std::int64_t value = TRY(Factor());
      --nesting_;
      std::int64_t negated = 0;
      if (__builtin_sub_overflow(std::int64_t{0}, value, &negated)) return Overflow();
      return negated;
    }
    if (c == '(') {
      ++at_;
      const std::int64_t value = TRY(Sum());
      if (Peek() != ')') return Bad();
      ++at_;
      return value;
    }
    std::size_t end = at_;
    while (end < text_.size() && text_[end] >= '0' && text_[end] <= '9') ++end;
    if (end == at_) return Bad();
    const auto value = ParseInteger(text_.substr(at_, end - at_));
    if (!value) return Overflow();
    at_ = end;
    return *value;
  }

  std::string_view text_;
  std::int64_t n_;
  std::size_t at_ = 0;
  int nesting_ = 0;
};

}  // namespace

bool HasTemplate(std::string_view text) {
  for (std::size_t at = text.find('{'); at != std::string_view::npos; at = text.find('{', at + 1)) {
    if (TemplateAt(text.substr(at))) return true;
  }
  return false;
}

Result<std::string> EvaluateTemplate(std::string_view text, std::int64_t n) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto found = text[i] == '{' ? TemplateAt(text.substr(i)) : std::nullopt;
    if (!found) {
      out += text[i];
      continue;
    }
    const std::int64_t value = TRY(Evaluator(found->substr(1, found->size() - 2), n).Evaluate().Wrap(Quote(*found)));
    out += std::to_string(value);
    i += found->size() - 1;
  }
  return out;
}

}  // namespace runner
