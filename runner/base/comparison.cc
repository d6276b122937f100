#include "base/comparison.h"

#include <array>
#include <charconv>
#include <cmath>
#include <span>

#include <fmt/format.h>

namespace runner {
namespace {

struct Sign {
  std::string_view text;
  Comparison::Operator op;
};
// Those that begin with another one first.
constexpr std::array kSigns = {
    Sign{"<=", Comparison::Operator::kAtMost}, Sign{">=", Comparison::Operator::kAtLeast},
    Sign{"==", Comparison::Operator::kEqual},  Sign{"!=", Comparison::Operator::kNotEqual},
    Sign{"<", Comparison::Operator::kLess},    Sign{">", Comparison::Operator::kMore},
    Sign{"=", Comparison::Operator::kEqual},
};

struct Unit {
  std::string_view name;
  double size;
};
// The largest first.
constexpr std::array kTimes = {Unit{"s", 1e9}, Unit{"ms", 1e6}, Unit{"us", 1e3}, Unit{"ns", 1}};
constexpr std::array kShares = {Unit{"%", 1}};
constexpr std::array kRates = {Unit{"gbit", 1e9}, Unit{"mbit", 1e6}, Unit{"kbit", 1e3}, Unit{"bit", 1}};
constexpr std::array kNone = {Unit{"", 1}};

std::span<const Unit> UnitsOf(Quantity quantity) {
  switch (quantity) {
    case Quantity::kTime:
      return kTimes;
    case Quantity::kShare:
      return kShares;
    case Quantity::kRate:
      return kRates;
    case Quantity::kNumber:
      break;
  }
  return kNone;
}

void SkipBlanks(std::string_view& text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
}

}  // namespace

std::optional<Comparison> Comparison::Parse(std::string_view text, Quantity quantity) {
  Comparison comparison;
  SkipBlanks(text);
  for (const Sign& sign : kSigns) {
    if (!text.starts_with(sign.text)) continue;
    comparison.op = sign.op;
    text.remove_prefix(sign.text.size());
    break;
  }
  SkipBlanks(text);
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(number) || number < 0) return std::nullopt;
  std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  SkipBlanks(unit);
  for (const Unit& known : UnitsOf(quantity)) {
    if (unit != known.name) continue;
    comparison.value = number * known.size;
    return comparison;
  }
  return std::nullopt;
}

bool Comparison::Holds(double measured) const {
  switch (op) {
    case Operator::kEqual:
      return measured == value;
    case Operator::kNotEqual:
      return measured != value;
    case Operator::kLess:
      return measured < value;
    case Operator::kAtMost:
      return measured <= value;
    case Operator::kMore:
      return measured > value;
    case Operator::kAtLeast:
      return measured >= value;
  }
  return false;
}

std::string QuantityText(double value, Quantity quantity) {
  const std::span<const Unit> units = UnitsOf(quantity);
  const Unit* unit = &units.back();
  for (const Unit& candidate : units) {
    if (value < candidate.size) continue;
    unit = &candidate;
    break;
  }
  if (quantity == Quantity::kNumber && value == std::floor(value)) return fmt::format("{:.0f}", value);
  return fmt::format("{:.4g}{}", value / unit->size, unit->name);
}

std::string_view QuantityExample(Quantity quantity) {
  switch (quantity) {
    case Quantity::kTime:
      return "a time as \"<= 45ms\"";
    case Quantity::kShare:
      return "a share as \"<= 1%\"";
    case Quantity::kRate:
      return "a rate as \">= 10mbit\"";
    case Quantity::kNumber:
      break;
  }
  return "a number as \"200\" or \">= 200\"";
}

}  // namespace runner
