// Frames for tests, built independently of the code that is tested where that is cheap.
#pragma once
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "uplink/packet.h"

namespace runner::test {

inline std::vector<std::uint8_t> Ip(const std::string& source, const std::string& destination, std::uint8_t protocol,
                                    std::vector<std::uint8_t> payload) {
  const auto from = IpAddress::Parse(source).value();
  const auto to = IpAddress::Parse(destination).value();
  std::vector<std::uint8_t> frame(12, 2);
  std::vector<std::uint8_t> ip(from.is_ipv6() ? 40 : 20);
  frame.push_back(from.is_ipv6() ? 0x86 : 0x08);
  frame.push_back(from.is_ipv6() ? 0xdd : 0x00);
  if (from.is_ipv6()) {
    ip[0] = 0x60;
    Put16(&ip[4], payload.size());
    ip[6] = protocol;
    ip[7] = 255;
    std::memcpy(&ip[8], from.bytes(), 16);
    std::memcpy(&ip[24], to.bytes(), 16);
  } else {
    ip[0] = 0x45;
    Put16(&ip[2], 20 + payload.size());
    ip[8] = 64;
    ip[9] = protocol;
    std::memcpy(&ip[12], from.bytes(), 4);
    std::memcpy(&ip[16], to.bytes(), 4);
    Put16(&ip[10], Checksum(SumWords(ip)));
  }
  frame.insert(frame.end(), ip.begin(), ip.end());
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

inline std::vector<std::uint8_t> Transport(const std::string& source, const std::string& destination,
                                           std::uint8_t protocol, std::vector<std::uint8_t> segment,
                                           std::size_t checksum) {
  const auto from = IpAddress::Parse(source).value();
  const auto to = IpAddress::Parse(destination).value();
  Put16(&segment[checksum], Checksum(SumWords(segment, PseudoHeaderSum(from, to, protocol, segment.size()))));
  return Ip(source, destination, protocol, std::move(segment));
}

inline std::vector<std::uint8_t> Udp(const std::string& source, std::uint16_t source_port,
                                     const std::string& destination, std::uint16_t port, const std::string& payload) {
  std::vector<std::uint8_t> segment(8);
  Put16(&segment[0], source_port);
  Put16(&segment[2], port);
  Put16(&segment[4], 8 + payload.size());
  segment.insert(segment.end(), payload.begin(), payload.end());
  return Transport(source, destination, kProtoUdp, std::move(segment), 6);
}

inline std::vector<std::uint8_t> Tcp(const std::string& source, std::uint16_t source_port,
                                     const std::string& destination, std::uint16_t port, std::uint8_t flags,
                                     std::uint16_t urgent = 0, const std::string& payload = "") {
  std::vector<std::uint8_t> segment(20);
  Put16(&segment[0], source_port);
  Put16(&segment[2], port);
  segment[12] = 0x50;
  segment[13] = flags;
  Put16(&segment[14], 1000);
  Put16(&segment[18], urgent);
  segment.insert(segment.end(), payload.begin(), payload.end());
  return Transport(source, destination, kProtoTcp, std::move(segment), 16);
}

inline std::vector<std::uint8_t> ArpRequest(const std::string& source, const std::string& target) {
  std::vector<std::uint8_t> frame(kEthernetHeader + 28);
  Put16(&frame[12], kEtherArp);
  const std::vector<std::uint8_t> head = {0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9};
  std::copy(head.begin(), head.end(), frame.begin() + kEthernetHeader);
  std::memcpy(&frame[kEthernetHeader + 14], IpAddress::Parse(source)->bytes(), 4);
  std::memcpy(&frame[kEthernetHeader + 24], IpAddress::Parse(target)->bytes(), 4);
  return frame;
}

}  // namespace runner::test
