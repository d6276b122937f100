// Wireguard interfaces: each has one key, and its peers are others, each with prefixes of its own.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/text.h"
#include "topology/validate_index.h"

namespace runner::validate {
namespace {

class Checker {
 public:
  Checker(const PlaceDevices& place, const Device& device, const Wireguard& wireguard, const Index& index,
          Findings& findings)
      : where_(DeviceName(place.place, device)),
        own_(place.place.name + ":" + std::string(device.name)),
        at_(device.interface->type_at.known() ? device.interface->type_at : device.interface->at),
        wireguard_(wireguard),
        index_(index),
        findings_(findings) {}

  void Check() {
    CheckKey();
    for (const WireguardPeer& peer : wireguard_.peers) {
      CheckNode(peer);
      CheckTwice(peer);
      CheckPrefixes(peer);
    }
  }

 private:
  static std::string NameOf(const WireguardPeer& peer) { return peer.node.empty() ? peer.public_key : peer.node; }
  static std::string Tried(const WireguardPeer& peer) { return "peer " + Quote(NameOf(peer)); }

  void CheckKey() {
    const int ways = (wireguard_.private_key.empty() ? 0 : 1) + (wireguard_.private_key_file.empty() ? 0 : 1) +
                     (wireguard_.auto_key ? 1 : 0);
    if (ways == 1) return;
    findings_.Wrong(at_, where_, {},
                    ways == 0 ? "it has no key: say `auto: true`, `private_key_file` or `private_key`"
                              : "it has one key: `private_key`, `private_key_file` and `auto` exclude each other");
  }

  /// A peer that is a node must have an interface to be a peer with.
  void CheckNode(const WireguardPeer& peer) {
    if (peer.node.empty()) return;
    const auto parts = Split(peer.node, ':');
    const PlaceDevices* other = index_.Find({.kind = Place::Kind::kNode, .name = std::string(parts.front())});
    if (other == nullptr) {
      findings_.Wrong(peer.at, where_, Tried(peer), "there is no node " + Quote(parts.front()));
      return;
    }
    const auto is_meant = [&](const Device& candidate) {
      return candidate.interface != nullptr && std::holds_alternative<Wireguard>(candidate.interface->type) &&
             (parts.size() < 2 || candidate.name == parts[1]);
    };
    const auto count = std::ranges::count_if(other->devices, is_meant);
    if (count == 0) {
      findings_.Wrong(peer.at, where_, Tried(peer), "no wireguard interface is there");
    } else if (count > 1) {
      findings_.Wrong(peer.at, where_, Tried(peer), "it has several wireguard interfaces; name one as NODE:IFNAME");
    } else if (peer.node == own_) {
      findings_.Wrong(peer.at, where_, Tried(peer), "it is the interface itself");
    } else {
      CheckMeeting(peer, std::get<Wireguard>(std::ranges::find_if(other->devices, is_meant)->interface->type));
    }
  }

  void CheckMeeting(const WireguardPeer& peer, const Wireguard& other) {
    // Beside a mistake elsewhere nothing was filled in.
    const auto is_open = [](const WireguardPeer& one) {
      return !one.node.empty() && one.node.find(':') == std::string::npos;
    };
    if (is_open(peer) || std::ranges::any_of(other.peers, is_open)) return;
    const auto knows_us = std::ranges::find(other.peers, own_, &WireguardPeer::node);
    if (knows_us == other.peers.end()) {
      findings_.Warn(peer.at, where_, Tried(peer),
                     "it does not have this interface as a peer, and hears nothing from it");
    } else if (peer.endpoint.empty() && knows_us->endpoint.empty()) {
      findings_.Warn(
          peer.at, where_, Tried(peer),
          "neither knows where the other is: one of the two needs a `listen_port` and an address outside of the "
          "tunnel, or the other an `endpoint`");
    }
  }

  void CheckTwice(const WireguardPeer& peer) {
    const auto [first, is_new] = peers_.emplace(NameOf(peer), &peer);
    if (!is_new)
      findings_.Wrong(peer.at, where_, Tried(peer), "it stands twice", {{first->second->at, "first here", {}}});
  }

  /// The kernel gives a prefix to one peer: the last that asks.
  void CheckPrefixes(const WireguardPeer& peer) {
    for (const IpPrefix& prefix : peer.allowed_ips) {
      const auto [first, is_new] = prefixes_.emplace(prefix, &peer);
      if (is_new) continue;
      findings_.Wrong(peer.at, where_, Tried(peer),
                      first->second == &peer
                          ? "allowed_ips has " + prefix.text() + " twice"
                          : fmt::format("{} goes to peer {} already", prefix.text(), Quote(NameOf(*first->second))),
                      {{first->second->at, "first here", {}}});
    }
  }

  const std::string where_;
  const std::string own_;
  const Mark at_;
  const Wireguard& wireguard_;
  const Index& index_;
  Findings& findings_;
  std::map<std::string, const WireguardPeer*> peers_;
  std::map<IpPrefix, const WireguardPeer*> prefixes_;
};

}  // namespace

void CheckWireguard(const Topology& /*topology*/, const Index& index, Findings& findings) {
  for (const PlaceDevices& place : index.places()) {
    for (const Device& device : place.devices) {
      if (device.interface == nullptr) continue;
      const auto* wireguard = std::get_if<Wireguard>(&device.interface->type);
      if (wireguard != nullptr) Checker(place, device, *wireguard, index, findings).Check();
    }
  }
}

}  // namespace runner::validate
