// IPv4 and IPv6 addresses and prefixes as values: parsed once, strictly, and printed in canonical form
// (RFC 5952 for IPv6). No name resolution, no zone ids.
#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace runner {

enum class Family { kIpv4, kIpv6 };

/// The family's number for the kernel: AF_INET or AF_INET6.
std::uint8_t FamilyNumber(Family family);

class IpAddress {
 public:
  /// 0.0.0.0
  IpAddress() = default;
  /// Dotted quad without leading zeros, or RFC 4291 text; nothing else (no port, no prefix length, no zone).
  static std::optional<IpAddress> Parse(std::string_view text);
  static IpAddress FromIpv4(std::uint32_t host_order);
  /// 4 or 16 bytes in network order.
  static IpAddress FromBytes(Family family, const void* bytes);

  Family family() const { return family_; }
  bool is_ipv6() const { return family_ == Family::kIpv6; }
  /// Whether it is of that family; of either where none is given.
  bool is_of(std::optional<Family> family) const { return !family || family_ == *family; }
  /// 32 or 128.
  int bits() const { return is_ipv6() ? 128 : 32; }
  /// Network order; `size()` bytes of it count.
  const std::uint8_t* bytes() const { return bytes_.data(); }
  std::size_t size() const { return is_ipv6() ? 16 : 4; }
  std::uint32_t ipv4() const;  // host order; only for IPv4

  bool is_unspecified() const;
  bool is_loopback() const;    // 127.0.0.0/8, ::1
  bool is_link_local() const;  // 169.254.0.0/16, fe80::/10
  bool is_multicast() const;   // 224.0.0.0/4, ff00::/8

  /// This address plus `n`, within the family; nothing on overflow.
  std::optional<IpAddress> Plus(std::uint64_t n) const;

  std::string text() const;
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  Family family_ = Family::kIpv4;
  std::array<std::uint8_t, 16> bytes_{};
};

/// An address with a prefix length. Host bits may be set: 10.0.0.1/24 is an interface's address, and
/// Masked() its network.
class IpPrefix {
 public:
  IpPrefix() = default;  // 0.0.0.0/32
  IpPrefix(IpAddress address, int length) : address_(address), length_(length) {}
  /// `ADDR/LEN`; the length is required.
  static std::optional<IpPrefix> Parse(std::string_view text);

  const IpAddress& address() const { return address_; }
  int length() const { return length_; }
  Family family() const { return address_.family(); }
  bool is_ipv6() const { return address_.is_ipv6(); }
  bool has_host_bits() const { return Masked().address_ != address_; }
  IpPrefix Masked() const;
  /// The last address of the prefix: all host bits set.
  IpAddress Last() const;
  bool Contains(const IpAddress& address) const;
  bool Contains(const IpPrefix& other) const;
  bool Overlaps(const IpPrefix& other) const { return Contains(other) || other.Contains(*this); }
  /// A whole family: 0.0.0.0/0 or ::/0.
  bool is_default() const { return length_ == 0; }

  std::string text() const;
  friend auto operator<=>(const IpPrefix&, const IpPrefix&) = default;

 private:
  IpAddress address_;
  int length_ = 32;
};

std::string_view FamilyName(Family family);  // "ipv4", "ipv6"

}  // namespace runner
