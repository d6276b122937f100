// Quantities with their units, as the file, the plan and the journal write them: 20ms, 1.5%, 10mbit.
#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace runner {

struct Nanoseconds {
  std::int64_t count = 0;
  /// In the largest unit that leaves no fraction: "20ms", "1500us".
  std::string text() const;
  static std::optional<Nanoseconds> Parse(std::string_view text);
  friend auto operator<=>(const Nanoseconds&, const Nanoseconds&) = default;
};

/// A part of all, in units of 2^-32 as the kernel counts (tc_netem_qopt).
struct Share {
  std::uint32_t count = 0;
  static Share OfPercent(double percent);
  /// "1.5%"; reading it back gives the same share.
  std::string text() const;
  static std::optional<Share> Parse(std::string_view text);
  friend auto operator<=>(const Share&, const Share&) = default;
};

struct BitRate {
  std::uint64_t bits = 0;  // a second
  /// "10mbit".
  std::string text() const;
  static std::optional<BitRate> Parse(std::string_view text);
  friend auto operator<=>(const BitRate&, const BitRate&) = default;
};

}  // namespace runner
