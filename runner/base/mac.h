// A 48-bit Ethernet address (IEEE 802), six pairs of hex digits with colons between.
#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace runner {

class MacAddress {
 public:
  MacAddress() = default;
  explicit MacAddress(std::array<std::uint8_t, 6> bytes) : bytes_(bytes) {}
  static std::optional<MacAddress> Parse(std::string_view text);
  /// A locally administered unicast address, the same for the same `seed` at every run.
  static MacAddress FromSeed(std::string_view seed);

  const std::uint8_t* bytes() const { return bytes_.data(); }
  bool is_multicast() const { return (bytes_[0] & 1) != 0; }
  bool is_zero() const { return bytes_ == std::array<std::uint8_t, 6>{}; }
  std::string text() const;
  friend auto operator<=>(const MacAddress&, const MacAddress&) = default;

 private:
  std::array<std::uint8_t, 6> bytes_{};
};

}  // namespace runner
