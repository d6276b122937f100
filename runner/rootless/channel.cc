#include "rootless/channel.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace runner::rootless {
namespace {

// Room for one descriptor.
using Control = std::array<char, CMSG_SPACE(sizeof(int))>;

msghdr Header(iovec& part, Control& control) {
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  return header;
}

Status SendAll(int socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return SystemError(errno, "send a message");
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

/// False when the other end is gone before all has come.
Result<bool> ReceiveAll(int socket, char* to, std::size_t size) {
  while (size > 0) {
    const ssize_t came = recv(socket, to, size, 0);
    if (came < 0 && errno == EINTR) continue;
    if (came < 0 && errno != ECONNRESET) return SystemError(errno, "receive a message");
    if (came <= 0) return false;
    to += came;
    size -= static_cast<std::size_t>(came);
  }
  return true;
}

Fd TakeDescriptor(msghdr& header) {
  const cmsghdr* control = CMSG_FIRSTHDR(&header);
  if (control == nullptr || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) return {};
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(control), sizeof fd);
  return Fd(fd);
}

}  // namespace

Result<std::pair<Fd, Fd>> OpenChannel() {
  std::array<int, 2> ends = {};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return SystemError(errno, "make a pair of sockets");
  }
  return std::pair(Fd(ends[0]), Fd(ends[1]));
}

Status SendMessage(int socket, std::string_view text, int fd) {
  std::uint64_t size = text.size();
  iovec part = {.iov_base = &size, .iov_len = sizeof size};
  alignas(cmsghdr) Control control = {};
  msghdr header = Header(part, control);
  if (fd < 0) {
    header.msg_control = nullptr;
    header.msg_controllen = 0;
  } else {
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  }
  ssize_t sent = 0;
  do {
    sent = sendmsg(socket, &header, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  // A few bytes into an empty queue go whole.
  if (sent != sizeof size) return SystemError(sent < 0 ? errno : EMSGSIZE, "send a message");
  return SendAll(socket, text);
}

Result<std::optional<Message>> ReceiveMessage(int socket) {
  std::uint64_t size = 0;
  iovec part = {.iov_base = &size, .iov_len = sizeof size};
  alignas(cmsghdr) Control control = {};
  msghdr header = Header(part, control);
  ssize_t came = 0;
  do {
    came = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  } while (came < 0 && errno == EINTR);
  if (came < 0 && errno != ECONNRESET) return SystemError(errno, "receive a message");
  if (came != sizeof size) return std::optional<Message>();
  Message message{.text = std::string(size, '\0'), .fd = TakeDescriptor(header)};
  if (!TRY(ReceiveAll(socket, message.text.data(), message.text.size()))) return std::optional<Message>();
  return std::optional(std::move(message));
}

}  // namespace runner::rootless
