#include "kernel/link_options.h"
#include "base/json.h"

#include <gmock/gmock.h>
#include <linux/if_macsec.h>
#include <linux/rtnetlink.h>

#include "base/link_types.h"
#include "kernel/bridge_port.h"
#include "tests/kernel/l3.h"

namespace runner {
namespace {

using test::InSandbox;
using test::Ip;
using test::Shell;
using testing::Contains;
using testing::Pair;

/// A value for any option, to see that it is written and read.
std::string SomeValue(const LinkOption& option) {
  using Form = LinkOption::Form;
  switch (option.form) {
    case Form::kWord8:
    case Form::kWord16:
    case Form::kWord32:
    case Form::kWordBe16:
    case Form::kWord64:
      return std::string(option.words[1].text);
    case Form::kFlag:
      return "on";
    case Form::kAddress:
      if (option.name == "group") return "239.1.1.1";
      return option.attribute == 0 ? "fd00::1" : "10.0.0.1";
    case Form::kAddresses:
      return "10.0.0.1,10.0.0.2";
    case Form::kMac:
      return "02:00:00:00:00:01";
    case Form::kChannel:
      return "020000000001000b";
    default:
      return std::to_string(option.most != 0 ? option.most : std::max<std::int64_t>(option.least, 7));
  }
}

TEST(LinkOptions, EveryOptionIsReadBackFromWhatItIsWrittenAs) {
  for (const LinkType& type : LinkTypes()) {
    for (const LinkOption& option : type.options) {
      if (option.form == LinkOption::Form::kTunUser || option.attribute + option.attribute6 == 0) continue;
      // The kernel takes it, and tells it with the channel.
      if (option.form == LinkOption::Form::kChannelPort) continue;
      NetlinkMessage message(RTM_NEWLINK, 0);
      const LinkOptions options = {{std::string(option.name), SomeValue(option)}};
      const Status encoded = EncodeLinkOptions(message, std::string(type.name), options);
      ASSERT_TRUE(encoded.ok()) << type.name << " " << option.name << ": " << encoded.error().text();
      const auto data = NetlinkAttributes::Of(*message.header(), 0, kHighestLinkOption);
      EXPECT_THAT(DecodeLinkOptions(std::string(type.name), data), Contains(Pair(option.name, SomeValue(option))))
          << type.name;
    }
  }
}

TEST(LinkOptions, TheKernelsOldNumberOfTheDefaultCipherIsThatCipher) {
  NetlinkMessage message(RTM_NEWLINK, 0);
  message.PutBytes(IFLA_MACSEC_SCI, "\x02\0\0\0\0\x01\x01\x02", 8);
  const std::uint64_t old = MACSEC_DEFAULT_CIPHER_ID;
  message.PutBytes(IFLA_MACSEC_CIPHER_SUITE, &old, sizeof old);
  const auto told = DecodeLinkOptions("macsec", NetlinkAttributes::Of(*message.header(), 0, kHighestLinkOption));
  EXPECT_THAT(told, Contains(Pair("cipher", "gcm-aes-128")));
  EXPECT_THAT(told, Contains(Pair("sci", "0200000000010102")));
  EXPECT_THAT(told, Contains(Pair("port", "258")));
}

TEST(LinkOptions, WhatTheTypeDoesNotHaveIsRefused) {
  NetlinkMessage message(RTM_NEWLINK, 0);
  EXPECT_EQ(EncodeLinkOptions(message, "dummy", {{"id", "1"}}).error().code, EINVAL);
  EXPECT_EQ(EncodeLinkOptions(message, "vlan", {{"id", "5000"}}).error().code, EINVAL);
}

TEST(LinkOptions, AVxlanIsMadeAndChanged) {
  InSandbox([] {
    test::TwoLinks();
    NetlinkSocket socket = test::Socket();
    const int v0 = test::Index(socket, "v0");
    LinkSettings link;
    link.name = "x0";
    const Status made = CreateLink(socket, link, "vxlan",
                                   LinkOptions{{"id", "42"},
                                               {"local", "10.0.0.1"},
                                               {"remote", "10.0.0.2"},
                                               {"dev", std::to_string(v0)},
                                               {"port", "4790"},
                                               {"learning", "off"}});
    ASSERT_TRUE(made.ok()) << made.error().text();
    Json told = Ip("-d link show x0")[0].at("linkinfo").at("info_data");
    EXPECT_EQ(told.at("id"), 42);
    EXPECT_EQ(told.at("remote"), "10.0.0.2");
    EXPECT_EQ(told.at("link"), "v0");
    EXPECT_EQ(told.at("port"), 4790);
    EXPECT_EQ(told.at("learning"), false);
    const int x0 = test::Index(socket, "x0");
    ASSERT_TRUE(ChangeLinkOptions(socket, x0, "vxlan", {{"remote", "10.0.0.3"}}).ok());
    told = Ip("-d link show x0")[0].at("linkinfo").at("info_data");
    EXPECT_EQ(told.at("remote"), "10.0.0.3");
    EXPECT_EQ(told.at("id"), 42) << "what is not named stays";
  });
}

TEST(LinkOptions, ForwardingEntriesOfAVxlan) {
  InSandbox([] {
    test::TwoLinks();
    Shell("ip link add x0 type vxlan id 5 dstport 4789 dev v0 && ip link set x0 up");
    NetlinkSocket socket = test::Socket();
    const int x0 = test::Index(socket, "x0");
    const TunnelFdbEntry station{.index = x0, .mac = test::Mac("02:00:00:00:00:01"), .dst = test::Address("10.0.0.2")};
    const TunnelFdbEntry any{.index = x0, .mac = {}, .dst = test::Address("10.0.0.3")};
    TunnelFdbEntry more = any;
    more.dst = test::Address("10.0.0.4");
    for (const TunnelFdbEntry& entry : {station, any, more}) {
      const Status added = AddTunnelFdb(socket, entry);
      ASSERT_TRUE(added.ok()) << added.error().text();
    }
    const Status twice = AddTunnelFdb(socket, station);
    ASSERT_FALSE(twice.ok());
    EXPECT_EQ(twice.error().code, EEXIST);
    const std::string told = Shell("bridge fdb show dev x0");
    EXPECT_THAT(told, testing::HasSubstr("02:00:00:00:00:01 dst 10.0.0.2 self permanent"));
    EXPECT_THAT(told, testing::HasSubstr("00:00:00:00:00:00 dst 10.0.0.4 self permanent"));
    auto read = ReadTunnelFdb(socket);
    ASSERT_TRUE(read.ok());
    EXPECT_THAT(*read, testing::IsSupersetOf({station, any, more}));
    ASSERT_TRUE(DeleteTunnelFdb(socket, any).ok());
    read = ReadTunnelFdb(socket);
    EXPECT_THAT(*read, testing::Not(Contains(any)));
    EXPECT_THAT(*read, testing::IsSupersetOf({station, more}));
    TunnelFdbEntry unknown = station;
    unknown.mac = test::Mac("02:00:00:00:00:09");
    const Status deleted = DeleteTunnelFdb(socket, unknown);
    ASSERT_FALSE(deleted.ok());
    EXPECT_EQ(deleted.error().code, ENOENT);
  });
}

}  // namespace
}  // namespace runner
