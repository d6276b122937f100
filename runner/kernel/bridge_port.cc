#include "kernel/bridge_port.h"

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>

namespace runner {
namespace {

// There is one attribute a VLAN, all with the same number.
template <class Each>
void ForEachVlan(std::string_view bytes, const Each& each) {
  rtattr header{};
  while (bytes.size() >= sizeof header) {
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.rta_len < sizeof header || header.rta_len > bytes.size()) return;
    bridge_vlan_info vlan{};
    if (header.rta_type == IFLA_BRIDGE_VLAN_INFO && header.rta_len >= RTA_LENGTH(sizeof vlan)) {
      std::memcpy(&vlan, bytes.data() + RTA_LENGTH(0), sizeof vlan);
      each(vlan);
    }
    bytes.remove_prefix(std::min<std::size_t>(RTA_ALIGN(header.rta_len), bytes.size()));
  }
}

enum class Vlan { kAdd, kDelete };

Status SendVlans(NetlinkSocket& socket, int index, Vlan verb, const std::vector<bridge_vlan_info>& vlans) {
  if (vlans.empty()) return {};
  NetlinkMessage message(verb == Vlan::kAdd ? RTM_SETLINK : RTM_DELLINK, 0);
  ifinfomsg header{};
  header.ifi_family = AF_BRIDGE;
  header.ifi_index = index;
  message.Append(header);
  {
    const NetlinkMessage::Nest nest(message, IFLA_AF_SPEC);
    for (const bridge_vlan_info& vlan : vlans) message.PutBytes(IFLA_BRIDGE_VLAN_INFO, &vlan, sizeof vlan);
  }
  return socket.Request(message, verb == Vlan::kAdd ? "add VLANs" : "delete VLANs");
}

/// The flags of a VLAN at a port; nothing where it is no member.
std::optional<std::uint16_t> FlagsOf(const VlanMembership& membership, std::uint16_t vlan) {
  const bool untagged = membership.untagged.contains(vlan);
  const bool pvid = membership.pvid == vlan;
  if (!untagged && !pvid && !membership.tagged.contains(vlan)) return std::nullopt;
  return static_cast<std::uint16_t>((untagged ? BRIDGE_VLAN_INFO_UNTAGGED : 0) | (pvid ? BRIDGE_VLAN_INFO_PVID : 0));
}

std::set<std::uint16_t> AllOf(const VlanMembership& membership) {
  std::set<std::uint16_t> all = membership.tagged;
  all.insert(membership.untagged.begin(), membership.untagged.end());
  if (membership.pvid) all.insert(*membership.pvid);
  return all;
}

NetlinkMessage FdbMessage(int type, int flags, const TunnelFdbEntry& entry) {
  NetlinkMessage message(type, flags);
  ndmsg header{};
  header.ndm_family = AF_BRIDGE;
  header.ndm_ifindex = entry.index;
  header.ndm_flags = NTF_SELF;
  header.ndm_state = NUD_PERMANENT;
  message.Append(header);
  message.PutMac(NDA_LLADDR, entry.mac);
  message.PutAddress(NDA_DST, entry.dst);
  return message;
}

}  // namespace

Result<std::map<int, VlanMembership>> ReadPortVlans(NetlinkSocket& socket) {
  NetlinkMessage message(RTM_GETLINK, 0);
  ifinfomsg header{};
  header.ifi_family = AF_BRIDGE;
  message.Append(header);
  message.PutU32(IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN);
  std::map<int, VlanMembership> ports;
  TRY(socket.Dump(message, "read VLANs of ports", [&](const nlmsghdr& answer) -> Status {
    const auto* link = FixedPart<ifinfomsg>(answer);
    if (link == nullptr) return {};
    const auto attributes = NetlinkAttributes::Of(answer, sizeof *link, IFLA_MAX);
    ForEachVlan(attributes.Bytes(IFLA_AF_SPEC), [&](const bridge_vlan_info& vlan) {
      VlanMembership& membership = ports[link->ifi_index];
      if ((vlan.flags & BRIDGE_VLAN_INFO_PVID) != 0) membership.pvid = vlan.vid;
      ((vlan.flags & BRIDGE_VLAN_INFO_UNTAGGED) != 0 ? membership.untagged : membership.tagged).insert(vlan.vid);
    });
    return {};
  }));
  return ports;
}

Status ChangePortVlans(NetlinkSocket& socket, int index, const VlanMembership& before, const VlanMembership& wish) {
  std::vector<bridge_vlan_info> gone;
  std::vector<bridge_vlan_info> fresh;
  for (const std::uint16_t vlan : AllOf(before)) {
    if (!FlagsOf(wish, vlan)) gone.push_back({.flags = 0, .vid = vlan});
  }
  for (const std::uint16_t vlan : AllOf(wish)) {
    const auto flags = FlagsOf(wish, vlan);
    if (FlagsOf(before, vlan) != flags) fresh.push_back({.flags = *flags, .vid = vlan});
  }
  TRY(SendVlans(socket, index, Vlan::kDelete, gone));
  return SendVlans(socket, index, Vlan::kAdd, fresh);
}

Result<std::vector<TunnelFdbEntry>> ReadTunnelFdb(NetlinkSocket& socket) {
  NetlinkMessage message(RTM_GETNEIGH, 0);
  ndmsg header{};
  header.ndm_family = AF_BRIDGE;
  message.Append(header);
  std::vector<TunnelFdbEntry> entries;
  TRY(socket.Dump(message, "read forwarding entries", [&](const nlmsghdr& answer) -> Status {
    const auto* entry = FixedPart<ndmsg>(answer);
    if (answer.nlmsg_type != RTM_NEWNEIGH || entry == nullptr) return {};
    const auto attributes = NetlinkAttributes::Of(answer, sizeof *entry, NDA_MAX);
    const auto mac = attributes.Mac(NDA_LLADDR);
    auto dst = attributes.Address(NDA_DST, Family::kIpv4);
    if (!dst) dst = attributes.Address(NDA_DST, Family::kIpv6);
    if (mac && dst) entries.push_back({.index = entry->ndm_ifindex, .mac = *mac, .dst = *dst});
    return {};
  }));
  return entries;
}

Status AddTunnelFdb(NetlinkSocket& socket, const TunnelFdbEntry& entry) {
  // One more destination of the same address; for a single station the kernel knows only one.
  const int flags = NLM_F_CREATE | (entry.mac.is_zero() ? NLM_F_APPEND : NLM_F_EXCL);
  NetlinkMessage message = FdbMessage(RTM_NEWNEIGH, flags, entry);
  return socket.Request(message, "add forwarding entry");
}

Status DeleteTunnelFdb(NetlinkSocket& socket, const TunnelFdbEntry& entry) {
  NetlinkMessage message = FdbMessage(RTM_DELNEIGH, 0, entry);
  return socket.Request(message, "delete forwarding entry");
}

}  // namespace runner
