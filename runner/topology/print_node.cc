// A node in the words of the language.
#include <fmt/format.h>

#include "base/json.h"
#include "topology/print.h"
#include "topology/words.h"

namespace runner::print {
namespace {

std::string_view ProtocolName(Protocol protocol) { return protocol == Protocol::kTcp ? "tcp" : "udp"; }

std::string RangeText(const PortRange& range) {
  return range.first == range.last ? std::to_string(range.first) : fmt::format("{}-{}", range.first, range.last);
}

Json OfRange(const PortRange& range) {
  if (range.first == range.last) return range.first;
  return RangeText(range);
}

Json OfRule(const Rule& rule) {
  Json out = Json::object();
  out["family"] = FamilyName(rule.family);
  out["priority"] = rule.priority;
  if (rule.from) out["from"] = rule.from->text();
  if (rule.to) out["to"] = rule.to->text();
  if (!rule.iif.empty()) out["iif"] = rule.iif;
  if (!rule.oif.empty()) out["oif"] = rule.oif;
  if (rule.fwmark && rule.fwmask) out["fwmark"] = fmt::format("{:#x}/{:#x}", *rule.fwmark, *rule.fwmask);
  if (rule.fwmark && !rule.fwmask) out["fwmark"] = *rule.fwmark;
  if (rule.table) out["table"] = *rule.table;
  if (rule.action != RuleAction::kLookup) out["action"] = WordOf(rule.action);
  return out;
}

Json OfNeighbour(const Neighbour& neighbour) {
  Json out = Json::object();
  out["to"] = neighbour.to.text();
  if (neighbour.mac) out["mac"] = neighbour.mac->text();
  if (neighbour.proxy) out["proxy"] = true;
  out["dev"] = neighbour.dev;
  return out;
}

Json OfNat(const NatRule& rule) {
  Json out = Json::object();
  if (const auto* masquerade = std::get_if<Masquerade>(&rule.rule)) {
    out["masquerade"]["out"] = masquerade->out;
    if (masquerade->source) out["masquerade"]["source"] = masquerade->source->text();
  }
  if (const auto* snat = std::get_if<SourceNat>(&rule.rule)) {
    out["snat"]["out"] = snat->out;
    if (snat->source) out["snat"]["source"] = snat->source->text();
    out["snat"]["to"] = snat->to.text();
  }
  if (const auto* forward = std::get_if<PortForward>(&rule.rule)) {
    Json& to = out["forward"];
    if (!forward->in.empty()) to["in"] = forward->in;
    to["proto"] = ProtocolName(forward->protocol);
    to["port"] = OfRange(forward->port);
    std::string target = forward->to.text();
    if (forward->to_port) {
      target = forward->to.is_ipv6() ? "[" + target + "]:" : target + ":";
      target += RangeText(*forward->to_port);
    }
    to["to"] = target;
  }
  return out;
}

Json OfUplink(const Uplink& uplink) {
  Json out = Json::object();
  out["type"] = uplink.type == Uplink::Type::kSlirp ? "slirp" : "nat";
  out["interface"] = uplink.interface;
  out["mtu"] = uplink.mtu;
  if (uplink.cidr) out["cidr"] = uplink.cidr->text();
  if (uplink.ipv6) out["ipv6"] = uplink.ipv6->text();
  if (!uplink.ipv6) out["ipv6"] = false;
  out["host_loopback"] = uplink.host_loopback;
  for (const IpPrefix& prefix : uplink.policy.allow) out["allow"].push_back(prefix.text());
  for (const IpPrefix& prefix : uplink.policy.deny) out["deny"].push_back(prefix.text());
  out["dns"] = uplink.dns;
  if (!uplink.outbound_address.empty()) out["outbound_address"] = Words(uplink.outbound_address);
  out["from"] = uplink.from.text();
  return out;
}

Json OfPort(const PublishedPort& port) {
  Json out = Json::object();
  out["host"] = OfRange(port.host_port);
  out["port"] = OfRange(port.port);
  out["protocol"] = ProtocolName(port.protocol);
  if (port.host_address) out["address"] = port.host_address->text();
  out["uplink"] = port.uplink;
  return out;
}

/// The loader makes an entry a family of one that names no address; they become one again.
Json OfPorts(const std::vector<PublishedPort>& ports) {
  Json out = Json::array();
  for (std::size_t i = 0; i < ports.size(); ++i) {
    out.push_back(OfPort(ports[i]));
    if (i + 1 == ports.size()) break;
    const PublishedPort& next = ports[i + 1];
    const bool other_family = !next.host_address && next.family != ports[i].family;
    if (other_family && OfPort(next) == out.back()) ++i;
  }
  return out;
}

Json OfAttach(const Attach& attach) {
  if (const auto* pid = std::get_if<Attach::Pid>(&attach.to)) return {{"pid", pid->pid}};
  if (const auto* path = std::get_if<Attach::Path>(&attach.to)) return {{"path", Escaped(path->path)}};
  return {{"container", Escaped(std::get<Attach::Container>(attach.to).name)}};
}

Json OfFile(const NodeFile& file) {
  Json out = Json::object();
  if (file.content) out["content"] = Escaped(*file.content);
  if (!file.content) out["source"] = Escaped(file.source);
  out["mode"] = fmt::format("{:04o}", file.mode);
  return out;
}

void AddFiles(const Node& node, Json& out) {
  for (const NodeFile& file : node.files) out["files"][Escaped(file.path)] = OfFile(file);
  for (const Bind& bind : node.binds) {
    out["binds"].push_back(Escaped(bind.host_path + ":" + bind.path) + (bind.read_only ? ":ro" : ""));
  }
  for (const auto& path : node.tmpfs) out["tmpfs"].push_back(Escaped(path.value));
}

void AddNames(const Node& node, Json& out) {
  if (node.dns) {
    Json& dns = out["dns"] = Json::object();
    for (const IpAddress& server : node.dns->nameservers) dns["nameservers"].push_back(server.text());
    for (const std::string& domain : node.dns->search) dns["search"].push_back(Escaped(domain));
  }
  if (!node.hosts) out["hosts"] = false;
  for (const auto& [name, address] : node.extra_hosts) out["hosts"][Escaped(name)] = address.text();
}

}  // namespace

Json OfNode(const Node& node) {
  Json out = Json::object();
  if (!node.group.empty()) out["group"] = node.group;
  if (node.attach) out["attach"] = OfAttach(*node.attach);
  for (const Interface& interface : node.interfaces) {
    Append(out["interfaces"], interface.name, OfInterface(interface));
  }
  for (const Route& route : node.routes) out["routes"].push_back(OfRoute(route));
  for (const Rule& rule : node.rules) out["rules"].push_back(OfRule(rule));
  for (const Neighbour& neighbour : node.neighbours) out["neighbours"].push_back(OfNeighbour(neighbour));
  for (const Sysctl& sysctl : node.sysctls) out["sysctls"][Escaped(sysctl.key)] = Escaped(sysctl.value);
  if (node.forwarding.ipv4) out["forwarding"]["ipv4"] = node.forwarding.ipv4->value;
  if (node.forwarding.ipv6) out["forwarding"]["ipv6"] = node.forwarding.ipv6->value;
  for (const NatRule& rule : node.nat) out["nat"].push_back(OfNat(rule));
  if (node.nftables) out["nftables"] = Escaped(node.nftables->value);
  if (node.uplink) out["uplink"] = OfUplink(*node.uplink);
  if (!node.ports.empty()) out["ports"] = OfPorts(node.ports);
  AddNames(node, out);
  for (const ExecCommand& exec : node.exec) out["exec"].push_back(Words(exec.command));
  for (const Process& process : node.processes) out["processes"][process.name] = OfProcess(process);
  AddFiles(node, out);
  return out;
}

}  // namespace runner::print
