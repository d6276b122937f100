#include "uplink/control.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/json.h"
#include "uplink/sockets.h"

namespace runner {
namespace {

constexpr std::size_t kMostClients = 16;
constexpr std::int64_t kSilence = 5000;

// A socket's name has 107 bytes at most; through the folder's descriptor any path is short enough.
Result<sockaddr_un> AddressIn(const Fd& folder, const std::string& name) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = fmt::format("/proc/self/fd/{}/{}", folder.get(), name);
  if (path.size() >= sizeof address.sun_path) return Fail(fmt::format("the socket's name \"{}\" is too long", name));
  path.copy(address.sun_path, path.size());
  return address;
}

const sockaddr* Raw(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

std::optional<ucred> PeerOf(int fd) {
  ucred peer = {};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  return peer;
}

}  // namespace

Json ControlError(const std::string& text) {
  Json json;
  json["ok"] = false;
  json["error"] = text;
  return json;
}

Result<ControlSocket> ControlSocket::Listen(const std::string& folder, const std::string& name) {
  ControlSocket made;
  made.folder_ = TRY(OpenFile(folder, O_PATH | O_DIRECTORY));
  made.name_ = name;
  const sockaddr_un address = TRY(AddressIn(made.folder_, name));
  made.Remove();  // What stands there is dead: the marker says that we are alone.
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.is_open()) return SystemError(errno, "open the control socket");
  const mode_t before = umask(0077);
  const int bound = bind(socket.get(), Raw(address), sizeof address);
  const int code = errno;
  umask(before);
  if (bound != 0) return SystemError(code, fmt::format("bind {}/{}", folder, name));
  if (listen(socket.get(), 64) != 0) return SystemError(errno, fmt::format("listen on {}/{}", folder, name));
  made.listener_ = std::move(socket);
  return made;
}

void ControlSocket::Remove() const { unlinkat(folder_.get(), name_.c_str(), 0); }

Fd ControlSocket::Accept(uid_t owner) const {
  Fd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client.is_open()) return client;
  const auto peer = PeerOf(client.get());
  if (peer && (peer->uid == 0 || peer->uid == owner)) return client;
  const std::string refusal = JsonText(ControlError("this uplink belongs to another user")) + "\n";
  // A new socket takes a line without waiting; to a client that has gone it does not matter.
  [[maybe_unused]] const ssize_t sent = send(client.get(), refusal.data(), refusal.size(), MSG_NOSIGNAL);
  return Fd();
}

ControlServer::~ControlServer() {
  while (!clients_.empty()) Drop(clients_.begin()->first);
}

void ControlServer::Serve(Fd socket) {
  const int fd = socket.get();
  Client& client = clients_[fd];
  client.socket = std::move(socket);
  loop_.Watch(fd, POLLIN, [this, fd](short revents) { Ready(fd, revents); });
  client.timer = loop_.After(kSilence, [this, fd] {
    const auto silent = clients_.find(fd);
    if (silent == clients_.end()) return;
    silent->second.timer = 0;
    silent->second.last_answer = true;
    Reply(silent->second, ControlError("no request came in five seconds"));
    if (clients_.contains(fd)) Drop(fd);
  });
  if (clients_.size() > kMostClients) {
    client.last_answer = true;
    Reply(client, ControlError("too many clients"));
  }
}

void ControlServer::Drop(int fd) {
  const auto client = clients_.find(fd);
  if (client == clients_.end()) return;
  loop_.Forget(fd);
  if (client->second.timer != 0) loop_.Cancel(client->second.timer);
  clients_.erase(client);
}

void ControlServer::Reply(Client& client, const Json& answer) {
  client.out += JsonText(answer);
  client.out += '\n';
  Flush(client.socket.get());
}

void ControlServer::Flush(int fd) {
  Client& client = clients_.at(fd);
  while (!client.out.empty()) {
    const ssize_t sent = send(fd, client.out.data(), client.out.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN) return Drop(fd);
      // It does not read; what it asks next waits until it does.
      loop_.SetEvents(fd, POLLOUT);
      return;
    }
    client.out.erase(0, static_cast<std::size_t>(sent));
  }
  if (client.last_answer) return Drop(fd);
  loop_.SetEvents(fd, POLLIN);
}

