#include "check/connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "check/socket_address.h"

namespace runner::check {
namespace {

/// strerror(3) as part of a sentence.
std::string Reason(int code) {
  std::string text = std::strerror(code);
  if (text.size() > 1 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a') text[0] = static_cast<char>(text[0] + 32);
  return text;
}

}  // namespace

Result<Connection> Connect(Vantage& from, const IpAddress& to, std::uint16_t port, const Patience& patience) {
  Connection made;
  Fd socket = TRY(from.OpenSocket(FamilyNumber(to.family()), SOCK_STREAM, 0));
  const SocketAddress address = SocketAddress::Of(to, port);
  const Clock::time_point begin = Clock::now();
  int code = connect(socket.get(), address.get(), address.size) == 0 ? 0 : errno;
  if (code == EINPROGRESS) {
    code = ETIMEDOUT;
    if (WaitFor(socket.get(), POLLOUT, patience)) {
      socklen_t size = sizeof code;
      if (getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &code, &size) != 0) code = errno;
    }
  }
  made.took = Clock::now() - begin;
  if (code == 0) {
    made.socket = std::move(socket);
  } else {
    made.refused = code == ETIMEDOUT ? "no answer" : Reason(code);
  }
  return made;
}

Status SendAll(int socket, std::string_view bytes, const Patience& patience) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno != EAGAIN && errno != EINTR) {
      return SystemError(errno, "send");
    } else if (!WaitFor(socket, POLLOUT, patience)) {
      return Fail("send", "the other side takes nothing");
    }
  }
  return {};
}

Result<std::string> ReceiveAll(int socket, std::size_t most, const Patience& patience) {
  std::string got;
  while (got.size() < most) {
    std::array<char, 16384> buffer;
    const ssize_t size = recv(socket, buffer.data(), std::min(buffer.size(), most - got.size()), 0);
    if (size > 0) {
      got.append(buffer.data(), static_cast<std::size_t>(size));
    } else if (size == 0) {
      break;
    } else if (errno != EAGAIN && errno != EINTR) {
      return SystemError(errno, "receive");
    } else if (!WaitFor(socket, POLLIN, patience)) {
      break;
    }
  }
  return got;
}

}  // namespace runner::check
