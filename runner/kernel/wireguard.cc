#include "kernel/wireguard.h"

#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "base/text.h"
#include "kernel/link.h"

namespace runner {
namespace {

// So many fit into one message, whatever their family.
constexpr std::size_t kPrefixesAtOnce = 200;

NetlinkMessage Message(int family, int flags, std::uint8_t command, std::uint8_t version) {
  NetlinkMessage message(family, flags);
  message.Append(genlmsghdr{.cmd = command, .version = version, .reserved = 0});
  return message;
}

Result<int> FindFamily(NetlinkSocket& socket) {
  NetlinkMessage question = Message(GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY, 1);
  question.PutString(CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
  int family = 0;
  Status asked = socket.Get(question, "find wireguard in the kernel", [&family](const nlmsghdr& answer) -> Status {
    family = NetlinkAttributes::Of(answer, sizeof(genlmsghdr), CTRL_ATTR_MAX).U16(CTRL_ATTR_FAMILY_ID).value_or(0);
    return {};
  });
  if (asked.ok() && family != 0) return family;
  if (asked.ok() || asked.error().code == ENOENT) {
    return Error{.where = {}, .tried = "configure wireguard", .why = "this kernel has none", .code = EOPNOTSUPP};
  }
  return std::move(asked).error();
}

void PutKey(NetlinkMessage& message, int attribute, const WireguardKey& key) {
  message.PutBytes(attribute, key.data(), key.size());
}

std::optional<WireguardKey> KeyIn(const NetlinkAttributes& attributes, int attribute) {
  WireguardKey::Bytes bytes{};
  const std::string_view found = attributes.Bytes(attribute);
  if (found.size() != bytes.size()) return std::nullopt;
  std::memcpy(bytes.data(), found.data(), bytes.size());
  return WireguardKey(bytes);
}

void PutEndpoint(NetlinkMessage& message, const WireguardEndpoint& endpoint) {
  if (endpoint.address.is_ipv6()) {
    sockaddr_in6 out{};
    out.sin6_family = AF_INET6;
    out.sin6_port = htons(endpoint.port);
    std::memcpy(&out.sin6_addr, endpoint.address.bytes(), endpoint.address.size());
    message.PutBytes(WGPEER_A_ENDPOINT, &out, sizeof out);
    return;
  }
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(endpoint.port);
  std::memcpy(&out.sin_addr, endpoint.address.bytes(), endpoint.address.size());
  message.PutBytes(WGPEER_A_ENDPOINT, &out, sizeof out);
}

std::optional<WireguardEndpoint> EndpointIn(std::string_view bytes) {
  sockaddr_in6 six{};
  sockaddr_in four{};
  if (bytes.size() >= sizeof six) {
    std::memcpy(&six, bytes.data(), sizeof six);
    if (six.sin6_family == AF_INET6) {
      return WireguardEndpoint{.address = IpAddress::FromBytes(Family::kIpv6, reinterpret_cast<char*>(&six.sin6_addr)),
                               .port = ntohs(six.sin6_port)};
    }
  }
  if (bytes.size() < sizeof four) return std::nullopt;
  std::memcpy(&four, bytes.data(), sizeof four);
  if (four.sin_family != AF_INET) return std::nullopt;
  return WireguardEndpoint{.address = IpAddress::FromBytes(Family::kIpv4, reinterpret_cast<char*>(&four.sin_addr)),
                           .port = ntohs(four.sin_port)};
}

void PutPrefix(NetlinkMessage& message, int number, const IpPrefix& prefix) {
  const NetlinkMessage::Nest one(message, number);
  message.PutU16(WGALLOWEDIP_A_FAMILY, FamilyNumber(prefix.family()));
  message.PutAddress(WGALLOWEDIP_A_IPADDR, prefix.address());
  message.PutU8(WGALLOWEDIP_A_CIDR_MASK, static_cast<std::uint8_t>(prefix.length()));
}

void TakePrefixes(const NetlinkAttributes& peer, std::vector<IpPrefix>& out) {
  peer.ForEach(WGPEER_A_ALLOWEDIPS, WGALLOWEDIP_A_MAX, [&out](const NetlinkAttributes& prefix) {
    const bool six = prefix.U16(WGALLOWEDIP_A_FAMILY).value_or(0) == AF_INET6;
    const auto address = prefix.Address(WGALLOWEDIP_A_IPADDR, six ? Family::kIpv6 : Family::kIpv4);
    if (address) out.emplace_back(*address, prefix.U8(WGALLOWEDIP_A_CIDR_MASK).value_or(0));
  });
}

void TakePeer(const NetlinkAttributes& peer, WireguardInfo& out) {
  const auto key = KeyIn(peer, WGPEER_A_PUBLIC_KEY);
  if (!key) return;
  // A peer whose prefixes fill a message goes on in the next.
  if (out.peers.empty() || out.peers.back().public_key != *key) {
    WireguardPeerInfo info{.public_key = *key};
    info.preshared_key = KeyIn(peer, WGPEER_A_PRESHARED_KEY).value_or(WireguardKey());
    info.endpoint = EndpointIn(peer.Bytes(WGPEER_A_ENDPOINT));
    info.keepalive = peer.U16(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL).value_or(0);
    const std::string_view handshake = peer.Bytes(WGPEER_A_LAST_HANDSHAKE_TIME);
    info.was_heard = handshake.find_first_not_of('\0') != std::string_view::npos;
    out.peers.push_back(std::move(info));
  }
  TakePrefixes(peer, out.peers.back().allowed_ips);
}

}  // namespace

std::string WireguardEndpoint::text() const {
  return fmt::format("{}{}{}:{}", address.is_ipv6() ? "[" : "", address.text(), address.is_ipv6() ? "]" : "", port);
}

std::optional<WireguardEndpoint> WireguardEndpoint::Parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::Parse(host);
  const auto port = ParseInteger(text.substr(colon + 1));
  if (!address || !port || *port < 1 || *port > 65535) return std::nullopt;
  return WireguardEndpoint{.address = *address, .port = static_cast<std::uint16_t>(*port)};
}

Result<WireguardSocket> WireguardSocket::Open() {
  NetlinkSocket socket = TRY(NetlinkSocket::OpenGeneric());
  const int family = TRY(FindFamily(socket));
  return WireguardSocket(std::move(socket), family);
}

Result<WireguardSocket> WireguardSocket::OpenIn(const Namespace& place) {
  const InNamespace inside = TRY(InNamespace::Enter(place));
  return Open();
}

Result<WireguardInfo> WireguardSocket::Read(int index) {
  NetlinkMessage message = Message(family_, 0, WG_CMD_GET_DEVICE, WG_GENL_VERSION);
  message.PutU32(WGDEVICE_A_IFINDEX, static_cast<std::uint32_t>(index));
  WireguardInfo info;
  TRY(socket_.Dump(message, "read wireguard", [&info](const nlmsghdr& answer) -> Status {
    const auto device = NetlinkAttributes::Of(answer, sizeof(genlmsghdr), WGDEVICE_A_MAX);
    if (const auto key = KeyIn(device, WGDEVICE_A_PRIVATE_KEY)) info.private_key = *key;
    if (const auto key = KeyIn(device, WGDEVICE_A_PUBLIC_KEY)) info.public_key = *key;
    if (const auto port = device.U16(WGDEVICE_A_LISTEN_PORT)) info.listen_port = *port;
    device.ForEach(WGDEVICE_A_PEERS, WGPEER_A_MAX, [&info](const NetlinkAttributes& peer) { TakePeer(peer, info); });
    return {};
  }));
  for (WireguardPeerInfo& peer : info.peers) std::ranges::sort(peer.allowed_ips);
  return info;
}

Status WireguardSocket::SetKeyAndPort(int index, const std::optional<WireguardKey>& private_key,
                                      std::optional<std::uint16_t> listen_port) {
  NetlinkMessage message = Message(family_, 0, WG_CMD_SET_DEVICE, WG_GENL_VERSION);
  message.PutU32(WGDEVICE_A_IFINDEX, static_cast<std::uint32_t>(index));
  if (private_key) PutKey(message, WGDEVICE_A_PRIVATE_KEY, *private_key);
  if (listen_port) message.PutU16(WGDEVICE_A_LISTEN_PORT, *listen_port);
  return socket_.Request(message, listen_port ? fmt::format("listen on port {}", *listen_port) : "set the private key");
}

Status WireguardSocket::SetPeer(int index, const WireguardPeerInfo& peer) {
  for (std::size_t begin = 0; begin == 0 || begin < peer.allowed_ips.size(); begin += kPrefixesAtOnce) {
    NetlinkMessage message = Message(family_, 0, WG_CMD_SET_DEVICE, WG_GENL_VERSION);
    message.PutU32(WGDEVICE_A_IFINDEX, static_cast<std::uint32_t>(index));
    {
      const NetlinkMessage::Nest peers(message, WGDEVICE_A_PEERS);
      const NetlinkMessage::Nest one(message, 0);
      PutKey(message, WGPEER_A_PUBLIC_KEY, peer.public_key);
      if (begin == 0) {
        message.PutU32(WGPEER_A_FLAGS, WGPEER_F_REPLACE_ALLOWEDIPS);
        PutKey(message, WGPEER_A_PRESHARED_KEY, peer.preshared_key);
        if (peer.endpoint) PutEndpoint(message, *peer.endpoint);
        message.PutU16(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, peer.keepalive);
      }
      const NetlinkMessage::Nest prefixes(message, WGPEER_A_ALLOWEDIPS);
      const std::size_t end = std::min(begin + kPrefixesAtOnce, peer.allowed_ips.size());
      for (std::size_t i = begin; i < end; ++i) PutPrefix(message, static_cast<int>(i - begin), peer.allowed_ips[i]);
    }
    TRY(socket_.Request(message, "set the peer"));
  }
  return {};
}

Status WireguardSocket::RemovePeer(int index, const WireguardKey& public_key) {
  NetlinkMessage message = Message(family_, 0, WG_CMD_SET_DEVICE, WG_GENL_VERSION);
  message.PutU32(WGDEVICE_A_IFINDEX, static_cast<std::uint32_t>(index));
  {
    const NetlinkMessage::Nest peers(message, WGDEVICE_A_PEERS);
    const NetlinkMessage::Nest one(message, 0);
    PutKey(message, WGPEER_A_PUBLIC_KEY, public_key);
    message.PutU32(WGPEER_A_FLAGS, WGPEER_F_REMOVE_ME);
  }
  Status removed = socket_.Request(message, "remove the peer");
  // The interface went before it.
  return !removed.ok() && removed.error().code == ENODEV ? Status() : removed;
}

Result<std::vector<WireguardKey>> DerivePublicKeys(std::span<const WireguardKey> private_keys) {
  std::vector<WireguardKey> out;
  if (private_keys.empty()) return out;
  const InNamespace scratch = TRY(InNamespace::EnterNew());
  NetlinkSocket links = TRY(NetlinkSocket::Open());
  LinkSettings settings;
  settings.name = "wg0";
  TRY(CreateLink(links, settings, "wireguard", LinkOptions{}));
  const auto link = TRY(ReadLink(links, settings.name));
  if (!link) return Fail("derive a public key", "the interface for it is gone");
  WireguardSocket socket = TRY(WireguardSocket::Open());
  for (const WireguardKey& key : private_keys) {
    TRY(socket.SetKeyAndPort(link->index, key, {}));
    out.push_back(TRY(socket.Read(link->index)).public_key);
  }
  return out;
}

Result<WireguardKey> MakePrivateKey() {
  WireguardKey::Bytes bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return SystemError(errno, "make a private key");
  }
  return WireguardKey::PrivateFrom(bytes);
}

}  // namespace runner
