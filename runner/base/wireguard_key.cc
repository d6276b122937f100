#include "base/wireguard_key.h"

#include <fmt/format.h>

#include "base/text.h"

namespace runner {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t kDigits = 43;  // of six bits, two of which are left over; then one `=`
constexpr int kBitsPerDigit = 6;
constexpr int kBitsPerByte = 8;

}  // namespace

std::optional<WireguardKey> WireguardKey::Parse(std::string_view text) {
  if (text.size() != kDigits + 1 || text.back() != '=') return std::nullopt;
  Bytes bytes{};
  std::size_t filled = 0;
  std::uint32_t pending = 0;
  int bits = 0;
  for (const char c : text.substr(0, kDigits)) {
    const std::size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    pending = pending << kBitsPerDigit | static_cast<std::uint32_t>(digit);
    bits += kBitsPerDigit;
    if (bits < kBitsPerByte) continue;
    bits -= kBitsPerByte;
    bytes[filled++] = static_cast<std::uint8_t>(pending >> bits);
    pending &= (1U << bits) - 1;
  }
  // Left over bits that are set would be another spelling of the same key.
  if (pending != 0) return std::nullopt;
  return WireguardKey(bytes);
}

WireguardKey WireguardKey::PrivateFrom(Bytes random) {
  random.front() &= 0xf8;
  random.back() = static_cast<std::uint8_t>((random.back() & 0x7f) | 0x40);
  return WireguardKey(random);
}

std::string WireguardKey::text() const {
  std::string out;
  std::uint32_t pending = 0;
  int bits = 0;
  for (const std::uint8_t byte : bytes_) {
    pending = pending << kBitsPerByte | byte;
    bits += kBitsPerByte;
    while (bits >= kBitsPerDigit) {
      bits -= kBitsPerDigit;
      out += kAlphabet[pending >> bits];
      pending &= (1U << bits) - 1;
    }
  }
  out += kAlphabet[pending << (kBitsPerDigit - bits)];
  return out + "=";
}

std::string WireguardKey::fingerprint() const {
  const std::string_view whole(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
  return fmt::format("{:016x}", StableHash(whole));
}

}  // namespace runner
