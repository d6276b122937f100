#include "kernel/link.h"

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/socket.h>

#include <cerrno>

namespace runner {
namespace {

constexpr int kCreate = NLM_F_CREATE | NLM_F_EXCL;

// The fixed part and the attributes that every new interface may have, the far end of a veth too.
void EncodeSettings(NetlinkMessage& message, const LinkSettings& link) {
  ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = link.index;
  if (link.up) header.ifi_flags = header.ifi_change = IFF_UP;
  message.Append(header);
  message.PutString(IFLA_IFNAME, link.name);
  if (link.place != nullptr) message.PutU32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(link.place->fd()));
  if (link.mtu) message.PutU32(IFLA_MTU, *link.mtu);
  if (link.mac) message.PutMac(IFLA_ADDRESS, *link.mac);
  if (link.txqueuelen) message.PutU32(IFLA_TXQLEN, *link.txqueuelen);
  if (link.group) message.PutU32(IFLA_GROUP, *link.group);
  if (link.master != 0) message.PutU32(IFLA_MASTER, static_cast<std::uint32_t>(link.master));
  if (link.link != 0) message.PutU32(IFLA_LINK, static_cast<std::uint32_t>(link.link));
}

void EncodeBridge(NetlinkMessage& message, const BridgeSettings& settings) {
  if (settings.stp) message.PutU32(IFLA_BR_STP_STATE, *settings.stp ? 1 : 0);
  if (settings.priority) message.PutU16(IFLA_BR_PRIORITY, *settings.priority);
  if (settings.ageing) message.PutU32(IFLA_BR_AGEING_TIME, *settings.ageing * kBridgeTicksPerSecond);
  if (settings.vlan_filtering) message.PutU8(IFLA_BR_VLAN_FILTERING, *settings.vlan_filtering ? 1 : 0);
}

void EncodeKind(NetlinkMessage& message, const std::string& kind, const std::function<void(NetlinkMessage&)>& data) {
  const NetlinkMessage::Nest info(message, IFLA_LINKINFO);
  message.PutString(IFLA_INFO_KIND, kind);
  if (!data) return;
  const NetlinkMessage::Nest nest(message, IFLA_INFO_DATA);
  data(message);
}

// Index 0 with a group would mean every link of that group.
Status CheckIndex(int index, const std::string& tried) {
  if (index > 0) return {};
  return Error{.where = {}, .tried = tried, .why = "no interface is named", .code = EINVAL};
}

}  // namespace

Status CreateLink(NetlinkSocket& socket, const LinkSettings& link, const std::string& kind,
                  const std::function<void(NetlinkMessage&)>& data) {
  NetlinkMessage message(RTM_NEWLINK, kCreate);
  EncodeSettings(message, link);
  EncodeKind(message, kind, data);
  return socket.Request(message, "create " + kind);
}

Status CreateLink(NetlinkSocket& socket, const LinkSettings& link, const std::string& type,
                  const LinkOptions& options) {
  Status encoded;
  NetlinkMessage message(RTM_NEWLINK, kCreate);
  EncodeSettings(message, link);
  EncodeKind(message, type, [&](NetlinkMessage& data) { encoded = EncodeLinkOptions(data, type, options); });
  TRY(std::move(encoded));
  return socket.Request(message, "create " + type);
}

Status ChangeLinkOptions(NetlinkSocket& socket, int index, const std::string& type, const LinkOptions& options) {
  TRY(CheckIndex(index, "change " + type));
  Status encoded;
  NetlinkMessage message(RTM_NEWLINK, 0);
  ifinfomsg header{};
  header.ifi_index = index;
  message.Append(header);
  EncodeKind(message, type, [&](NetlinkMessage& data) { encoded = EncodeLinkOptions(data, type, options); });
  TRY(std::move(encoded));
  return socket.Request(message, "change " + type);
}

Status CreateVeth(NetlinkSocket& socket, const VethEnd& first, const VethEnd& second) {
  // The kernel answers "not connected" to the one and says nothing of the other.
  if (second.up || second.master != 0) {
    return Error{
        .where = {}, .tried = "create veth", .why = "only the first end can be made up or a port", .code = EINVAL};
  }
  return CreateLink(socket, first, "veth", [&](NetlinkMessage& message) {
    const NetlinkMessage::Nest nest(message, VETH_INFO_PEER);
    EncodeSettings(message, second);
  });
}

Status CreateBridge(NetlinkSocket& socket, const LinkSettings& link, const BridgeSettings& settings) {
  return CreateLink(socket, link, "bridge", [&](NetlinkMessage& message) { EncodeBridge(message, settings); });
}

Status ChangeLink(NetlinkSocket& socket, int index, const LinkUpdate& change) {
  TRY(CheckIndex(index, "change link"));
  // RTM_NEWLINK without NLM_F_CREATE changes, and alone takes a kind's settings.
  NetlinkMessage message(change.bridge ? RTM_NEWLINK : RTM_SETLINK, 0);
  ifinfomsg header{};
  header.ifi_index = index;
  if (change.up) {
    header.ifi_change = IFF_UP;
    header.ifi_flags = *change.up ? IFF_UP : 0;
  }
  message.Append(header);
  if (change.name) message.PutString(IFLA_IFNAME, *change.name);
  if (change.mtu) message.PutU32(IFLA_MTU, *change.mtu);
  if (change.mac) message.PutMac(IFLA_ADDRESS, *change.mac);
  if (change.txqueuelen) message.PutU32(IFLA_TXQLEN, *change.txqueuelen);
  if (change.group) message.PutU32(IFLA_GROUP, *change.group);
  if (change.master) message.PutU32(IFLA_MASTER, static_cast<std::uint32_t>(*change.master));
  // Without the terminating zero: only an alias of no bytes is taken away.
  if (change.alias) message.PutBytes(IFLA_IFALIAS, change.alias->data(), change.alias->size());
  if (change.place != nullptr) message.PutU32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(change.place->fd()));
  if (change.bridge) EncodeKind(message, "bridge", [&](NetlinkMessage& data) { EncodeBridge(data, *change.bridge); });
  return socket.Request(message, "change link");
}

Status DeleteLink(NetlinkSocket& socket, int index) {
  TRY(CheckIndex(index, "delete link"));
  NetlinkMessage message(RTM_DELLINK, 0);
  ifinfomsg header{};
  header.ifi_index = index;
  message.Append(header);
  return socket.Request(message, "delete link");
}

Status DeleteLinkGroup(NetlinkSocket& socket, std::uint32_t group) {
  NetlinkMessage message(RTM_DELLINK, 0);
  message.Append(ifinfomsg{});
  message.PutU32(IFLA_GROUP, group);
  return socket.Request(message, "delete a group of links");
}

}  // namespace runner
