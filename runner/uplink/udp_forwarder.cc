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
constexpr int kDatagramsOfRound = 64;
constexpr std::size_t kLargestDatagram = 65535;

struct alignas(cmsghdr) Control {
  std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> bytes = {};
};

Status SetOption(const Fd& socket, int level, int option) {
  const int on = 1;
  if (setsockopt(socket.get(), level, option, &on, sizeof on) != 0) return SystemError(errno, "set a socket's option");
  return {};
}

}  // namespace

UdpForwarder::UdpForwarder(Loop& loop, const UplinkSpec& spec, Deliver deliver)
    : loop_(loop),
      deliver_(std::move(deliver)),
      gateway_(spec.gateway()),
      gateway6_(spec.gateway6().value_or(IpAddress())) {}

UdpForwarder::~UdpForwarder() {
  for (const auto& port : ports_) loop_.Forget(port->socket.get());
  if (timer_ != 0) loop_.Cancel(timer_);
}

Status UdpForwarder::Listen(const ForwardSpec& forward) {
  std::vector<std::unique_ptr<Port>> made;
  for (int i = 0; i <= forward.last_host_port - forward.first_host_port; ++i) {
    auto port = std::make_unique<Port>();
    port->host = {forward.host_address, static_cast<std::uint16_t>(forward.first_host_port + i)};
    port->target = {forward.target, static_cast<std::uint16_t>(forward.first_port + i)};
    port->socket.Reset(socket(FamilyOf(forward.host_address), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!port->socket.is_open()) return SystemError(errno, "open a UDP socket");
    if (forward.host_address.is_ipv6()) {
      TRY(SetOption(port->socket, IPPROTO_IPV6, IPV6_V6ONLY));
      TRY(SetOption(port->socket, IPPROTO_IPV6, IPV6_RECVPKTINFO));
    } else {
      TRY(SetOption(port->socket, IPPROTO_IP, IP_PKTINFO));
    }
    const SocketAddress address(port->host.address, port->host.port);
    if (bind(port->socket.get(), address.get(), address.size()) != 0) {
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
  static std::array<std::uint8_t, kLargestDatagram> buffer;
  for (int i = 0; i < kDatagramsOfRound; ++i) {
    Flow flow{.port = &port};
    Control control;
    iovec part = {.iov_base = buffer.data(), .iov_len = buffer.size()};
    msghdr message = {};
    message.msg_name = &flow.client;
    message.msg_namelen = sizeof flow.client;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    const ssize_t size = recvmsg(port.socket.get(), &message, 0);
    if (size < 0) return;  // Nothing left; or an ICMP error of an answer, which is reported once.
    flow.client_size = message.msg_namelen;
    const auto client = FromSockaddr(reinterpret_cast<const sockaddr&>(flow.client));
    if (!client) continue;
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
    deliver_(shown, port.target, std::span(buffer).first(static_cast<std::size_t>(size)));
  }
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
  const auto payload = packet.udp_payload();
  iovec part = {.iov_base = payload.data(), .iov_len = payload.size()};
  Control control;
  msghdr message = {};
  message.msg_name = &flow.client;
  message.msg_namelen = flow.client_size;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
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
  // A datagram that cannot be sent is lost, as datagrams are.
  [[maybe_unused]] const ssize_t sent = sendmsg(flow.port->socket.get(), &message, 0);
  return true;
}

}  // namespace runner
