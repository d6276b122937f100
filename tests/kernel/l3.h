// What the tests of addresses, routes, rules and neighbours start from.
#pragma once
#include <gtest/gtest.h>

#include <string>

#include "kernel/link.h"
#include "kernel/netlink.h"
#include "tests/support/sandbox.h"

namespace runner::test {

inline NetlinkSocket Socket() { return std::move(NetlinkSocket::Open()).value(); }

/// Two veths `v0` and `w0`, both up with carrier, and v0's addresses 10.0.0.1/24 and fd00::1/64 without detection.
inline void TwoLinks() {
  Shell(
      "ip link add v0 type veth peer name v1; ip link add w0 type veth peer name w1;"
      "ip link set lo up; ip link set v1 up; ip link set v0 up; ip link set w1 up; ip link set w0 up;"
      "ip address add 10.0.0.1/24 dev v0; ip address add fd00::1/64 dev v0 nodad;"
      "ip address add 10.0.1.1/24 dev w0; ip address add fd00:1::1/64 dev w0 nodad");
}

inline int Index(NetlinkSocket& socket, const std::string& name) {
  const auto link = ReadLink(socket, name);
  if (link.ok() && *link) return (*link)->index;
  ADD_FAILURE() << "no link " << name;
  return 0;
}

inline IpAddress Address(const char* text) { return *IpAddress::Parse(text); }
inline IpPrefix Prefix(const char* text) { return *IpPrefix::Parse(text); }
inline MacAddress Mac(const char* text) { return *MacAddress::Parse(text); }

}  // namespace runner::test
