// Socket addresses from and to our address type; descriptors over Unix sockets.
#pragma once
#include <sys/socket.h>

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/fd.h"
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

/// sendmsg(2) and recvmsg(2) on a Unix socket, with descriptors along (SCM_RIGHTS), at most 64; received ones are
/// appended and close on exec. As send and recv: what came, or -1 and errno.
ssize_t SendWithSockets(int fd, std::string_view bytes, std::span<const Fd> sockets);
ssize_t ReceiveWithSockets(int fd, std::span<char> buffer, std::vector<Fd>& sockets);

}  // namespace runner
