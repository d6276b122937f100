#include "uplink/dns_redirect.h"

#include <algorithm>

namespace runner {
namespace {

constexpr std::uint16_t kDnsPort = 53;

// Offsets from the start of the IP header.
struct Place {
  std::size_t address;
  std::size_t tcp;
  std::size_t port;  // from the start of the TCP header
};

void Rewrite(std::uint8_t* ip, const Place& place, const IpAddress& address, std::uint16_t port) {
  std::uint8_t* tcp = ip + place.tcp;
  std::uint8_t* checksum = tcp + kTcpChecksum;
  if (!address.is_ipv6()) {
    // The header's own checksum; TCP's covers the address too.
    std::uint8_t kept[4];
    std::copy_n(ip + place.address, 4, kept);
    ReplaceUnder(ip + place.address, {address.bytes(), 4}, ip + 10);
    std::copy_n(kept, 4, ip + place.address);
  }
  ReplaceUnder(ip + place.address, {address.bytes(), address.size()}, checksum);
  std::uint8_t bytes[2];
  Put16(bytes, port);
  ReplaceUnder(tcp + place.port, bytes, checksum);
}

}  // namespace

DnsRedirect::DnsRedirect(const UplinkSpec& spec)
    : gateway_(spec.gateway()),
      dns_(spec.dns_address()),
      gateway6_(spec.gateway6().value_or(IpAddress())),
      dns6_(spec.dns_address6().value_or(IpAddress())) {}

void DnsRedirect::SetPorts(std::uint16_t ipv4, std::uint16_t ipv6) {
  port_ = ipv4;
  port6_ = ipv6;
}

void DnsRedirect::ToRelay(Packet& packet) const {
  const bool ipv6 = packet.destination.is_ipv6();
  const std::uint16_t port = ipv6 ? port6_ : port_;
  if (port == 0) return;
  const Place place = {.address = ipv6 ? 24U : 16U, .tcp = packet.l4 - kEthernetHeader, .port = 2};
  packet.destination = ipv6 ? gateway6_ : gateway_;
  packet.destination_port = port;
  Rewrite(packet.frame.data() + kEthernetHeader, place, packet.destination, port);
}

void DnsRedirect::FromRelay(std::span<std::uint8_t> frame) const {
  const std::uint16_t ethertype = frame.size() < kEthernetHeader ? 0 : Get16(&frame[12]);
  const bool ipv6 = ethertype == kEtherIpv6;
  if (!ipv6 && ethertype != kEtherIpv4) return;
  const std::uint16_t port = ipv6 ? port6_ : port_;
  // libslirp writes neither options nor extension headers.
  const std::size_t header = ipv6 ? 40 : 20;
  if (port == 0 || frame.size() < kEthernetHeader + header + 20) return;
  std::uint8_t* ip = frame.data() + kEthernetHeader;
  const IpAddress& gateway = ipv6 ? gateway6_ : gateway_;
  const Place place = {.address = ipv6 ? 8U : 12U, .tcp = header, .port = 0};
  if (ip[ipv6 ? 6 : 9] != kProtoTcp || Get16(ip + header) != port) return;
  if (!std::equal(gateway.bytes(), gateway.bytes() + gateway.size(), ip + place.address)) return;
  Rewrite(ip, place, ipv6 ? dns6_ : dns_, kDnsPort);
}

}  // namespace runner
