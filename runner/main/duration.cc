#include "main/duration.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace runner {

std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc() || number < 0) return std::nullopt;
  constexpr std::array<std::pair<std::string_view, double>, 5> kUnits = {
      {{"", 1e3}, {"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}}};
  constexpr double kYear = 366.0 * 24 * 3600e3;
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  for (const auto& [name, factor] : kUnits) {
    if (unit != name) continue;
    if (number * factor > kYear) return std::nullopt;
    return std::chrono::milliseconds(std::llround(number * factor));
  }
  return std::nullopt;
}

}  // namespace runner
