#include "kernel/address.h"
#include "base/json.h"

#include <gmock/gmock.h>
#include <linux/rtnetlink.h>

#include "tests/kernel/l3.h"

namespace runner {
namespace {

using test::Address;
using test::InSandbox;
using test::Ip;
using test::Mac;
using test::Prefix;
using test::Shell;
using test::Socket;

// The addresses of `dev` that have `local`, as ip tells them.
Json Shown(const std::string& dev, const std::string& local) {
  const Json link = Ip("address show dev " + dev)[0];
  return test::Find(link.at("addr_info"), "local", local);
}

TEST(Address, AddsAsIpDoes) {
  InSandbox([] {
    Shell("ip link add v0 type veth peer name v1; ip link set v1 up; ip link set v0 up");
    NetlinkSocket socket = Socket();
    const int index = test::Index(socket, "v0");
    ASSERT_TRUE(AddAddress(socket, {.index = index, .prefix = Prefix("10.0.0.1/24")}).ok());
    ASSERT_TRUE(AddAddress(socket, {.index = index, .prefix = Prefix("fd00::1/64")}).ok());
    const Json ipv4 = Shown("v0", "10.0.0.1");
    EXPECT_EQ(ipv4.at("prefixlen"), 24);
    EXPECT_EQ(ipv4.at("scope"), "global");
    EXPECT_FALSE(ipv4.contains("broadcast"));
    EXPECT_EQ(ipv4.at("valid_life_time"), 4294967295U);
    const Json ipv6 = Shown("v0", "fd00::1");
    EXPECT_EQ(ipv6.at("nodad"), true);
    EXPECT_FALSE(ipv6.contains("tentative"));
    // Debian's ip does not show who made an address.
    const auto read = ReadAddresses(socket);
    for (const AddressInfo& address : *read) {
      const bool added = !address.prefix.address().is_link_local();
      EXPECT_EQ(address.protocol == kProtocol, added) << address.prefix.text();
    }
  });
}

TEST(Address, DetectsDuplicatesOnlyWhenAsked) {
  InSandbox([] {
    // Without carrier the detection never ends.
    Shell("ip link add v0 type veth peer name v1; ip link set v0 up");
    NetlinkSocket socket = Socket();
    const int index = test::Index(socket, "v0");
    ASSERT_TRUE(AddAddress(socket, {.index = index, .prefix = Prefix("fd00::1/64"), .dad = true}).ok());
    EXPECT_FALSE(Shown("v0", "fd00::1").contains("nodad"));
    EXPECT_EQ(Shown("v0", "fd00::1").at("tentative"), true);
    const auto read = ReadAddresses(socket);
    ASSERT_EQ(read->size(), 1U);
    EXPECT_TRUE(read->front().tentative);
    EXPECT_FALSE(read->front().nodad);
  });
}

TEST(Address, SetsPeerScopeAndLifetime) {
  InSandbox([] {
    Shell("ip link add v0 type veth peer name v1; ip link set v1 up; ip link set v0 up; ip link set lo up");
    NetlinkSocket socket = Socket();
    const int index = test::Index(socket, "v0");
    for (const AddressSpec& address :
         {AddressSpec{.index = index, .prefix = Prefix("10.0.0.1/32"), .peer = Prefix("10.9.9.9/30")},
          AddressSpec{.index = index, .prefix = Prefix("10.0.3.1/24"), .scope = RT_SCOPE_LINK, .preferred = 0},
          AddressSpec{.index = index, .prefix = Prefix("10.0.4.1/24"), .preferred = 100},
          AddressSpec{.index = index, .prefix = Prefix("fd00::1/64"), .preferred = 100},
          AddressSpec{.index = index, .prefix = Prefix("fd00:5::1/128"), .peer = Prefix("fd00:5::2/128")},
          AddressSpec{.index = 1, .prefix = Prefix("127.0.0.2/8")}}) {
      const auto added = AddAddress(socket, address);
      ASSERT_TRUE(added.ok()) << added.error().text();
    }
    const Json peer = Shown("v0", "10.0.0.1");
    EXPECT_EQ(peer.at("address"), "10.9.9.9");
    EXPECT_EQ(peer.at("prefixlen"), 30);
    const Json old = Shown("v0", "10.0.3.1");
    EXPECT_EQ(old.at("scope"), "link");
    EXPECT_EQ(old.at("deprecated"), true);
    EXPECT_EQ(old.at("valid_life_time"), 4294967295U);
    EXPECT_LE(Shown("v0", "10.0.4.1").at("preferred_life_time"), 100);
    EXPECT_LE(Shown("v0", "fd00::1").at("preferred_life_time"), 100);
    EXPECT_EQ(Shown("v0", "fd00:5::1").at("address"), "fd00:5::2");
    EXPECT_EQ(Shown("lo", "127.0.0.2").at("scope"), "host");

    const auto read = ReadAddresses(socket);
    ASSERT_TRUE(read.ok());
    const auto find = [&](const char* text) {
      for (const AddressInfo& one : *read) {
        if (one.prefix.address() == Address(text)) return one;
      }
      ADD_FAILURE() << text;
      return AddressInfo{};
    };
    EXPECT_EQ(find("10.0.0.1"), (AddressInfo{.index = index,
                                             .prefix = Prefix("10.0.0.1/30"),
                                             .peer = Prefix("10.9.9.9/30"),
                                             .protocol = kProtocol,
                                             .permanent = true}));
    EXPECT_EQ(find("10.0.3.1"), (AddressInfo{.index = index,
                                             .prefix = Prefix("10.0.3.1/24"),
                                             .scope = RT_SCOPE_LINK,
                                             .protocol = kProtocol,
                                             .permanent = true,
                                             .preferred = 0}));
    EXPECT_EQ(find("fd00:5::1"), (AddressInfo{.index = index,
                                              .prefix = Prefix("fd00:5::1/128"),
                                              .peer = Prefix("fd00:5::2/128"),
                                              .protocol = kProtocol,
                                              .permanent = true,
                                              .nodad = true}));
    EXPECT_LE(find("fd00::1").preferred, 100U);
    EXPECT_EQ(find("fd00::1").valid, std::nullopt);
    EXPECT_EQ(find("127.0.0.2").scope, RT_SCOPE_HOST);
    EXPECT_EQ(find("::1").scope, RT_SCOPE_HOST);
    EXPECT_EQ(DefaultScope(Prefix("fe80::1/64")), RT_SCOPE_LINK);
  });
}

TEST(Address, DeletesThatOneOnly) {
  InSandbox([] {
    test::TwoLinks();
    Shell("ip address add 10.0.0.1/16 dev v0; ip address add 10.5.0.1 peer 10.5.0.2/32 dev v0");
    NetlinkSocket socket = Socket();
    const int index = test::Index(socket, "v0");
    ASSERT_TRUE(DeleteAddress(socket, index, Prefix("10.0.0.1/24")).ok());
    EXPECT_EQ(Shown("v0", "10.0.0.1").at("prefixlen"), 16);
    ASSERT_TRUE(DeleteAddress(socket, index, Prefix("fd00::1/64")).ok());
    EXPECT_TRUE(Shown("v0", "fd00::1").is_null());
    ASSERT_TRUE(DeleteAddress(socket, index, Prefix("10.5.0.1/32"), Prefix("10.5.0.2/32")).ok());
    EXPECT_TRUE(Shown("v0", "10.5.0.1").is_null());
    EXPECT_EQ(DeleteAddress(socket, index, Prefix("10.0.0.1/24")).error().code, EADDRNOTAVAIL);
  });
}

TEST(Address, RefusesToAddTwice) {
  InSandbox([] {
    test::TwoLinks();
    NetlinkSocket socket = Socket();
    const int index = test::Index(socket, "v0");
    const auto twice = AddAddress(socket, {.index = index, .prefix = Prefix("10.0.0.1/24")});
    ASSERT_FALSE(twice.ok());
    EXPECT_EQ(twice.error().code, EEXIST);
    EXPECT_EQ(twice.error().text(),
              "add address 10.0.0.1/24: file exists (kernel: \"ipv4: Address already assigned\")");
  });
}

}  // namespace
}  // namespace runner
