// What a measured number is held against, with its unit: `<= 45ms`, `<= 1%`, `>= 10mbit`, `200`.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace runner {

/// Nanoseconds, percent, bits a second, or no unit.
enum class Quantity { kNumber, kTime, kShare, kRate };

struct Comparison {
  enum class Operator { kEqual, kNotEqual, kLess, kAtMost, kMore, kAtLeast };
  Operator op = Operator::kEqual;
  double value = 0;

  /// `[=|==|!=|<|<=|>|>=] NUMBER[UNIT]`; the unit is required where there is one.
  static std::optional<Comparison> Parse(std::string_view text, Quantity quantity);
  bool Holds(double measured) const;
};

/// For people: "12.3ms", "1.5%", "9.71mbit", "200".
std::string QuantityText(double value, Quantity quantity);

/// An example of how it is written, for an error.
std::string_view QuantityExample(Quantity quantity);

}  // namespace runner
