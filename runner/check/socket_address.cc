#include "check/socket_address.h"

#include <arpa/inet.h>

#include <cstring>

namespace runner::check {

SocketAddress SocketAddress::Of(const IpAddress& address, std::uint16_t port) {
  SocketAddress out;
  if (address.is_ipv6()) {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    std::memcpy(&in6->sin6_addr, address.bytes(), address.size());
    out.size = sizeof *in6;
    return out;
  }
  auto* in4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  in4->sin_family = AF_INET;
  in4->sin_port = htons(port);
  std::memcpy(&in4->sin_addr, address.bytes(), address.size());
  out.size = sizeof *in4;
  return out;
}

IpAddress SocketAddress::address() const {
  if (storage.ss_family == AF_INET6) {
    return IpAddress::FromBytes(Family::kIpv6, &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr);
  }
  return IpAddress::FromBytes(Family::kIpv4, &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr);
}

std::uint16_t SocketAddress::port() const {
  if (storage.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

}  // namespace runner::check
