#include "uplink/relay_server.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "kernel/netns.h"
#include "uplink/packet.h"
#include "uplink/sockets.h"
#include "uplink/tap.h"

namespace runner {
namespace {

constexpr std::uint16_t kDnsPort = 53;
constexpr std::size_t kMostClients = 64;
constexpr std::int64_t kIdle = 10000;
constexpr int kQueriesOfRound = 64;

Result<Fd> Bound(const IpAddress& address, int type) {
  Fd socket(::socket(FamilyNumber(address.family()), type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.is_open()) return SystemError(errno, "open a socket for DNS");
  const int on = 1;
  // An address that is tentative or not there yet is no reason to fail.
  const int level = address.is_ipv6() ? IPPROTO_IPV6 : IPPROTO_IP;
  const int freebind = address.is_ipv6() ? IPV6_FREEBIND : IP_FREEBIND;
  if (setsockopt(socket.get(), level, freebind, &on, sizeof on) != 0 ||
      (type == SOCK_STREAM && setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)) {
    return SystemError(errno, "set a socket's option");
  }
  const SocketAddress at(address, kDnsPort);
  if (bind(socket.get(), at.get(), at.size()) != 0) {
    return SystemError(errno, fmt::format("bind {} port {} in the node", address.text(), kDnsPort));
  }
  if (type == SOCK_STREAM && listen(socket.get(), 64) != 0) return SystemError(errno, "listen for DNS");
  return socket;
}

}  // namespace

RelayServer::~RelayServer() {
  *self_ = nullptr;
  while (!clients_.empty()) Drop(clients_.begin()->first);
  for (const Fd& socket : udp_) loop_.Forget(socket.get());
  for (const Fd& socket : tcp_) loop_.Forget(socket.get());
}

Status RelayServer::Listen(int node_netns, const std::vector<IpAddress>& addresses) {
  const auto inside = TRY(InNamespace::Enter(node_netns));
  for (const IpAddress& address : addresses) {
    udp_.push_back(TRY(Bound(address, SOCK_DGRAM)));
    loop_.Watch(udp_.back().get(), POLLIN, [this, fd = udp_.back().get()](short) { ReceiveUdp(fd); });
    tcp_.push_back(TRY(Bound(address, SOCK_STREAM)));
    loop_.Watch(tcp_.back().get(), POLLIN, [this, fd = tcp_.back().get()](short) { Accept(fd); });
  }
  return {};
}

std::uint16_t RelayServer::ListenOnLoopback(Family family, Admits admits) {
  const bool ipv6 = family == Family::kIpv6;
  Fd socket(::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const SocketAddress at(*IpAddress::Parse(ipv6 ? "::1" : "127.0.0.1"), 0);
  sockaddr_storage bound = {};
  socklen_t size = sizeof bound;
  // Without that address nobody in the lab could get here either.
  if (!socket.is_open() || bind(socket.get(), at.get(), at.size()) != 0 || listen(socket.get(), 64) != 0 ||
      getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return 0;
  }
  admits_ = std::move(admits);
  tcp_.push_back(std::move(socket));
  loop_.Watch(tcp_.back().get(), POLLIN, [this, fd = tcp_.back().get()](short) { Accept(fd); });
  const auto endpoint = FromSockaddr(reinterpret_cast<const sockaddr&>(bound));
  return endpoint ? endpoint->port : std::uint16_t{0};
}

bool RelayServer::IsAdmitted(const Fd& client) const {
  if (!admits_) return true;
  sockaddr_storage peer = {};
  socklen_t size = sizeof peer;
  if (getpeername(client.get(), reinterpret_cast<sockaddr*>(&peer), &size) != 0) return false;
  const auto endpoint = FromSockaddr(reinterpret_cast<const sockaddr&>(peer));
  return endpoint && admits_(*endpoint);
}

void RelayServer::ReceiveUdp(int fd) {
  std::array<std::uint8_t, 4096> buffer;
  for (int i = 0; i < kQueriesOfRound; ++i) {
    sockaddr_storage client = {};
    socklen_t client_size = sizeof client;
    const ssize_t size =
        recvfrom(fd, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&client), &client_size);
    if (size < 0) return;
    if (!serving_) continue;
    const auto answer = [self = self_, fd, client, client_size](std::span<const std::uint8_t> message) {
      if (*self == nullptr) return;
      [[maybe_unused]] const ssize_t sent = sendto(fd, message.data(), message.size(), MSG_NOSIGNAL,
                                                   reinterpret_cast<const sockaddr*>(&client), client_size);
    };
    relay_.Ask(std::span(buffer).first(static_cast<std::size_t>(size)), DnsRelay::Transport::kUdp, answer);
  }
}

void RelayServer::Accept(int listener) {
  Fd socket(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket.is_open() || clients_.size() >= kMostClients || !IsAdmitted(socket)) return;
  const int fd = socket.get();
  Client& client = clients_[fd];
  client.socket = std::move(socket);
  client.number = next_number_++;
  client.timer = loop_.After(kIdle, [this, fd] { Drop(fd); });
  loop_.Watch(fd, POLLIN, [this, fd](short revents) { Ready(fd, revents); });
}

void RelayServer::Drop(int fd) {
  const auto client = clients_.find(fd);
  if (client == clients_.end()) return;
  loop_.Forget(fd);
  loop_.Cancel(client->second.timer);
  clients_.erase(client);
}

void RelayServer::Ready(int fd, short revents) {
  if ((revents & POLLOUT) != 0) return Flush(fd);
  Client& client = clients_.at(fd);
  std::array<std::uint8_t, 4096> buffer;
  const ssize_t size = recv(fd, buffer.data(), buffer.size(), 0);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) return Drop(fd);
  client.in.insert(client.in.end(), buffer.begin(), buffer.begin() + size);
  const std::uint64_t number = client.number;
  // An answer that comes at once may end the client.
  while (clients_.contains(fd) && clients_.at(fd).number == number) {
    Client& now = clients_.at(fd);
    if (now.in.size() < 2) return;
    const std::size_t length = Get16(now.in.data());
    if (now.in.size() < 2 + length) return;
    const std::vector<std::uint8_t> query(now.in.begin() + 2, now.in.begin() + 2 + static_cast<std::ptrdiff_t>(length));
    now.in.erase(now.in.begin(), now.in.begin() + 2 + static_cast<std::ptrdiff_t>(length));
    if (!serving_) continue;
    relay_.Ask(query, DnsRelay::Transport::kTcp, [self = self_, fd, number](std::span<const std::uint8_t> message) {
      if (*self == nullptr) return;
      const auto asked = (*self)->clients_.find(fd);
      if (asked == (*self)->clients_.end() || asked->second.number != number) return;
      auto& out = asked->second.out;
      out.resize(out.size() + 2);
      Put16(&out[out.size() - 2], message.size());
      out.insert(out.end(), message.begin(), message.end());
      (*self)->Flush(fd);
    });
  }
}

void RelayServer::Flush(int fd) {
  Client& client = clients_.at(fd);
  while (!client.out.empty()) {
    const ssize_t sent = send(fd, client.out.data(), client.out.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN) return Drop(fd);
      loop_.SetEvents(fd, POLLOUT);
      return;
    }
    client.out.erase(client.out.begin(), client.out.begin() + sent);
  }
  loop_.SetEvents(fd, POLLIN);
}

}  // namespace runner
