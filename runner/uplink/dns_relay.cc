#include "uplink/dns_relay.h"

#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "uplink/packet.h"
#include "uplink/sockets.h"

namespace runner {
namespace {

constexpr std::size_t kMostPending = 256;
// A resolver in the lab gives up after five seconds: within them two servers twice, or four once.
constexpr std::int64_t kPatience = 1100;
constexpr std::size_t kMostAttempts = 4;
constexpr std::size_t kLargest = 65535;

std::uint16_t RandomId() {
  std::uint16_t id = 0;
  // Without entropy yet the port of the socket is still random.
  [[maybe_unused]] const ssize_t got = getrandom(&id, sizeof id, GRND_NONBLOCK);
  return id;
}

}  // namespace

DnsRelay::DnsRelay(Loop& loop, Log& log, const UplinkSpec& spec, Servers servers)
    : loop_(loop),
      log_(log),
      names_(spec.lab, spec.names),
      servers_(std::move(servers)),
      source_(spec.resolv_conf),
      port_(spec.dns_port) {}

DnsRelay::~DnsRelay() {
  while (!pending_.empty()) Close(pending_.begin());
}

void DnsRelay::Change(const UplinkSpec& spec) {
  names_ = LabNames(spec.lab, spec.names);
  port_ = spec.dns_port;
}

// The one that answered last comes first, so that a dead first server costs its time once.
std::vector<NameServer> DnsRelay::ServersByTrust() {
  std::vector<NameServer> servers = servers_();
  const auto good = std::find(servers.begin(), servers.end(), last_good_);
  if (good != servers.end()) std::rotate(servers.begin(), good, good + 1);
  return servers;
}

void DnsRelay::Ask(std::span<const std::uint8_t> query, Transport transport, Answer answer) {
  const auto question = ParseDnsQuery(query);
  if (!question) {
    log_.Thinned("a message to the DNS address is no query");
    return;
  }
  if (const auto* addresses = names_.Find(question->name)) return answer(DnsAnswer(query, *question, *addresses));
  if (pending_.size() >= kMostPending) {
    log_.Thinned(fmt::format("more than {} DNS queries wait for the servers", kMostPending));
    return answer(DnsError(query, *question, DnsCode::kServerFailure));
  }
  std::vector<NameServer> servers = ServersByTrust();
  if (servers.empty()) {
    log_.Thinned(fmt::format("{} names no server: a DNS query fails", source_));
    return answer(DnsError(query, *question, DnsCode::kServerFailure));
  }
  pending_.push_back({.query = {query.begin(), query.end()},
                      .question = *question,
                      .transport = transport,
                      .answer = std::move(answer),
                      .servers = std::move(servers)});
  TryNext(std::prev(pending_.end()));
}

void DnsRelay::Close(Place pending) {
  if (pending->socket.is_open()) loop_.Forget(pending->socket.get());
  if (pending->timer != 0) loop_.Cancel(pending->timer);
  pending_.erase(pending);
}

void DnsRelay::FailWith(Place pending, DnsCode code) {
  log_.Thinned(fmt::format("no server of {} answers", source_));
  const Answer answer = std::move(pending->answer);
  const auto error = DnsError(pending->query, pending->question, code);
  Close(pending);
  answer(error);
}

void DnsRelay::Finish(Place pending, std::span<const std::uint8_t> reply) {
  last_good_ = pending->servers[pending->current];
  const Answer answer = std::move(pending->answer);
  std::vector<std::uint8_t> message(reply.begin(), reply.end());
  Put16(message.data(), pending->question.id);
  Close(pending);
  answer(message);
}

void DnsRelay::TryNext(Place pending) {
  const std::size_t most = std::max(kMostAttempts, pending->servers.size());
  while (pending->attempts < most) {
    ++pending->attempts;
    pending->current = pending->next;
    pending->next = (pending->next + 1) % pending->servers.size();
    if (Send(pending, pending->servers[pending->current])) return;
  }
  FailWith(pending, DnsCode::kServerFailure);
}

bool DnsRelay::Send(Place pending, const NameServer& server) {
  if (pending->socket.is_open()) loop_.Forget(pending->socket.get());
  if (pending->timer != 0) loop_.Cancel(pending->timer);
  pending->timer = 0;
  pending->in.clear();
  const bool tcp = pending->transport == Transport::kTcp;
  // A socket a try: its port is random, and it takes answers from this server only.
  pending->socket.Reset(socket(FamilyNumber(server.address.family()),
                               (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!pending->socket.is_open()) return false;
  const int fd = pending->socket.get();
  const SocketAddress address(server.address, port_, server.scope);
  if (connect(fd, address.get(), address.size()) != 0 && errno != EINPROGRESS) return false;
  pending->id = RandomId();
  Put16(pending->query.data(), pending->id);
  if (tcp) {
    pending->out.resize(2);
    Put16(pending->out.data(), pending->query.size());
    pending->out.insert(pending->out.end(), pending->query.begin(), pending->query.end());
  } else if (send(fd, pending->query.data(), pending->query.size(), MSG_NOSIGNAL) < 0) {
    return false;
  }
  loop_.Watch(fd, tcp ? POLLOUT : POLLIN, [this, pending](short revents) { Ready(pending, revents); });
  pending->timer = loop_.After(kPatience, [this, pending] {
    pending->timer = 0;
    TryNext(pending);
  });
  return true;
}

void DnsRelay::Ready(Place pending, short revents) {
  if (pending->transport == Transport::kTcp) return ReadyTcp(pending, revents);
  static std::array<std::uint8_t, kLargest> buffer;
  const ssize_t size = recv(pending->socket.get(), buffer.data(), buffer.size(), 0);
  if (size < 0) {
    if (errno == EAGAIN || errno == EINTR) return;
    return TryNext(pending);  // Nobody listens there.
  }
  const auto reply = std::span(buffer).first(static_cast<std::size_t>(size));
  if (!IsReplyTo(reply, pending->id, pending->query, pending->question)) return;
  const auto code = static_cast<DnsCode>(reply[3] & 0x0f);
  const bool failed = code == DnsCode::kServerFailure || code == DnsCode::kRefused;
  if (failed && pending->attempts < pending->servers.size()) return TryNext(pending);
  Finish(pending, reply);
}

void DnsRelay::ReadyTcp(Place pending, short revents) {
  const int fd = pending->socket.get();
  if (!pending->out.empty() && (revents & (POLLOUT | POLLERR | POLLHUP)) != 0) {
    const ssize_t sent = send(fd, pending->out.data(), pending->out.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EAGAIN) return;
      return TryNext(pending);
    }
    pending->out.erase(pending->out.begin(), pending->out.begin() + sent);
    if (pending->out.empty()) loop_.SetEvents(fd, POLLIN);
    return;
  }
  std::array<std::uint8_t, 4096> buffer;
  const ssize_t size = recv(fd, buffer.data(), buffer.size(), 0);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) return TryNext(pending);
  pending->in.insert(pending->in.end(), buffer.begin(), buffer.begin() + size);
  if (pending->in.size() < 2) return;
  const std::size_t length = Get16(pending->in.data());
  if (pending->in.size() < 2 + length) return;
  const std::vector<std::uint8_t> reply(pending->in.begin() + 2,
                                        pending->in.begin() + 2 + static_cast<std::ptrdiff_t>(length));
  if (!IsReplyTo(reply, pending->id, pending->query, pending->question)) return TryNext(pending);
  Finish(pending, reply);
}

}  // namespace runner
