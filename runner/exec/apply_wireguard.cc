// Keys, ports and peers of wireguard interfaces.
#include <algorithm>

#include "base/text.h"
#include "exec/device.h"
#include "exec/wireguard.h"
#include "kernel/wireguard.h"

namespace runner {
namespace {

Result<WireguardSocket> SocketIn(ApplyContext& context, const NamespaceName& ns) {
  return WireguardSocket::OpenIn((*TRY(context.sessions.Get(ns))).place());
}

Result<WireguardPeerInfo> PeerInfoFrom(ApplyContext& context, const PeerAttributes& peer) {
  const auto key = WireguardKey::Parse(peer.public_key);
  if (!key) return Fail("set the peer", Quote(peer.public_key) + " is no public key");
  WireguardPeerInfo info{.public_key = *key, .keepalive = peer.keepalive, .allowed_ips = peer.allowed_ips};
  if (!peer.preshared_key.empty()) info.preshared_key = TRY(context.secrets.Find(peer.preshared_key));
  if (peer.endpoint) {
    info.endpoint = WireguardEndpoint::Parse(*peer.endpoint);
    if (!info.endpoint) return Fail("set the peer", Quote(*peer.endpoint) + " is no endpoint");
  }
  return info;
}

}  // namespace

Status SetKeyAndPort(ApplyContext& context, const LinkAttributes& link, const LinkAttributes* before) {
  std::optional<WireguardKey> key;
  std::optional<std::uint16_t> port;
  for (const OptionAttributes& option : link.options) {
    if (before != nullptr && std::ranges::find(before->options, option) != before->options.end()) continue;
    if (option.name == "public_key") key = TRY(context.secrets.Find(option.value));
    if (option.name == "listen_port") port = static_cast<std::uint16_t>(ParseInteger(option.value).value_or(0));
  }
  if (!key && !port) return {};
  const int index = TRY((*TRY(context.sessions.Get(link.device.ns))).IndexOf(link.device.name));
  WireguardSocket socket = TRY(SocketIn(context, link.device.ns));
  return socket.SetKeyAndPort(index, key, port);
}

Status ApplyPeer(ApplyContext& context, const Action& action, const PeerAttributes& peer) {
  if (action.verb == Verb::kAdopt) return {};
  if (action.verb == Verb::kRemove) {
    const auto index = TRY(IndexIfThere(context, peer.ns, peer.dev));
    if (!index) return {};
    const PeerAttributes& now = action.before ? std::get<PeerAttributes>(*action.before) : peer;
    const auto key = WireguardKey::Parse(now.public_key);
    if (!key) return {};  // It was never made: no key was known for it.
    WireguardSocket socket = TRY(SocketIn(context, peer.ns));
    return socket.RemovePeer(*index, *key);
  }
  const WireguardPeerInfo info = TRY(PeerInfoFrom(context, peer));
  const int index = TRY((*TRY(context.sessions.Get(peer.ns))).IndexOf(peer.dev));
  WireguardSocket socket = TRY(SocketIn(context, peer.ns));
  return socket.SetPeer(index, info);
}

}  // namespace runner
