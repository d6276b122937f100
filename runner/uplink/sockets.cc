#include "uplink/sockets.h"

#include <netinet/in.h>

#include <cstring>

namespace runner {

SocketAddress::SocketAddress(const IpAddress& address, std::uint16_t port, std::uint32_t scope) {
  if (address.is_ipv6()) {
    sockaddr_in6 in6 = {};
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(port);
    in6.sin6_scope_id = scope;
    std::memcpy(&in6.sin6_addr, address.bytes(), 16);
    std::memcpy(&storage_, &in6, sizeof in6);
    size_ = sizeof in6;
  } else {
    sockaddr_in in = {};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, address.bytes(), 4);
    std::memcpy(&storage_, &in, sizeof in);
    size_ = sizeof in;
  }
}

std::optional<UdpEndpoint> FromSockaddr(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in in = {};
    std::memcpy(&in, &address, sizeof in);
    return UdpEndpoint{IpAddress::FromBytes(Family::kIpv4, &in.sin_addr), ntohs(in.sin_port)};
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 in6 = {};
    std::memcpy(&in6, &address, sizeof in6);
    return UdpEndpoint{IpAddress::FromBytes(Family::kIpv6, &in6.sin6_addr), ntohs(in6.sin6_port)};
  }
  return std::nullopt;
}

}  // namespace runner
