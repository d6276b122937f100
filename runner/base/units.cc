#include "base/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/text.h"

namespace runner {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t size;
};
// The largest first.
constexpr std::array kTimes = {Unit{"s", 1'000'000'000}, Unit{"ms", 1'000'000}, Unit{"us", 1'000}, Unit{"ns", 1}};
constexpr std::array kRates = {Unit{"gbit", 1'000'000'000}, Unit{"mbit", 1'000'000}, Unit{"kbit", 1'000},
                               Unit{"bit", 1}};
constexpr double kWhole = 4294967296.0;  // 2^32

template <std::size_t N>
std::string InUnits(std::int64_t count, const std::array<Unit, N>& units) {
  if (count == 0) return fmt::format("0{}", units.front().name);
  for (const Unit& unit : units) {
    if (count % unit.size == 0) return fmt::format("{}{}", count / unit.size, unit.name);
  }
  return std::to_string(count);
}

template <std::size_t N>
std::optional<std::int64_t> FromUnits(std::string_view text, const std::array<Unit, N>& units) {
  for (const Unit& unit : units) {
    if (!text.ends_with(unit.name)) continue;
    const auto number = ParseInteger(text.substr(0, text.size() - unit.name.size()));
    // "bit" ends "mbit" too.
    if (!number) continue;
    if (*number < 0 || *number > std::numeric_limits<std::int64_t>::max() / unit.size) return std::nullopt;
    return *number * unit.size;
  }
  return std::nullopt;
}

}  // namespace

std::string Nanoseconds::text() const { return InUnits(count, kTimes); }
std::optional<Nanoseconds> Nanoseconds::Parse(std::string_view text) {
  const auto count = FromUnits(text, kTimes);
  return count ? std::optional(Nanoseconds{*count}) : std::nullopt;
}

Share Share::OfPercent(double percent) {
  const double count = std::round(percent / 100 * kWhole);
  return {static_cast<std::uint32_t>(std::min(std::max(count, 0.0), kWhole - 1))};
}
std::string Share::text() const {
  // The fewest digits that tell this share from its neighbours.
  for (int digits = 1; digits < 17; ++digits) {
    const std::string number = fmt::format("{:.{}g}", count / kWhole * 100, digits);
    if (number.find('e') != std::string::npos) continue;
    const std::string text = number + "%";
    if (Parse(text) == *this) return text;
  }
  return fmt::format("{:.17f}%", count / kWhole * 100);
}
std::optional<Share> Share::Parse(std::string_view text) {
  if (!text.ends_with('%')) return std::nullopt;
  text.remove_suffix(1);
  double percent = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), percent);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (!whole || !(percent >= 0 && percent <= 100)) return std::nullopt;
  return OfPercent(percent);
}

std::string BitRate::text() const {
  if (bits > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::to_string(bits) + "bit";
  return InUnits(static_cast<std::int64_t>(bits), kRates);
}
std::optional<BitRate> BitRate::Parse(std::string_view text) {
  const auto bits = FromUnits(text, kRates);
  return bits ? std::optional(BitRate{static_cast<std::uint64_t>(*bits)}) : std::nullopt;
}

}  // namespace runner
