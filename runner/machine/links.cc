#include "machine/links.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "base/fd.h"
#include "kernel/impair.h"
#include "kernel/label_route.h"
#include "kernel/link.h"
#include "kernel/netlink.h"
#include "kernel/route.h"

namespace runner::machine {
namespace {

constexpr int kLoopbackIndex = 1;

/// What brings a feature: the module as distributions call it, and the kernel's option.
struct Source {
  std::string_view feature;
  std::string_view module;
  std::string_view option;
};
constexpr std::array kSources = {Source{"link veth", "veth", "VETH"},
                                 Source{"link bridge", "bridge", "BRIDGE"},
                                 Source{"link dummy", "dummy", "DUMMY"},
                                 Source{"link vlan", "8021q", "VLAN_8021Q"},
                                 Source{"link vxlan", "vxlan", "VXLAN"},
                                 Source{"link macvlan", "macvlan", "MACVLAN"},
                                 Source{"link macvtap", "macvtap", "MACVTAP"},
                                 Source{"link ipvlan", "ipvlan", "IPVLAN"},
                                 Source{"link bond", "bonding", "BONDING"},
                                 Source{"link vrf", "vrf", "NET_VRF"},
                                 Source{"link gre", "ip_gre", "NET_IPGRE"},
                                 Source{"link gretap", "ip_gre", "NET_IPGRE"},
                                 Source{"link ip6gre", "ip6_gre", "IPV6_GRE"},
                                 Source{"link ip6gretap", "ip6_gre", "IPV6_GRE"},
                                 Source{"link ipip", "ipip", "NET_IPIP"},
                                 Source{"link sit", "sit", "IPV6_SIT"},
                                 Source{"link ip6tnl", "ip6_tunnel", "IPV6_TUNNEL"},
                                 Source{"link vti", "ip_vti", "NET_IPVTI"},
                                 Source{"link vti6", "ip6_vti", "IPV6_VTI"},
                                 Source{"link geneve", "geneve", "GENEVE"},
                                 Source{"link macsec", "macsec", "MACSEC"},
                                 Source{"link wireguard", "wireguard", "WIREGUARD"},
                                 Source{"VLAN filtering", "bridge", "BRIDGE_VLAN_FILTERING"},
                                 Source{"impairment", "sch_netem", "NET_SCH_NETEM"},
                                 Source{"rate limit", "sch_tbf", "NET_SCH_TBF"},
                                 Source{"label routing", "mpls_router", "MPLS_ROUTING"},
                                 Source{"encap mpls", "mpls_iptunnel", "MPLS_IPTUNNEL"},
                                 Source{"encap seg6", "ipv6", "IPV6_SEG6_LWTUNNEL"},
                                 Source{"encap seg6local", "ipv6", "IPV6_SEG6_LWTUNNEL"}};

Feature Missing(const std::string& name, const std::string& detail = "this kernel has none") {
  Feature feature = {.name = name, .level = Level::kMissing, .detail = detail};
  for (const Source& source : kSources) {
    if (source.feature != name) continue;
    feature.remedy = fmt::format("modprobe {}, or a kernel with CONFIG_{}", source.module, source.option);
  }
  return feature;
}

Feature ProbeLinkKind(NetlinkSocket& socket, const std::string& kind) {
  NetlinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.Append(ifinfomsg{});
  message.PutString(IFLA_IFNAME, "probe");
  {
    const NetlinkMessage::Nest info(message, IFLA_LINKINFO);
    message.PutString(IFLA_INFO_KIND, kind);
  }
  // Without its attributes most kinds are refused as incomplete, which only a known kind can be.
  const Status made = socket.Request(message, "create " + kind);
  if (made) {
    NetlinkMessage removal(RTM_DELLINK, 0);
    removal.Append(ifinfomsg{});
    removal.PutString(IFLA_IFNAME, "probe");
    // The namespace's end takes it along in any case; the next kind needs the name.
    [[maybe_unused]] const Status removed = socket.Request(removal, "delete " + kind);
  }
  const bool unknown = !made && made.error().code == EOPNOTSUPP;
  return unknown ? Missing("link " + kind) : Feature{.name = "link " + kind};
}

/// A kernel without it takes the setting in silence: read back.
Feature ProbeVlanFiltering(NetlinkSocket& socket, const std::string& name) {
  LinkSettings link;
  link.name = "probe";
  BridgeSettings settings;
  settings.vlan_filtering = true;
  if (const Status made = CreateBridge(socket, link, settings); !made) return Missing(name, made.error().why);
  const auto found = ReadLink(socket, "probe");
  const bool works = found && *found && (*found)->bridge && (*found)->bridge->vlan_filtering.value_or(false);
  if (found && *found) {
    [[maybe_unused]] const Status removed = DeleteLink(socket, (*found)->index);
  }
  return works ? Feature{.name = name} : Missing(name);
}

Feature ProbeNetem(NetlinkSocket& socket, const std::string& name) {
  NetemSettings settings;
  settings.delay_ns = 1;
  const Status made = SetImpairment(socket, kLoopbackIndex, settings);
  return made ? Feature{.name = name} : Missing(name, "no netem: " + made.error().why);
}

Feature ProbeRate(NetlinkSocket& socket, const std::string& name) {
  NetemSettings settings;
  settings.rate = 125'000;
  const Status made = SetImpairment(socket, kLoopbackIndex, settings);
  return made ? Feature{.name = name} : Missing(name, made.error().why);
}

/// The kernel takes no label before it is told how many there may be, and does not tell of those either without MPLS.
Feature ProbeLabels(NetlinkSocket& socket, const std::string& name) {
  const Status made = AddLabelRoute(socket, {.label = 16, .hops = {{.oif = kLoopbackIndex}}});
  const bool unknown = !made && made.error().code == EOPNOTSUPP;
  return unknown ? Missing(name) : Feature{.name = name};
}

Feature ProbeEncap(NetlinkSocket& socket, const std::string& name) {
  LinkUpdate up;
  up.up = true;
  [[maybe_unused]] const Status started = ChangeLink(socket, kLoopbackIndex, up);
  RouteSpec route;
  route.to = *IpPrefix::Parse("2001:db8::/64");
  route.nexthops.push_back({.oif = kLoopbackIndex});
  if (name == "encap mpls") route.encap = "mpls 100";
  if (name == "encap seg6") route.encap = "seg6 mode encap segs 2001:db8::1";
  if (name == "encap seg6local") route.encap = "seg6local action End";
  const Status made = AddRoute(socket, route);
  if (made) {
    [[maybe_unused]] const Status removed = DeleteRoute(socket, route);
  }
  const bool unknown = !made && made.error().code == EOPNOTSUPP;
  return unknown ? Missing(name) : Feature{.name = name};
}

}  // namespace

std::vector<std::string> KernelFeatures() {
  std::vector<std::string> names;
  for (const Source& source : kSources) names.emplace_back(source.feature);
  return names;
}

Features ProbeKernel(const std::vector<std::string>& names) {
  constexpr std::string_view kLink = "link ";
  Features found;
  auto socket = NetlinkSocket::Open();
  for (const std::string& name : names) {
    if (!socket) {
      found.push_back(Missing(name, socket.error().why));
    } else if (name.starts_with(kLink)) {
      found.push_back(ProbeLinkKind(*socket, name.substr(kLink.size())));
    } else if (name == "VLAN filtering") {
      found.push_back(ProbeVlanFiltering(*socket, name));
    } else if (name == "impairment") {
      found.push_back(ProbeNetem(*socket, name));
    } else if (name == "rate limit") {
      found.push_back(ProbeRate(*socket, name));
    } else if (name == "label routing") {
      found.push_back(ProbeLabels(*socket, name));
    } else {
      found.push_back(ProbeEncap(*socket, name));
    }
  }
  return found;
}

Feature ProbeNftables() {
  Feature missing = {.name = "nftables",
                     .level = Level::kMissing,
                     .detail = "this kernel has none",
                     .remedy = "modprobe nf_tables, or a kernel with CONFIG_NF_TABLES"};
  const Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  struct {
    nlmsghdr header;
    nfgenmsg family;
  } question = {};
  question.header.nlmsg_len = sizeof question;
  question.header.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN;
  question.header.nlmsg_flags = NLM_F_REQUEST;
  if (!socket.is_open() || send(socket.get(), &question, sizeof question, 0) < 0) return missing;
  std::array<char, 4096> answer = {};
  const ssize_t size = recv(socket.get(), answer.data(), answer.size(), 0);
  nlmsghdr header = {};
  if (size < static_cast<ssize_t>(sizeof header)) return missing;
  std::memcpy(&header, answer.data(), sizeof header);
  if (header.nlmsg_type == NLMSG_ERROR) return missing;
  return {.name = "nftables"};
}

Feature ProbeSysfs() {
  if (mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0) return {.name = "sysfs"};
  return {.name = "sysfs",
          .level = Level::kLimited,
          .detail = fmt::format("a fresh /sys cannot be mounted: {}", std::strerror(errno)),
          .remedy = "tools that read /sys/class/net see another namespace's; in a container, unmask /sys"};
}

}  // namespace runner::machine
