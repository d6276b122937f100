// An address and a port as the socket calls take them.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>

#include "base/ip.h"

namespace runner::check {

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t size = sizeof(sockaddr_storage);

  static SocketAddress Of(const IpAddress& address, std::uint16_t port);
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  IpAddress address() const;
  std::uint16_t port() const;
};

}  // namespace runner::check
