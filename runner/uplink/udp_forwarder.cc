#include "uplink/udp_forwarder.h"

#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "uplink/sockets.h"

namespace runner {
namespace {

constexpr std::int64_t kIdle = 120000;
constexpr std::size_t kMostFlows = 4096;
constexpr int kBatchesOfRound = 4;
constexpr std::size_t kBatch = 16;
constexpr std::size_t kLargestDatagram = 65535;

Status SetOption(const Fd& socket, int level, int option) {
  const int on = 1;
  if (setsockopt(socket.get(), level, option, &on, sizeof on) != 0) return SystemError(errno, "set a socket's option");
  return {};
}

}  // namespace

struct UdpForwarder::Batch {
  struct Datagram {
    sockaddr_storage peer = {};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> control = {};
    iovec part = {};
    std::array<std::uint8_t, kLargestDatagram> bytes;  // untouched pages take no memory
  };
  Batch() : datagrams(new Datagram[kBatch]) {}
  /// For a datagram to be received.
  void Prepare(std::size_t i) {
    Datagram& one = datagrams[i];
    one.part = {.iov_base = one.bytes.data(), .iov_len = one.bytes.size()};
    headers[i] = {};
    headers[i].msg_hdr.msg_name = &one.peer;
    headers[i].msg_hdr.msg_namelen = sizeof one.peer;
    headers[i].msg_hdr.msg_iov = &one.part;
    headers[i].msg_hdr.msg_iovlen = 1;
    headers[i].msg_hdr.msg_control = one.control.data();
    headers[i].msg_hdr.msg_controllen = one.control.size();
  }
  std::unique_ptr<Datagram[]> datagrams;
  std::array<mmsghdr, kBatch> headers = {};
  std::size_t count = 0;
};

UdpForwarder::UdpForwarder(Loop& loop, const UplinkSpec& spec, Deliver deliver)
    : loop_(loop),
      deliver_(std::move(deliver)),
      gateway_(spec.gateway()),
      gateway6_(spec.gateway6().value_or(IpAddress())) {}

UdpForwarder::~UdpForwarder() {
  for (const auto& port : ports_) loop_.Forget(port->socket.get());
  if (timer_ != 0) loop_.Cancel(timer_);
}

Status UdpForwarder::Listen(const ForwardSpec& forward, std::vector<Fd> sockets) {
  std::vector<std::unique_ptr<Port>> made;
  for (int i = 0; i <= forward.last_host_port - forward.first_host_port; ++i) {
    auto port = std::make_unique<Port>();
    port->host = {forward.host_address, static_cast<std::uint16_t>(forward.first_host_port + i)};
    port->target = {forward.target, static_cast<std::uint16_t>(forward.first_port + i)};
    const bool bound = !sockets.empty();
    if (bound) port->socket = std::move(sockets[static_cast<std::size_t>(i)]);
    if (!bound) {
      port->socket.Reset(
          socket(FamilyNumber(forward.host_address.family()), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    }
    if (!port->socket.is_open()) return SystemError(errno, "open a UDP socket");
    if (forward.host_address.is_ipv6()) {
      if (!bound) TRY(SetOption(port->socket, IPPROTO_IPV6, IPV6_V6ONLY));
      TRY(SetOption(port->socket, IPPROTO_IPV6, IPV6_RECVPKTINFO));
    } else {
      TRY(SetOption(port->socket, IPPROTO_IP, IP_PKTINFO));
    }
    const SocketAddress address(port->host.address, port->host.port);
    if (!bound && bind(port->socket.get(), address.get(), address.size()) != 0) {
      return SystemError(errno, fmt::format("bind {} port {}/udp", port->host.address.text(), port->host.port));
    }
    made.push_back(std::move(port));
  }
  for (auto& port : made) {
    loop_.Watch(port->socket.get(), POLLIN, [this, of = port.get()](short) { Receive(*of); });
    ports_.push_back(std::move(port));
  }
  return {};
}

void UdpForwarder::Unlisten(const ForwardSpec& forward) {
  std::erase_if(ports_, [&](const std::unique_ptr<Port>& port) {
    if (port->host.address != forward.host_address || port->host.port < forward.first_host_port ||
        port->host.port > forward.last_host_port) {
      return false;
    }
    if (out_port_ == port.get()) Flush();
    loop_.Forget(port->socket.get());
    std::erase_if(flows_, [&](auto& entry) {
      if (entry.second.port != port.get()) return false;
      by_use_.erase(entry.second.place);
      return true;
    });
    return true;
  });
}

void UdpForwarder::Receive(const Port& port) {
  if (in_ == nullptr) in_ = std::make_unique<Batch>();
  for (int round = 0; round < kBatchesOfRound; ++round) {
    for (std::size_t i = 0; i < kBatch; ++i) in_->Prepare(i);
    const int count = recvmmsg(port.socket.get(), in_->headers.data(), kBatch, 0, nullptr);
    // Nothing left; or an ICMP error of an answer, which is reported once.
    for (int i = 0; i < count; ++i) Take(port, static_cast<std::size_t>(i));
    if (count < static_cast<int>(kBatch)) return;
  }
}

void UdpForwarder::Take(const Port& port, std::size_t i) {
  Batch::Datagram& datagram = in_->datagrams[i];
  msghdr& message = in_->headers[i].msg_hdr;
  Flow flow{.port = &port, .client = datagram.peer, .client_size = message.msg_namelen};
  const auto client = FromSockaddr(reinterpret_cast<const sockaddr&>(flow.client));
  if (!client) return;
  for (cmsghdr* part_of = CMSG_FIRSTHDR(&message); part_of != nullptr; part_of = CMSG_NXTHDR(&message, part_of)) {
    if (part_of->cmsg_level == IPPROTO_IP && part_of->cmsg_type == IP_PKTINFO) {
      in_pktinfo info = {};
      std::memcpy(&info, CMSG_DATA(part_of), sizeof info);
      flow.local = IpAddress::FromBytes(Family::kIpv4, &info.ipi_spec_dst);
    } else if (part_of->cmsg_level == IPPROTO_IPV6 && part_of->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info = {};
      std::memcpy(&info, CMSG_DATA(part_of), sizeof info);
      flow.local = IpAddress::FromBytes(Family::kIpv6, &info.ipi6_addr);
      // Only a link-local address needs its link; elsewhere routing may choose another way back.
      if (flow.local.is_link_local()) flow.interface = info.ipi6_ifindex;
    }
  }
  UdpEndpoint shown = *client;
  const IpAddress& from = shown.address;
  // No remote client is ever shown as loopback, and a loopback client has no address that the lab could answer.
  if (from.is_loopback() || from.is_unspecified() || from.is_link_local()) {
    shown.address = from.is_ipv6() ? gateway6_ : gateway_;
  }
  Remember({port.target, shown}, flow);
  deliver_(shown, port.target, std::span(datagram.bytes).first(in_->headers[i].msg_len));
}

void UdpForwarder::Touch(Flow& flow) {
  flow.last_used = Loop::Now();
  by_use_.splice(by_use_.end(), by_use_, flow.place);
}

void UdpForwarder::Remember(const FlowKey& key, Flow flow) {
  const auto found = flows_.find(key);
  if (found != flows_.end()) {
    // The same client, or another loopback client with the same port: the last one that spoke is answered.
    flow.place = found->second.place;
    found->second = flow;
    Touch(found->second);
    return;
  }
  if (flows_.size() >= kMostFlows) {
    flows_.erase(by_use_.front());
    by_use_.pop_front();
  }
  flow.place = by_use_.insert(by_use_.end(), key);
  flow.last_used = Loop::Now();
  flows_[key] = flow;
  if (timer_ == 0) timer_ = loop_.After(kIdle, [this] { Expire(); });
}

void UdpForwarder::Expire() {
  timer_ = 0;
  const std::int64_t now = Loop::Now();
  while (!by_use_.empty()) {
    const auto oldest = flows_.find(by_use_.front());
    const std::int64_t left = oldest->second.last_used + kIdle - now;
    if (left > 0) {
      timer_ = loop_.After(left, [this] { Expire(); });
      return;
    }
    flows_.erase(oldest);
    by_use_.pop_front();
  }
}

bool UdpForwarder::TakeReply(const Packet& packet) {
  if (packet.protocol != kProtoUdp || flows_.empty()) return false;
  const auto found = flows_.find({{packet.source, packet.source_port}, {packet.destination, packet.destination_port}});
  if (found == flows_.end()) return false;
  Flow& flow = found->second;
  Touch(flow);
  if (out_ == nullptr) out_ = std::make_unique<Batch>();
  if (out_->count == kBatch || flow.port != out_port_) Flush();
  out_port_ = flow.port;
  const std::size_t i = out_->count++;
  out_->Prepare(i);
  Batch::Datagram& datagram = out_->datagrams[i];
  msghdr& message = out_->headers[i].msg_hdr;
  const auto payload = packet.udp_payload();
  std::memcpy(datagram.bytes.data(), payload.data(), payload.size());
  datagram.part.iov_len = payload.size();
  datagram.peer = flow.client;
  message.msg_namelen = flow.client_size;
  const bool ipv6 = flow.local.is_ipv6();
  message.msg_controllen = ipv6 ? CMSG_SPACE(sizeof(in6_pktinfo)) : CMSG_SPACE(sizeof(in_pktinfo));
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (ipv6) {
    in6_pktinfo info = {};
    std::memcpy(&info.ipi6_addr, flow.local.bytes(), 16);
    info.ipi6_ifindex = flow.interface;
    header->cmsg_level = IPPROTO_IPV6;
    header->cmsg_type = IPV6_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(header), &info, sizeof info);
  } else {
    in_pktinfo info = {};
    std::memcpy(&info.ipi_spec_dst, flow.local.bytes(), 4);
    header->cmsg_level = IPPROTO_IP;
    header->cmsg_type = IP_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(header), &info, sizeof info);
  }
  return true;
}

void UdpForwarder::Flush() {
  if (out_ == nullptr || out_->count == 0) return;
  for (std::size_t at = 0; at < out_->count;) {
    const int sent = sendmmsg(out_port_->socket.get(), &out_->headers[at], static_cast<unsigned>(out_->count - at), 0);
    // A datagram that cannot be sent is lost, as datagrams are; those behind it are not.
    at += sent > 0 ? static_cast<std::size_t>(sent) : 1;
  }
  out_->count = 0;
}

}  // namespace runner
