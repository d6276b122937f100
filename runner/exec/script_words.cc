#include "exec/script_words.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "kernel/address.h"
#include "topology/words.h"

namespace runner {
namespace {

constexpr std::uint32_t kSmallestIpv6Mtu = 1280;  // RFC 8200 5
constexpr std::uint32_t kMainTable = 254;

const char* FamilyOption(bool ipv6) { return ipv6 ? " -6" : " -4"; }

std::string HopWords(const HopAttributes& hop, bool onlink, const std::string& encap) {
  std::string out = encap.empty() ? "" : " encap " + encap;
  if (hop.via) out += " via " + hop.via->text();
  if (!hop.dev.empty()) out += " dev " + hop.dev;
  if (onlink) out += " onlink";
  return out;
}

std::string LabelRouteCommand(const RouteAttributes& route, const std::string& verb) {
  std::string out = fmt::format("{} -f mpls route {} {}", IpIn(route.ns), verb, *route.label);
  if (verb == "del") return out;
  out += " proto 213";
  const bool only = route.hops.size() == 1;
  for (const HopAttributes& hop : route.hops) {
    if (!only) out += " nexthop";
    if (!hop.as.empty()) out += " as " + hop.as;
    if (hop.via) out += fmt::format(" via {} {}", hop.via->is_ipv6() ? "inet6" : "inet", hop.via->text());
    if (!hop.dev.empty()) out += " dev " + hop.dev;
  }
  return out;
}

}  // namespace

std::string IpIn(const NamespaceName& ns) { return ns.empty() ? "ip" : "ip -n " + ns; }
std::string In(const NamespaceName& ns) { return ns.empty() ? "" : "ip netns exec " + ns + " "; }

std::string SysctlCommand(const NamespaceName& ns, const std::string& key, const std::string& value) {
  return In(ns) + "sysctl -qw " + ShellQuote(key + "=" + value);
}

std::string DeviceWords(const DeviceAttributes& device) {
  std::string out;
  if (device.mac) out += " address " + device.mac->text();
  if (device.mtu) out += " mtu " + std::to_string(*device.mtu);
  if (device.txqueuelen) out += " txqueuelen " + std::to_string(*device.txqueuelen);
  return out;
}

std::vector<std::string> LinkLocalCommands(const DeviceAttributes& device) {
  const bool has =
      device.ipv6.value_or(false) && device.mac && device.mtu.value_or(kSmallestIpv6Mtu) >= kSmallestIpv6Mtu;
  if (!has) return {};
  return {fmt::format("{} address add {} dev {} nodad", IpIn(device.ns), LinkLocalAddress(*device.mac).text(),
                      device.name)};
}

std::vector<std::string> DeviceCommands(const DeviceAttributes& device, const DeviceAttributes& before) {
  std::vector<std::string> out;
  const std::string set = IpIn(device.ns) + " link set dev " + device.name;
  if (device.ipv6 && device.ipv6 != before.ipv6) {
    std::string name = device.name;
    std::ranges::replace(name, '.', '/');
    out.push_back(SysctlCommand(device.ns, "net.ipv6.conf." + name + ".disable_ipv6", *device.ipv6 ? "0" : "1"));
  }
  std::string words;
  if (device.mac && device.mac != before.mac) words += " address " + device.mac->text();
  if (device.mtu && device.mtu != before.mtu) words += " mtu " + std::to_string(*device.mtu);
  if (device.txqueuelen && device.txqueuelen != before.txqueuelen) {
    words += " txqueuelen " + std::to_string(*device.txqueuelen);
  }
  if (device.master && device.master != before.master) {
    words += device.master->empty() ? " nomaster" : " master " + *device.master;
  }
  if (!words.empty()) out.push_back(set + words);
  if (device.up && device.up != before.up) {
    if (*device.up) {
      for (std::string& command : LinkLocalCommands(device)) out.push_back(std::move(command));
    }
    out.push_back(set + (*device.up ? " up" : " down"));
  }
  return out;
}

std::string AddressCommand(const AddressAttributes& address, const std::string& verb) {
  std::string out = IpIn(address.ns) + " address " + verb + " ";
  // With a peer the length is the peer's.
  out += address.peer ? address.prefix.address().text() + " peer " + address.peer->text() : address.prefix.text();
  out += " dev " + address.dev;
  if (verb == "del") return out;
  if (address.scope) out += " scope " + WordOf(*address.scope);
  if (address.prefix.is_ipv6() && !address.dad) out += " nodad";
  if (address.preferred) out += fmt::format(" valid_lft forever preferred_lft {}", *address.preferred);
  return out;
}

std::string RouteCommand(const RouteAttributes& route, const std::string& verb) {
  if (route.label) return LabelRouteCommand(route, verb);
  std::string out = IpIn(route.ns) + FamilyOption(route.to.is_ipv6()) + " route " + verb + " ";
  if (route.type != RouteType::kUnicast) out += WordOf(route.type) + " ";
  out += route.to.is_default() ? "default" : route.to.text();
  if (route.table != kMainTable) out += " table " + std::to_string(route.table);
  if (route.metric != 0) out += " metric " + std::to_string(route.metric);
  if (verb == "del") return out;
  out += " proto 213";
  if (route.scope) out += " scope " + WordOf(*route.scope);
  if (route.from) out += " src " + route.from->text();
  if (route.mtu) out += " mtu " + std::to_string(*route.mtu);
  if (route.hops.size() == 1) return out + HopWords(route.hops[0], route.onlink, route.encap);
  for (const HopAttributes& hop : route.hops) {
    out += fmt::format(" nexthop{} weight {}", HopWords(hop, false, route.encap), hop.weight) +
           (route.onlink ? " onlink" : "");
  }
  return out;
}

std::string RuleCommand(const RuleAttributes& rule, const std::string& verb) {
  std::string out = IpIn(rule.ns) + FamilyOption(rule.family == Family::kIpv6) + " rule " + verb;
  out += " priority " + std::to_string(rule.priority);
  out += " from " + (rule.from ? rule.from->text() : "all");
  if (rule.to) out += " to " + rule.to->text();
  if (!rule.iif.empty()) out += " iif " + rule.iif;
  if (!rule.oif.empty()) out += " oif " + rule.oif;
  if (rule.fwmask != 0) out += fmt::format(" fwmark {:#x}/{:#x}", rule.fwmark, rule.fwmask);
  if (rule.action == RuleAction::kLookup) {
    out += " table " + std::to_string(rule.table);
  } else {
    out += " " + WordOf(rule.action);
  }
  return verb == "add" ? out + " protocol 213" : out;
}

std::string NeighbourCommand(const NeighbourAttributes& neighbour, const std::string& verb) {
  std::string out = IpIn(neighbour.ns) + " neighbour " + verb + (neighbour.proxy ? " proxy " : " ");
  out += neighbour.to.text() + " dev " + neighbour.dev;
  if (verb == "del") return out;
  if (neighbour.mac) out += " lladdr " + neighbour.mac->text() + " nud permanent";
  return out + " protocol 213";
}

std::vector<std::string> SlirpCommands(const UplinkAttributes& uplink, const std::string& api_socket,
                                       const std::string& namespaces) {
  std::string command = In(uplink.from) + "slirp4netns --netns-type=path --mtu=" + std::to_string(uplink.mtu);
  if (uplink.cidr) command += " --cidr=" + uplink.cidr->text();
  if (uplink.ipv6) command += " --enable-ipv6";
  if (!uplink.host_loopback) command += " --disable-host-loopback";
  if (!uplink.dns) command += " --disable-dns";
  for (const std::string& address : uplink.outbound_address) {
    const bool ipv6 = address.find(':') != std::string::npos;
    command += (ipv6 ? " --outbound-addr6=" : " --outbound-addr=") + ShellQuote(address);
  }
  command += " --api-socket=" + api_socket + " --ready-fd=3 " + namespaces + "/" + uplink.ns + " " + uplink.interface;
  return {"rm -f " + api_socket, "ready=$(mktemp -u) && mkfifo \"$ready\"", command + " 3>\"$ready\" >/dev/null 2>&1 &",
          "head -c 1 \"$ready\" >/dev/null && rm \"$ready\""};
}

std::string AskFunction() {
  return R"(# Sends a request to slirp4netns: ask SOCKET JSON.
ask() {
  python3 -c '
import socket, sys
api = socket.socket(socket.AF_UNIX)
api.connect(sys.argv[1])
api.sendall(sys.argv[2].encode())
api.shutdown(socket.SHUT_WR)
answer = api.recv(65536).decode()
sys.exit(answer if "error" in answer else 0)' "$1" "$2"
})";
}

std::vector<std::string> HostForwardCommands(const ForwardAttributes& forward, const std::string& api_socket) {
  std::vector<std::string> out;
  const bool ipv6 = forward.family == Family::kIpv6;
  const std::string any = ipv6 ? "::" : "0.0.0.0";
  for (int i = 0; i < forward.host_port.count(); ++i) {
    const Json request = {
        {"execute", "add_hostfwd"},
        {"arguments",
         {{"proto", std::string(forward.protocol == Protocol::kTcp ? "tcp" : "udp") + (ipv6 ? "6" : "")},
          {"host_addr", forward.host_address ? forward.host_address->text() : any},
          {"host_port", forward.host_port.first + i},
          {"guest_addr", forward.target.text()},
          {"guest_port", forward.port.first + i}}}};
    out.push_back("ask " + api_socket + " " + ShellQuote(JsonText(request)));
  }
  return out;
}

}  // namespace runner
