#include "check/echo_socket.h"

#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "check/socket_address.h"

namespace runner::check {
namespace {

// The two families' echo headers are the same: type, code, checksum, id, sequence.
struct EchoHeader {
  std::uint8_t type = 0;
  std::uint8_t code = 0;
  std::uint16_t checksum = 0;
  std::uint16_t id = 0;        // network order
  std::uint16_t sequence = 0;  // network order
};
static_assert(sizeof(EchoHeader) == 8);

std::uint16_t Checksum(std::string_view bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    sum +=
        static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[i]) << 8 | static_cast<std::uint8_t>(bytes[i + 1]));
  }
  if (bytes.size() % 2 == 1) sum += static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes.back()) << 8);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

void SetOption(int socket, int level, int name, int value) {
  // A kernel without the option leaves less to be told.
  setsockopt(socket, level, name, &value, sizeof value);
}

/// A raw socket would hear every ICMP message of its namespace.
void HearRepliesOnly(int socket, Family family) {
  if (family == Family::kIpv6) {
    icmp6_filter filter;
    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
    setsockopt(socket, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
    return;
  }
  constexpr int kIcmpFilter = 1;  // ICMP_FILTER of linux/icmp.h, level SOL_RAW
  const std::uint32_t blocked = ~(1U << ICMP_ECHOREPLY);
  setsockopt(socket, SOL_RAW, kIcmpFilter, &blocked, sizeof blocked);
}

/// What the kernel keeps of an ICMP error, with the address of who sent it behind it.
struct KeptError {
  sock_extended_err error = {};
  SocketAddress offender = {};
};

std::optional<KeptError> FindError(msghdr& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    const bool is_error = (part->cmsg_level == SOL_IP && part->cmsg_type == IP_RECVERR) ||
                          (part->cmsg_level == SOL_IPV6 && part->cmsg_type == IPV6_RECVERR);
    if (!is_error || part->cmsg_len < CMSG_LEN(sizeof(sock_extended_err))) continue;
    KeptError kept;
    std::memcpy(&kept.error, CMSG_DATA(part), sizeof kept.error);
    const std::size_t rest = part->cmsg_len - CMSG_LEN(sizeof kept.error);
    std::memcpy(&kept.offender.storage, CMSG_DATA(part) + sizeof kept.error,
                std::min(rest, sizeof kept.offender.storage));
    return kept;
  }
  return std::nullopt;
}

EchoAnswer Judge(const KeptError& kept, Family family) {
  const sock_extended_err& error = kept.error;
  EchoAnswer answer;
  answer.from = kept.offender.address();
  answer.at = Clock::now();
  answer.kind = EchoAnswer::Kind::kUnreachable;
  answer.why = std::strerror(static_cast<int>(error.ee_errno));
  if (error.ee_errno == EMSGSIZE) {
    answer.kind = EchoAnswer::Kind::kTooBig;
    answer.mtu = error.ee_info;
    return answer;
  }
  const bool is_ours = error.ee_origin == SO_EE_ORIGIN_ICMP || error.ee_origin == SO_EE_ORIGIN_ICMP6;
  const int exceeded = family == Family::kIpv6 ? ICMP6_TIME_EXCEEDED : ICMP_TIME_EXCEEDED;
  if (is_ours && error.ee_type == exceeded) answer.kind = EchoAnswer::Kind::kTimeExceeded;
  return answer;
}

}  // namespace

std::size_t EchoOverhead(Family family) { return sizeof(EchoHeader) + (family == Family::kIpv6 ? 40 : 20); }

EchoSocket::EchoSocket(Fd socket, Family family, bool is_raw)
    : socket_(std::move(socket)), family_(family), is_raw_(is_raw) {
  // Where it fails the id is 0, which is one too.
  if (getrandom(&id_, sizeof id_, 0) < 0) id_ = 0;
}

Result<EchoSocket> EchoSocket::Open(Vantage& from, Family family) {
  const int domain = FamilyNumber(family);
  const int protocol = family == Family::kIpv6 ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP);
  auto raw = from.OpenSocket(domain, SOCK_RAW, protocol);
  const bool is_raw = raw.ok();
  if (!is_raw && raw.error().code != EPERM) return std::move(raw).error();
  Fd socket = is_raw ? std::move(*raw) : TRY(from.OpenSocket(domain, SOCK_DGRAM, protocol));
  if (family == Family::kIpv6) {
    SetOption(socket.get(), SOL_IPV6, IPV6_RECVERR, 1);
  } else {
    SetOption(socket.get(), SOL_IP, IP_RECVERR, 1);
  }
  if (is_raw) HearRepliesOnly(socket.get(), family);
  return EchoSocket(std::move(socket), family, is_raw);
}

