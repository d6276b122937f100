// A key of WireGuard: 32 bytes, written in base64 as `wg genkey` prints them. Public, private or shared, they look the
// same; only public ones are ever shown.
#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace runner {

class WireguardKey {
 public:
  using Bytes = std::array<std::uint8_t, 32>;
  WireguardKey() = default;
  explicit WireguardKey(const Bytes& bytes) : bytes_(bytes) {}
  /// Nothing where it is not 44 characters of base64 that stand for 32 bytes.
  static std::optional<WireguardKey> Parse(std::string_view text);
  /// What random bytes have to look like to be a private key (RFC 7748, 5).
  static WireguardKey PrivateFrom(Bytes random);

  const std::uint8_t* data() const { return bytes_.data(); }
  std::size_t size() const { return bytes_.size(); }
  bool is_zero() const { return bytes_ == Bytes{}; }
  std::string text() const;
  /// Tells two keys apart and gives neither away: a hash of fewer bits than the key has.
  std::string fingerprint() const;
  friend auto operator<=>(const WireguardKey&, const WireguardKey&) = default;

 private:
  Bytes bytes_{};
};

}  // namespace runner
