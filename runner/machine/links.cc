#include "machine/links.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "base/fd.h"
#include "kernel/netlink.h"

namespace runner::machine {
namespace {

constexpr int kLoopbackIndex = 1;

// As distributions call the modules; what is not listed is called as its kind.
std::string ModuleOf(const std::string& kind) {
  if (kind == "vlan") return "8021q";
  if (kind == "bond") return "bonding";
  if (kind == "gre" || kind == "gretap") return "ip_gre";
  if (kind == "ip6gre" || kind == "ip6gretap") return "ip6_gre";
  if (kind == "ip6tnl") return "ip6_tunnel";
  return kind;
}

std::string LoadModule(const std::string& module) {
  return fmt::format("modprobe {}, or a kernel that has it", module);
}

Feature Missing(std::string name, const std::string& module) {
  return {.name = std::move(name),
          .level = Level::kMissing,
          .detail = "this kernel has none",
          .remedy = LoadModule(module)};
}

}  // namespace

const std::vector<std::string>& LinkKinds() {
  static const std::vector<std::string> kinds = {"veth",   "bridge", "dummy",  "vlan",      "vxlan",  "macvlan",
                                                 "ipvlan", "vrf",    "bond",   "wireguard", "gre",    "gretap",
                                                 "ipip",   "sit",    "ip6gre", "ip6tnl",    "geneve", "macsec"};
  return kinds;
}

Features ProbeLinkKinds(const std::vector<std::string>& kinds) {
  Features found;
  auto socket = NetlinkSocket::Open();
  for (const std::string& kind : kinds) {
    NetlinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    message.Append(ifinfomsg{});
    message.PutString(IFLA_IFNAME, "probe");
    {
      const NetlinkMessage::Nest info(message, IFLA_LINKINFO);
      message.PutString(IFLA_INFO_KIND, kind);
    }
    // Without its attributes most kinds are refused as incomplete, which only a known kind can be.
    const Status made = socket ? socket->Request(message, "create " + kind) : Status(socket.error());
    if (made) {
      NetlinkMessage removal(RTM_DELLINK, 0);
      removal.Append(ifinfomsg{});
      removal.PutString(IFLA_IFNAME, "probe");
      // The namespace's end takes it along in any case; the next kind needs the name.
      [[maybe_unused]] const Status removed = socket->Request(removal, "delete " + kind);
    }
    const bool unknown = !made && made.error().code == EOPNOTSUPP;
    found.push_back(unknown ? Missing("link " + kind, ModuleOf(kind)) : Feature{.name = "link " + kind});
  }
  return found;
}

Feature ProbeNetem() {
  auto socket = NetlinkSocket::Open();
  if (!socket) return Missing("impairment", "sch_netem");
  NetlinkMessage message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);
  tcmsg header = {};
  header.tcm_ifindex = kLoopbackIndex;
  header.tcm_parent = TC_H_ROOT;
  message.Append(header);
  message.PutString(TCA_KIND, "netem");
  tc_netem_qopt options = {};
  options.limit = 1000;
  message.PutBytes(TCA_OPTIONS, &options, sizeof options);
  if (const Status made = socket->Request(message, "add netem"); !made) {
    Feature missing = Missing("impairment", "sch_netem");
    missing.detail = "no netem: " + made.error().why;
    return missing;
  }
  return {.name = "impairment"};
}

Feature ProbeNftables() {
  Feature missing = Missing("nftables", "nf_tables");
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
