#include "uplink/sockets.h"

#include <netinet/in.h>

#include <array>
#include <cerrno>
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

namespace {

constexpr std::size_t kMostSockets = 64;

struct Ancillary {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostSockets * sizeof(int))> bytes = {};
};

}  // namespace

ssize_t SendWithSockets(int fd, std::string_view bytes, std::span<const Fd> sockets) {
  iovec part = {.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  Ancillary ancillary;
  if (!sockets.empty()) {
    if (sockets.size() > kMostSockets) {
      errno = ETOOMANYREFS;
      return -1;
    }
    message.msg_control = ancillary.bytes.data();
    message.msg_controllen = CMSG_SPACE(sockets.size() * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sockets.size() * sizeof(int));
    for (std::size_t i = 0; i < sockets.size(); ++i) {
      const int number = sockets[i].get();
      std::memcpy(CMSG_DATA(header) + i * sizeof number, &number, sizeof number);
    }
  }
  return sendmsg(fd, &message, MSG_NOSIGNAL);
}

ssize_t ReceiveWithSockets(int fd, std::span<char> buffer, std::vector<Fd>& sockets) {
  iovec part = {.iov_base = buffer.data(), .iov_len = buffer.size()};
  Ancillary ancillary;
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = ancillary.bytes.data();
  message.msg_controllen = ancillary.bytes.size();
  const ssize_t size = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  if (size < 0) return size;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t at = CMSG_LEN(0); at + sizeof(int) <= header->cmsg_len; at += sizeof(int)) {
      int number = -1;
      std::memcpy(&number, reinterpret_cast<char*>(header) + at, sizeof number);
      sockets.emplace_back(number);
    }
  }
  return size;
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
