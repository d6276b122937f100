// A node's settings against each other: sysctls, forwarding, what it is attached to, its resolver.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/text.h"
#include "topology/validate_index.h"

namespace runner::validate {
namespace {

/// Settings of the whole machine: a namespace does not have them, or may only read them. A name that ends in `*` or
/// `.` stands for all that begin so.
constexpr std::array<std::string_view, 52> kMachineWide = {"net.core.bpf_jit_*",
                                                           "net.core.busy_*",
                                                           "net.core.default_qdisc",
                                                           "net.core.dev_weight*",
                                                           "net.core.devconf_inherit_init_net",
                                                           "net.core.fb_tunnels_only_for_init_net",
                                                           "net.core.flow_limit_*",
                                                           "net.core.gro_normal_batch",
                                                           "net.core.high_order_alloc_disable",
                                                           "net.core.max_skb_frags",
                                                           "net.core.mem_pcpu_rsv",
                                                           "net.core.message_*",
                                                           "net.core.netdev_*",
                                                           "net.core.rmem_*",
                                                           "net.core.rps_*",
                                                           "net.core.skb_defer_max",
                                                           "net.core.tstamp_allow_data",
                                                           "net.core.warnings",
                                                           "net.core.wmem_*",
                                                           "net.ipv4.cipso_*",
                                                           "net.ipv4.inet_peer_*",
                                                           "net.ipv4.ipfrag_secret_interval",
                                                           "net.ipv4.neigh.default.gc_*",
                                                           "net.ipv4.route.error_*",
                                                           "net.ipv4.route.gc_*",
                                                           "net.ipv4.route.max_size",
                                                           "net.ipv4.route.redirect_*",
                                                           "net.ipv4.tcp_allowed_congestion_control",
                                                           "net.ipv4.tcp_available_*",
                                                           "net.ipv4.tcp_mem",
                                                           "net.ipv4.udp_mem",
                                                           "net.ipv6.calipso_*",
                                                           "net.ipv6.ip6frag_secret_interval",
                                                           "net.ipv6.mld_max_msf",
                                                           "net.ipv6.neigh.default.gc_*",
                                                           "net.netfilter.nf_conntrack_buckets",
                                                           "net.netfilter.nf_conntrack_count",
                                                           "net.netfilter.nf_conntrack_expect_max",
                                                           "net.netfilter.nf_conntrack_max",
                                                           "net.netfilter.nf_hooks_lwtunnel",
                                                           "net.netfilter.nf_log.*",
                                                           "net.nf_conntrack_max",
                                                           "net.netrom.*",
                                                           "net.ax25.*",
                                                           "net.rose.*",
                                                           "net.x25.*",
                                                           "net.llc.*",
                                                           "net.appletalk.*",
                                                           "net.dccp.*",
                                                           "net.rds.*",
                                                           "net.sunrpc.*",
                                                           "net.iw_cm.*"};

bool IsMachineWide(std::string_view key) {
  return std::ranges::any_of(kMachineWide, [key](std::string_view name) {
    return name.ends_with('*') ? key.starts_with(name.substr(0, name.size() - 1)) : key == name;
  });
}

/// The interface in `net.ipv4.conf.IFNAME.rp_filter` and its like, or nothing.
std::string_view InterfaceOf(std::string_view key) {
  constexpr std::array<std::string_view, 5> kByInterface = {"net.ipv4.conf.", "net.ipv6.conf.", "net.ipv4.neigh.",
                                                            "net.ipv6.neigh.", "net.mpls.conf."};
  for (const std::string_view prefix : kByInterface) {
    if (!key.starts_with(prefix)) continue;
    key.remove_prefix(prefix.size());
    // The name may hold dots; a setting's last part holds none.
    const std::size_t end = key.rfind('.');
    if (end == std::string_view::npos) return {};
    const std::string_view name = key.substr(0, end);
    return name == "all" || name == "default" ? std::string_view() : name;
  }
  return {};
}

bool IsForwardingKey(std::string_view key, Family family) {
  if (family == Family::kIpv6) return key == "net.ipv6.conf.all.forwarding";
  return key == "net.ipv4.ip_forward" || key == "net.ipv4.conf.all.forwarding";
}

void CheckForwarding(const Node& node, const Sysctl& sysctl, Family family, const MaybeAt<bool>& forwarding,
                     Findings& findings) {
  if (!forwarding || !IsForwardingKey(sysctl.key, family)) return;
  const bool wants = sysctl.value != "0";
  if (wants == forwarding->value) return;
  findings.Wrong(sysctl.at, "node " + Quote(node.name), "sysctl " + Quote(sysctl.key),
                 fmt::format("it turns {} forwarding {}, and `forwarding` turns it {}",
                             family == Family::kIpv4 ? "IPv4" : "IPv6", wants ? "on" : "off", wants ? "off" : "on"),
                 {{forwarding->at, "forwarding", {}}});
}

void CheckIpv6Switch(const PlaceDevices& place, const Sysctl& sysctl, Findings& findings) {
  if (!sysctl.key.starts_with("net.ipv6.conf.") || !sysctl.key.ends_with(".disable_ipv6")) return;
  const std::string_view name = InterfaceOf(sysctl.key);
  const Device* device = name.empty() ? nullptr : place.Find(name);
  if (device == nullptr || device->interface == nullptr || !device->interface->ipv6) return;
  const bool disables = sysctl.value != "0";
  if (disables != device->interface->ipv6->value) return;
  findings.Wrong(sysctl.at, PlaceName(place.place), "sysctl " + Quote(sysctl.key),
                 fmt::format("it turns IPv6 {}, and interface {} turns it {}", disables ? "off" : "on", Quote(name),
                             disables ? "on" : "off"),
                 {{device->interface->ipv6->at, "the interface's setting", {}}});
}

void CheckSysctls(const PlaceDevices& place, Findings& findings) {
  const Node& node = *place.node;
  for (const Sysctl& sysctl : node.sysctls) {
    const std::string tried = "sysctl " + Quote(sysctl.key);
    if (IsMachineWide(sysctl.key)) {
      findings.Wrong(sysctl.at, PlaceName(place.place), tried,
                     "it is one setting of the whole machine, not of a namespace");
      continue;
    }
    const std::string_view name = InterfaceOf(sysctl.key);
    if (!name.empty() && place.knows_all() && place.Find(name) == nullptr) {
      findings.Wrong(sysctl.at, PlaceName(place.place), tried,
                     "there is no interface " + Quote(name) + place.Near(name));
    }
    CheckForwarding(node, sysctl, Family::kIpv4, node.forwarding.ipv4, findings);
    CheckForwarding(node, sysctl, Family::kIpv6, node.forwarding.ipv6, findings);
    CheckIpv6Switch(place, sysctl, findings);
  }
}

std::string AttachText(const Attach& attach) {
  if (const auto* pid = std::get_if<Attach::Pid>(&attach.to)) return "pid " + std::to_string(pid->pid);
  if (const auto* path = std::get_if<Attach::Path>(&attach.to)) return "path " + Quote(path->path);
  return "container " + Quote(std::get<Attach::Container>(attach.to).name);
}

/// Two nodes in one namespace would undo each other's settings.
void CheckAttach(const Topology& topology, Findings& findings) {
  std::map<std::string, const Node*> seen;
  for (const Node& node : topology.nodes) {
    if (!node.attach) continue;
    const auto [first, is_new] = seen.emplace(AttachText(*node.attach), &node);
    if (is_new) continue;
    findings.Wrong(node.attach->at, "node " + Quote(node.name), "attach",
                   first->first + " is node " + Quote(first->second->name) + " already",
                   {{first->second->attach->at, "first here", {}}});
  }
}

void CheckDns(const Node& node, Findings& findings) {
  constexpr std::size_t kMostNameservers = 3;  // MAXNS of resolv.conf(5)
  if (!node.dns || node.dns->nameservers.size() <= kMostNameservers) return;
  findings.Warn(node.dns->at, "node " + Quote(node.name), "dns",
                fmt::format("the C library asks the first {} nameservers only", kMostNameservers));
}

/// A card of the host's can be in one node only.
void CheckCards(const Topology& topology, Findings& findings) {
  std::map<std::string_view, std::string> takers;
  for (const Node& node : topology.nodes) {
    for (const Interface& interface : node.interfaces) {
      const auto* physical = std::get_if<Physical>(&interface.type);
      if (physical == nullptr || physical->device.empty()) continue;
      const std::string name = node.name + ":" + interface.name;
      const auto [first, is_new] = takers.emplace(physical->device, name);
      if (is_new) continue;
      findings.Wrong(interface.type_at.known() ? interface.type_at : interface.at, "interface " + Quote(name), "device",
                     "the host's " + Quote(physical->device) + " is " + Quote(first->second) + " already");
    }
  }
}

}  // namespace

void CheckNodes(const Topology& topology, const Index& index, Findings& findings) {
  for (const PlaceDevices& place : index.places()) {
    if (place.node == nullptr) continue;
    CheckSysctls(place, findings);
    CheckDns(*place.node, findings);
  }
  CheckAttach(topology, findings);
  CheckCards(topology, findings);
}

}  // namespace runner::validate
