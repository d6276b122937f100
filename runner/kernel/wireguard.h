// What an interface of WireGuard has beside what all have: its key, its port, its peers. Over generic netlink, family
// "wireguard" (linux/wireguard.h).
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/wireguard_key.h"
#include "kernel/netlink.h"

namespace runner {

struct WireguardEndpoint {
  IpAddress address = {};
  std::uint16_t port = 0;
  friend bool operator==(const WireguardEndpoint&, const WireguardEndpoint&) = default;
  /// ADDR:PORT, [ADDR6]:PORT; and back.
  std::string text() const;
  static std::optional<WireguardEndpoint> Parse(std::string_view text);
};

struct WireguardPeerInfo {
  WireguardKey public_key = {};
  WireguardKey preshared_key = {};                 // zero: none
  std::optional<WireguardEndpoint> endpoint = {};  // as heard from last, or as set
  std::uint16_t keepalive = 0;                     // seconds; 0: none
  std::vector<IpPrefix> allowed_ips = {};          // sorted
  bool was_heard = false;                          // a handshake has been made: the endpoint is the peer's own word
  friend bool operator==(const WireguardPeerInfo&, const WireguardPeerInfo&) = default;
};

struct WireguardInfo {
  WireguardKey private_key = {};  // zero: none
  WireguardKey public_key = {};
  std::uint16_t listen_port = 0;
  std::vector<WireguardPeerInfo> peers = {};
  friend bool operator==(const WireguardInfo&, const WireguardInfo&) = default;
};

class WireguardSocket {
 public:
  /// EOPNOTSUPP where the kernel has no WireGuard.
  static Result<WireguardSocket> OpenIn(const Namespace& place);
  /// In the calling thread's namespace.
  static Result<WireguardSocket> Open();

  /// Everything of one interface, keys too, however many messages the kernel needs for it.
  Result<WireguardInfo> Read(int index);
  /// What is absent stays as it is.
  Status SetKeyAndPort(int index, const std::optional<WireguardKey>& private_key,
                       std::optional<std::uint16_t> listen_port);
  /// Makes the peer, or all of what stands under its key as it is told here. An absent endpoint stays as it is.
  Status SetPeer(int index, const WireguardPeerInfo& peer);
  /// Fine where it is gone.
  Status RemovePeer(int index, const WireguardKey& public_key);

 private:
  WireguardSocket(NetlinkSocket socket, int family) : socket_(std::move(socket)), family_(family) {}
  NetlinkSocket socket_;
  int family_;
};

/// The public half of each, as the kernel derives it: on an interface in a namespace of its own, which ends with it.
/// EOPNOTSUPP where the kernel has no WireGuard.
Result<std::vector<WireguardKey>> DerivePublicKeys(std::span<const WireguardKey> private_keys);
/// A private key of random bytes.
Result<WireguardKey> MakePrivateKey();

}  // namespace runner
