#include "kernel/nftables_socket.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace runner::kernel {
namespace {

bool SendAll(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool ReceiveAll(int socket, char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t n = recv(socket, bytes, size, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

template <class Head>
std::string_view BytesOf(const Head& head) {
  return {reinterpret_cast<const char*>(&head), sizeof(head)};
}

union ControlSpace {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
};

}  // namespace

bool SendRequest(int socket, NftRequestHead head, std::string_view interfaces, std::string_view input, int ns_fd) {
  head.interfaces_size = interfaces.size();
  head.size = interfaces.size() + input.size();
  iovec part{.iov_base = &head, .iov_len = sizeof(head)};
  ControlSpace control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (ns_fd >= 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof(control.bytes);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &ns_fd, sizeof(int));
  }
  ssize_t n = 0;
  do {
    n = sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  // The head is far smaller than any socket's buffer: it goes in one piece.
  return n == static_cast<ssize_t>(sizeof(head)) && SendAll(socket, interfaces) && SendAll(socket, input);
}

bool ReceiveRequest(int socket, NftRequestHead& head, std::string& body, Fd& ns) {
  iovec part{.iov_base = &head, .iov_len = sizeof(head)};
  ControlSpace control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof(control.bytes);
  ssize_t n = 0;
  do {
    n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
  } while (n < 0 && errno == EINTR);
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); n > 0 && header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof(int));
    ns.Reset(fd);
  }
  if (n != static_cast<ssize_t>(sizeof(head))) return false;
  body.resize(head.size);
  return ReceiveAll(socket, body.data(), body.size());
}

bool SendAnswer(int socket, NftAnswerHead head, std::string_view text) {
  head.size = text.size();
  return SendAll(socket, BytesOf(head)) && SendAll(socket, text);
}

bool ReceiveAnswer(int socket, NftAnswerHead& head, std::string& text) {
  if (!ReceiveAll(socket, reinterpret_cast<char*>(&head), sizeof(head))) return false;
  text.resize(head.size);
  return ReceiveAll(socket, text.data(), text.size());
}

}  // namespace runner::kernel