ssize_t ControlServer::ReadInto(Client& client) {
  std::array<char, 16384> buffer;
  const ssize_t size = ReceiveWithSockets(client.socket.get(), buffer, client.sockets);
  if (size > 0) client.in.append(buffer.data(), static_cast<std::size_t>(size));
  // More than one request may bring are closed at once.
  if (client.sockets.size() > kMostSockets) client.sockets.clear();
  return size;
}

void ControlServer::Ready(int fd, short revents) {
  if ((revents & POLLOUT) != 0) return Flush(fd);
  Client& client = clients_.at(fd);
  const ssize_t size = ReadInto(client);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) return Drop(fd);
  while (clients_.contains(fd)) {
    const std::size_t end = client.in.find('\n');
    if (end == std::string::npos) break;
    const std::string line = client.in.substr(0, end);
    client.in.erase(0, end + 1);
    const auto request = ParseJson(line);
    if (!request) {
      Reply(client, ControlError(fmt::format("the request is no JSON: {}", request.error().text())));
    } else if (!request->is_object()) {
      Reply(client, ControlError("the request is no object"));
    } else {
      std::vector<Fd> sockets = std::exchange(client.sockets, {});
      Reply(client, handle_(*request, sockets));
    }
  }
  if (clients_.contains(fd) && client.in.size() > kLongestRequest) {
    client.last_answer = true;
    Reply(client, ControlError(fmt::format("the request is longer than {} bytes", kLongestRequest)));
  }
}

Result<Json> AskControl(const std::string& folder, const std::string& name, const Json& request, int limit_ms,
                        pid_t* peer, std::span<const Fd> sockets) {
  const std::string tried = fmt::format("ask the uplink at {}/{}", folder, name);
  auto opened = OpenFile(folder, O_PATH | O_DIRECTORY);
  if (!opened) return SystemError(opened.error().code, tried);
  const sockaddr_un address = TRY(AddressIn(*opened, name));
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.is_open()) return SystemError(errno, tried);
  if (connect(socket.get(), Raw(address), sizeof address) != 0) {
    return SystemError(errno == EAGAIN ? ETIMEDOUT : errno, tried);
  }
  if (peer != nullptr) {
    const auto credentials = PeerOf(socket.get());
    *peer = credentials ? credentials->pid : 0;
  }
  std::string out = JsonText(request) + "\n";
  std::string in;
  const std::int64_t deadline = Loop::Now() + limit_ms;
  while (true) {
    const std::int64_t left = deadline - Loop::Now();
    pollfd polled = {
        .fd = socket.get(), .events = static_cast<short>(out.empty() ? POLLIN : POLLIN | POLLOUT), .revents = 0};
    if (left <= 0 || poll(&polled, 1, static_cast<int>(left)) == 0) return SystemError(ETIMEDOUT, tried);
    if ((polled.revents & POLLOUT) != 0 && !out.empty()) {
      const ssize_t sent = SendWithSockets(socket.get(), out, std::exchange(sockets, {}));
      if (sent < 0 && errno != EAGAIN && errno != EPIPE) return SystemError(errno, tried);
      // A server that hangs up early has said why.
      if (sent < 0 && errno == EPIPE) out.clear();
      if (sent > 0) out.erase(0, static_cast<std::size_t>(sent));
    }
    if ((polled.revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
    std::array<char, 16384> buffer;
    const ssize_t size = recv(socket.get(), buffer.data(), buffer.size(), 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (size < 0) return SystemError(errno, tried);
    if (size == 0) return SystemError(ECONNRESET, tried);
    in.append(buffer.data(), static_cast<std::size_t>(size));
    const std::size_t end = in.find('\n');
    if (end == std::string::npos) continue;
    Json answer = TRY(ParseJson(std::string_view(in).substr(0, end)).Wrap(tried));
    const auto ok = answer.find("ok");
    if (ok != answer.end() && ok->is_boolean() && ok->get<bool>()) return answer;
    const auto why = answer.find("error");
    return Fail(why != answer.end() && why->is_string() ? why->get<std::string>() : "the uplink refused");
  }
}

}  // namespace runner