Status EchoSocket::Send(const Request& request) {
  const bool is_ipv6 = family_ == Family::kIpv6;
  if (is_ipv6) {
    SetOption(fd(), SOL_IPV6, IPV6_UNICAST_HOPS, request.hops);
    SetOption(fd(), SOL_IPV6, IPV6_MTU_DISCOVER, request.whole ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_WANT);
    SetOption(fd(), SOL_IPV6, IPV6_DONTFRAG, request.whole ? 1 : 0);
  } else {
    SetOption(fd(), SOL_IP, IP_TTL, request.hops);
    SetOption(fd(), SOL_IP, IP_MTU_DISCOVER, request.whole ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT);
  }
  EchoHeader header;
  header.type = is_ipv6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
  header.id = id_;
  header.sequence = htons(request.sequence);
  std::string packet(sizeof header + request.payload, '\x55');
  std::memcpy(packet.data(), &header, sizeof header);
  // Of ICMPv6, and of a ping socket, the kernel makes it.
  header.checksum = htons(Checksum(packet));
  std::memcpy(packet.data(), &header, sizeof header);
  const SocketAddress to = SocketAddress::Of(request.to, 0);
  // An error that an earlier request met may be told here; then this one has not been sent yet.
  constexpr int kTries = 3;
  for (int i = 1;; ++i) {
    if (sendto(fd(), packet.data(), packet.size(), MSG_NOSIGNAL, to.get(), to.size) >= 0) return {};
    if (i == kTries || errno == EMSGSIZE) return SystemError(errno, "send to " + request.to.text());
  }
}

std::optional<EchoAnswer> EchoSocket::Receive() {
  if (auto answer = ReceiveError()) return answer;
  return ReceiveReply();
}

std::optional<EchoAnswer> EchoSocket::ReceiveReply() {
  while (true) {
    std::array<char, 65536> buffer;
    SocketAddress from;
    const ssize_t got = recvfrom(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT, from.get(), &from.size);
    if (got < 0 && errno == EAGAIN) return std::nullopt;
    // An error that is kept comes once more, as this call's own.
    if (got < 0) {
      if (auto answer = ReceiveError()) return answer;
      continue;
    }
    std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
    if (is_raw_ && family_ == Family::kIpv4) {
      if (bytes.empty()) continue;
      const std::size_t skip = static_cast<std::size_t>(bytes[0] & 0xf) * 4;
      bytes.remove_prefix(std::min(skip, bytes.size()));
    }
    EchoHeader header;
    if (bytes.size() < sizeof header) continue;
    std::memcpy(&header, bytes.data(), sizeof header);
    const bool is_reply = header.type == (family_ == Family::kIpv6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY);
    if (!is_reply || (is_raw_ && header.id != id_)) continue;
    EchoAnswer answer;
    answer.from = from.address();
    answer.sequence = ntohs(header.sequence);
    answer.at = Clock::now();
    return answer;
  }
}

std::optional<EchoAnswer> EchoSocket::ReceiveError() {
  while (true) {
    std::array<char, 1024> packet;
    std::array<char, 512> control;
    SocketAddress to;
    iovec part{.iov_base = packet.data(), .iov_len = packet.size()};
    msghdr message = {};
    message.msg_name = &to.storage;
    message.msg_namelen = to.size;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = recvmsg(fd(), &message, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (got < 0) return std::nullopt;
    const auto kept = FindError(message);
    if (!kept) continue;
    EchoAnswer answer = Judge(*kept, family_);
    // The packet that met the error, from its ICMP header on; of one that was too big for the own interface, less.
    EchoHeader header;
    if (static_cast<std::size_t>(got) >= sizeof header) {
      std::memcpy(&header, packet.data(), sizeof header);
      if (is_raw_ && header.id != id_) continue;
      answer.sequence = ntohs(header.sequence);
    }
    return answer;
  }
}

}  // namespace runner::check
