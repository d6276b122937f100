#include "base/ip.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace runner {
namespace {

// Clears the bits behind the first `length` ones, or sets them.
enum class HostBits { kClear, kSet };

void FillHostBits(std::uint8_t* bytes, std::size_t size, int length, HostBits how) {
  for (std::size_t i = 0; i < size; ++i) {
    const int kept = std::clamp(length - static_cast<int>(i) * 8, 0, 8);
    const auto mask = static_cast<std::uint8_t>(0xff00 >> kept);
    bytes[i] = how == HostBits::kClear ? static_cast<std::uint8_t>(bytes[i] & mask)
                                       : static_cast<std::uint8_t>(bytes[i] | static_cast<std::uint8_t>(~mask));
  }
}

}  // namespace

std::uint8_t FamilyNumber(Family family) { return family == Family::kIpv6 ? AF_INET6 : AF_INET; }

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  IpAddress address;
  const std::string copy(text);
  if (copy.size() != std::strlen(copy.c_str())) return std::nullopt;
  // inet_pton takes dotted quads without leading zeros only, unlike inet_aton.
  if (inet_pton(AF_INET, copy.c_str(), address.bytes_.data()) == 1) return address;
  if (inet_pton(AF_INET6, copy.c_str(), address.bytes_.data()) == 1) {
    address.family_ = Family::kIpv6;
    return address;
  }
  return std::nullopt;
}

IpAddress IpAddress::FromIpv4(std::uint32_t host_order) {
  const std::uint32_t network_order = htonl(host_order);
  return FromBytes(Family::kIpv4, &network_order);
}

IpAddress IpAddress::FromBytes(Family family, const void* bytes) {
  IpAddress address;
  address.family_ = family;
  std::memcpy(address.bytes_.data(), bytes, address.size());
  return address;
}

std::uint32_t IpAddress::ipv4() const {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes_.data(), sizeof value);
  return ntohl(value);
}

bool IpAddress::is_unspecified() const {
  return std::ranges::all_of(bytes_, [](std::uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_loopback() const {
  if (!is_ipv6()) return bytes_[0] == 127;
  return bytes_[15] == 1 && std::all_of(bytes_.begin(), bytes_.begin() + 15, [](std::uint8_t b) { return b == 0; });
}

bool IpAddress::is_link_local() const {
  if (is_ipv6()) return bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
  return bytes_[0] == 169 && bytes_[1] == 254;
}

bool IpAddress::is_multicast() const { return is_ipv6() ? bytes_[0] == 0xff : (bytes_[0] & 0xf0) == 0xe0; }

std::optional<IpAddress> IpAddress::Plus(std::uint64_t n) const {
  IpAddress sum = *this;
  for (std::size_t i = size(); i-- > 0 && n > 0;) {
    n += sum.bytes_[i];
    sum.bytes_[i] = static_cast<std::uint8_t>(n);
    n >>= 8;
  }
  if (n > 0) return std::nullopt;
  return sum;
}

std::string IpAddress::text() const {
  char buffer[INET6_ADDRSTRLEN];
  inet_ntop(FamilyNumber(family_), bytes_.data(), buffer, sizeof buffer);
  return buffer;
}

std::optional<IpPrefix> IpPrefix::Parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = IpAddress::Parse(text.substr(0, slash));
  const std::string_view digits = text.substr(slash + 1);
  int length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (!address || error != std::errc() || end != digits.data() + digits.size() || length < 0 ||
      length > address->bits() || digits.size() > 3 || digits.front() == '-' ||
      (digits.size() > 1 && digits[0] == '0')) {
    return std::nullopt;
  }
  return IpPrefix(*address, length);
}

IpPrefix IpPrefix::Masked() const {
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), address_.bytes(), address_.size());
  FillHostBits(bytes.data(), address_.size(), length_, HostBits::kClear);
  return {IpAddress::FromBytes(family(), bytes.data()), length_};
}

IpAddress IpPrefix::Last() const {
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), address_.bytes(), address_.size());
  FillHostBits(bytes.data(), address_.size(), length_, HostBits::kSet);
  return IpAddress::FromBytes(family(), bytes.data());
}

bool IpPrefix::Contains(const IpAddress& address) const {
  return address.family() == family() && IpPrefix(address, length_).Masked().address_ == Masked().address_;
}

bool IpPrefix::Contains(const IpPrefix& other) const { return other.length_ >= length_ && Contains(other.address_); }

std::string IpPrefix::text() const { return address_.text() + "/" + std::to_string(length_); }

std::string_view FamilyName(Family family) { return family == Family::kIpv4 ? "ipv4" : "ipv6"; }

}  // namespace runner
