#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "kernel/link.h"

namespace runner {
namespace {

// Positions in the kernel's arrays of interface settings (IFLA_INET_CONF, IFLA_INET6_CONF).
constexpr std::size_t kIpv4Forwarding = IPV4_DEVCONF_FORWARDING - 1;  // IPv4 counts from 1
constexpr std::size_t kIpv6Forwarding = DEVCONF_FORWARDING;
constexpr std::size_t kIpv6Disable = DEVCONF_DISABLE_IPV6;
constexpr std::size_t kIpv6AddressMode = DEVCONF_ADDR_GEN_MODE;
static_assert(IN6_ADDR_GEN_MODE_EUI64 == 0);

std::optional<bool> Setting(std::string_view array, std::size_t index) {
  std::int32_t value = 0;
  if (array.size() < (index + 1) * sizeof value) return {};
  array.copy(reinterpret_cast<char*>(&value), sizeof value, index * sizeof value);
  return value != 0;
}

BridgeSettings DecodeBridge(const NetlinkAttributes& data) {
  BridgeSettings settings;
  settings.stp = data.U32(IFLA_BR_STP_STATE).value_or(0) != 0;
  settings.priority = data.U16(IFLA_BR_PRIORITY);
  // While the spanning tree changes the kernel ages faster (net/bridge/br_stp.c): what was set is not seen then.
  const bool changes = *settings.stp && data.U8(IFLA_BR_TOPOLOGY_CHANGE).value_or(0) != 0;
  if (!changes) settings.ageing = data.U32(IFLA_BR_AGEING_TIME).value_or(0) / kBridgeTicksPerSecond;
  settings.vlan_filtering = data.U8(IFLA_BR_VLAN_FILTERING).value_or(0) != 0;
  return settings;
}

void DecodeFamilies(const NetlinkAttributes& families, LinkInfo& link) {
  const NetlinkAttributes ipv4 = families.Nested(AF_INET, IFLA_INET_MAX);
  link.ipv4_forwarding = Setting(ipv4.Bytes(IFLA_INET_CONF), kIpv4Forwarding);
  const NetlinkAttributes ipv6 = families.Nested(AF_INET6, IFLA_INET6_MAX);
  link.ipv6_forwarding = Setting(ipv6.Bytes(IFLA_INET6_CONF), kIpv6Forwarding);
  link.disable_ipv6 = Setting(ipv6.Bytes(IFLA_INET6_CONF), kIpv6Disable);
  const auto mode = Setting(ipv6.Bytes(IFLA_INET6_CONF), kIpv6AddressMode);
  if (mode) link.ipv6_eui64 = !*mode;
}

std::optional<LinkInfo> DecodeLink(const nlmsghdr& message) {
  const auto* header = FixedPart<ifinfomsg>(message);
  if (message.nlmsg_type != RTM_NEWLINK || header == nullptr) return {};
  const auto attributes = NetlinkAttributes::Of(message, sizeof *header, IFLA_MAX);
  const NetlinkAttributes info = attributes.Nested(IFLA_LINKINFO, IFLA_INFO_MAX);
  LinkInfo link;
  link.index = header->ifi_index;
  link.name = attributes.String(IFLA_IFNAME).value_or("");
  link.kind = info.String(IFLA_INFO_KIND).value_or("");
  link.mtu = attributes.U32(IFLA_MTU).value_or(0);
  link.mac = attributes.Mac(IFLA_ADDRESS).value_or(MacAddress());
  link.up = (header->ifi_flags & IFF_UP) != 0;
  link.carrier = (header->ifi_flags & IFF_LOWER_UP) != 0;
  link.loopback = (header->ifi_flags & IFF_LOOPBACK) != 0;
  link.master = attributes.S32(IFLA_MASTER).value_or(0);
  link.peer = attributes.S32(IFLA_LINK).value_or(0);
  link.link_netnsid = attributes.S32(IFLA_LINK_NETNSID);
  link.group = attributes.U32(IFLA_GROUP).value_or(0);
  link.alias = attributes.String(IFLA_IFALIAS).value_or("");
  link.txqueuelen = attributes.U32(IFLA_TXQLEN).value_or(0);
  link.master_kind = info.String(IFLA_INFO_SLAVE_KIND).value_or("");
  if (link.kind == "bridge") link.bridge = DecodeBridge(info.Nested(IFLA_INFO_DATA, IFLA_BR_MAX));
  // A tap and a tun are one kind to the kernel.
  if (link.kind == "tun") {
    constexpr std::uint8_t kTun = 1;  // IFF_TUN
    const bool is_tun = info.Nested(IFLA_INFO_DATA, IFLA_TUN_MAX).U8(IFLA_TUN_TYPE) == kTun;
    link.options = DecodeLinkOptions(is_tun ? "tun" : "tap", info.Nested(IFLA_INFO_DATA, IFLA_TUN_MAX));
    link.is_tun = is_tun;
  } else if (!link.kind.empty() && link.kind != "veth" && link.kind != "bridge") {
    link.options = DecodeLinkOptions(link.kind, info.Nested(IFLA_INFO_DATA, kHighestLinkOption));
  }
  DecodeFamilies(attributes.Nested(IFLA_AF_SPEC, AF_INET6), link);
  return link;
}

// Counters are most of what the kernel would tell of a link, and nobody here reads them.
constexpr std::uint32_t kWithoutCounters = RTEXT_FILTER_SKIP_STATS;

}  // namespace

Result<std::vector<LinkInfo>> ReadLinks(NetlinkSocket& socket) {
  NetlinkMessage message(RTM_GETLINK, 0);
  message.Append(ifinfomsg{});
  message.PutU32(IFLA_EXT_MASK, kWithoutCounters);
  std::vector<LinkInfo> links;
  TRY(socket.Dump(message, "read links", [&](const nlmsghdr& answer) -> Status {
    if (auto link = DecodeLink(answer)) links.push_back(std::move(*link));
    return {};
  }));
  return links;
}

Result<std::optional<LinkInfo>> ReadLink(NetlinkSocket& socket, const std::string& name) {
  NetlinkMessage message(RTM_GETLINK, 0);
  message.Append(ifinfomsg{});
  message.PutString(IFLA_IFNAME, name);
  message.PutU32(IFLA_EXT_MASK, kWithoutCounters);
  std::optional<LinkInfo> found;
  auto read = socket.Get(message, "read link", [&](const nlmsghdr& answer) -> Status {
    found = DecodeLink(answer);
    return {};
  });
  if (!read.ok() && read.error().code == ENODEV) return std::optional<LinkInfo>();
  if (!read.ok()) return std::move(read).error();
  return found;
}

}  // namespace runner
