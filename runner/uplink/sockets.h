// Socket addresses from and to our address type.
#pragma once
#include <sys/socket.h>

#include <optional>

#include "uplink/packet.h"

namespace runner {

class SocketAddress {
 public:
  SocketAddress(const IpAddress& address, std::uint16_t port, std::uint32_t scope = 0);
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }

 private:
  sockaddr_storage storage_ = {};
  socklen_t size_ = 0;
};

/// Nothing for other families.
std::optional<UdpEndpoint> FromSockaddr(const sockaddr& address);

inline int FamilyOf(const IpAddress& address) { return address.is_ipv6() ? AF_INET6 : AF_INET; }

}  // namespace runner
