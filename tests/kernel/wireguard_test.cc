#include "kernel/wireguard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/kernel/l3.h"

namespace runner {
namespace {

using test::InSandbox;
using test::Shell;

WireguardKey PrivateKey(std::uint8_t seed) {
  WireguardKey::Bytes bytes{};
  bytes.fill(seed);
  return WireguardKey::PrivateFrom(bytes);
}

WireguardKey PublicKey(int number) {
  WireguardKey::Bytes bytes{};
  bytes[0] = static_cast<std::uint8_t>(number);
  bytes[1] = static_cast<std::uint8_t>(number >> 8);
  bytes[2] = 1;
  return WireguardKey(bytes);
}

/// In a sandbox with an interface wg0; where the kernel has no WireGuard the test says so and ends.
void WithWireguard(const std::function<void(WireguardSocket&, int index)>& body) {
  InSandbox([&body] {
    NetlinkSocket links = test::Socket();
    LinkSettings link;
    link.name = "wg0";
    const Status made = CreateLink(links, link, "wireguard", LinkOptions{});
    if (!made.ok() && made.error().code == EOPNOTSUPP) {
      std::puts("not run: this kernel has no wireguard");
      return;
    }
    ASSERT_TRUE(made.ok()) << made.error().text();
    auto socket = WireguardSocket::Open();
    ASSERT_TRUE(socket.ok()) << socket.error().text();
    body(*socket, test::Index(links, "wg0"));
  });
}

std::string Wg(const std::string& what) {
  std::string out = Shell("wg show wg0 " + what);
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

TEST(Wireguard, WithoutItTheKernelSaysSo) {
  InSandbox([] {
    const auto socket = WireguardSocket::Open();
    if (!socket.ok()) {
      EXPECT_EQ(socket.error().code, EOPNOTSUPP) << socket.error().text();
    }
    const auto derived = DerivePublicKeys(std::vector{PrivateKey(1)});
    if (!derived.ok()) {
      EXPECT_EQ(derived.error().code, EOPNOTSUPP) << derived.error().text();
    }
  });
}

TEST(Wireguard, KeyAndPortAreSetAndReadBack) {
  WithWireguard([](WireguardSocket& socket, int index) {
    ASSERT_TRUE(socket.SetKeyAndPort(index, PrivateKey(7), 51820).ok());
    EXPECT_EQ(Wg("listen-port"), "51820");
    EXPECT_EQ(Wg("private-key"), PrivateKey(7).text());
    ASSERT_TRUE(socket.SetKeyAndPort(index, {}, 1000).ok());
    const auto info = socket.Read(index);
    ASSERT_TRUE(info.ok());
    EXPECT_EQ(info->private_key, PrivateKey(7));
    EXPECT_EQ(info->public_key.text(), Wg("public-key"));
    EXPECT_EQ(info->listen_port, 1000);
  });
}

TEST(Wireguard, PublicKeysAreDerivedWithoutATrace) {
  WithWireguard([](WireguardSocket& /*socket*/, int /*index*/) {
    const auto derived = DerivePublicKeys(std::vector{PrivateKey(7), PrivateKey(8)});
    ASSERT_TRUE(derived.ok()) << derived.error().text();
    for (std::size_t i = 0; i < 2; ++i) {
      std::string told = Shell("echo " + PrivateKey(static_cast<std::uint8_t>(7 + i)).text() + " | wg pubkey");
      told.pop_back();
      EXPECT_EQ((*derived)[i].text(), told);
    }
    EXPECT_EQ(test::Ip("link show").size(), 2U) << "lo and wg0";
  });
}

TEST(Wireguard, APeerIsSetChangedAndRemoved) {
  WithWireguard([](WireguardSocket& socket, int index) {
    WireguardPeerInfo peer{.public_key = PublicKey(1), .preshared_key = PublicKey(99), .keepalive = 25};
    peer.endpoint = WireguardEndpoint::Parse("[fd00::1]:51820");
    peer.allowed_ips = {*IpPrefix::Parse("10.0.0.0/8"), *IpPrefix::Parse("fd00::/64")};
    ASSERT_TRUE(socket.SetPeer(index, peer).ok());
    const std::string key = PublicKey(1).text();
    EXPECT_EQ(Wg("endpoints"), key + "\t[fd00::1]:51820");
    EXPECT_EQ(Wg("allowed-ips"), key + "\t10.0.0.0/8 fd00::/64");
    EXPECT_EQ(Wg("persistent-keepalive"), key + "\t25");
    EXPECT_EQ(Wg("preshared-keys"), key + "\t" + PublicKey(99).text());
    EXPECT_EQ(socket.Read(index)->peers, std::vector{peer});
    peer.endpoint = WireguardEndpoint::Parse("10.1.2.3:7");
    peer.allowed_ips = {*IpPrefix::Parse("0.0.0.0/0")};
    peer.preshared_key = {};
    peer.keepalive = 0;
    ASSERT_TRUE(socket.SetPeer(index, peer).ok());
    EXPECT_EQ(socket.Read(index)->peers, std::vector{peer});
    EXPECT_EQ(Wg("allowed-ips"), key + "\t0.0.0.0/0");
    ASSERT_TRUE(socket.RemovePeer(index, PublicKey(1)).ok());
    ASSERT_TRUE(socket.RemovePeer(index, PublicKey(1)).ok()) << "gone already";
    EXPECT_EQ(Wg("peers"), "");
  });
}

TEST(Wireguard, ManyPeersAndPrefixesTakeSeveralMessages) {
  WithWireguard([](WireguardSocket& socket, int index) {
    constexpr int kPeers = 300;
    for (int number = 1; number <= kPeers; ++number) {
      WireguardPeerInfo peer{.public_key = PublicKey(number)};
      const std::string low = std::to_string(number / 250) + "." + std::to_string(number % 250);
      peer.allowed_ips = {*IpPrefix::Parse("10.0." + low + "/32")};
      ASSERT_TRUE(socket.SetPeer(index, peer).ok());
    }
    WireguardPeerInfo many{.public_key = PublicKey(kPeers + 1)};
    for (int i = 0; i < 900; ++i) {
      many.allowed_ips.push_back(
          *IpPrefix::Parse("10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250) + "/32"));
    }
    std::ranges::sort(many.allowed_ips);
    ASSERT_TRUE(socket.SetPeer(index, many).ok());
    const auto info = socket.Read(index);
    ASSERT_TRUE(info.ok());
    ASSERT_EQ(info->peers.size(), kPeers + 1U);
    const auto found = std::ranges::find(info->peers, many.public_key, &WireguardPeerInfo::public_key);
    ASSERT_NE(found, info->peers.end());
    EXPECT_EQ(found->allowed_ips, many.allowed_ips);
    // The first of its messages takes the former prefixes away, the others add.
    many.allowed_ips.erase(many.allowed_ips.begin());
    ASSERT_TRUE(socket.SetPeer(index, many).ok());
    const auto again = socket.Read(index);
    EXPECT_EQ(std::ranges::find(again->peers, many.public_key, &WireguardPeerInfo::public_key)->allowed_ips,
              many.allowed_ips);
  });
}

TEST(Wireguard, EndpointsAreReadAndWritten) {
  EXPECT_EQ(WireguardEndpoint::Parse("10.0.0.1:5")->text(), "10.0.0.1:5");
  EXPECT_EQ(WireguardEndpoint::Parse("[fd00:0::1]:5")->text(), "[fd00::1]:5");
  for (const char* text : {"10.0.0.1", "10.0.0.1:0", "10.0.0.1:65536", "host:5", ":5", ""}) {
    EXPECT_FALSE(WireguardEndpoint::Parse(text)) << text;
  }
}

TEST(Wireguard, EveryKeyIsAnother) {
  const auto a = MakePrivateKey();
  const auto b = MakePrivateKey();
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_NE(*a, *b);
  EXPECT_EQ(a->data()[0] & 7, 0) << "clamped";
}

}  // namespace
}  // namespace runner
