#include "base/mac.h"

#include <fmt/format.h>

#include "base/text.h"

namespace runner {

std::optional<MacAddress> MacAddress::Parse(std::string_view text) {
  constexpr std::size_t kLength = 17;
  if (text.size() != kLength) return std::nullopt;
  std::array<std::uint8_t, 6> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto high = HexDigit(text[i * 3]);
    const auto low = HexDigit(text[i * 3 + 1]);
    if (!high || !low || (i > 0 && text[i * 3 - 1] != ':')) return std::nullopt;
    bytes[i] = static_cast<std::uint8_t>(*high << 4 | *low);
  }
  return MacAddress(bytes);
}

MacAddress MacAddress::FromSeed(std::string_view seed) {
  const std::uint64_t hash = StableHash(seed);
  std::array<std::uint8_t, 6> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(hash >> (8 * i));
  // Bit 1 of the first byte: locally administered; bit 0: group address, which no interface may have.
  bytes[0] = static_cast<std::uint8_t>((bytes[0] | 0x02) & 0xfe);
  return MacAddress(bytes);
}

std::string MacAddress::text() const {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bytes_[0], bytes_[1], bytes_[2], bytes_[3], bytes_[4],
                     bytes_[5]);
}

}  // namespace runner
