// Commands of a script for typed interfaces and what is set on interfaces: ip-link(8), tc-netem(8), bridge(8).
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "exec/script_words.h"
#include "exec/translate.h"

namespace runner {
namespace {

constexpr std::string_view kOnHost = "host:";

/// Our name and value in the words of ip-link(8).
std::string OptionWords(const std::string& type, const OptionAttributes& option) {
  if (option.name == "learning") return option.value == "on" ? " learning" : " nolearning";
  if (option.name == "port" && type != "macsec") return " dstport " + option.value;
  if (option.name == "encoding") return " encodingsa " + option.value;
  // Over another family: WireguardCommand.
  if (type == "wireguard") return "";
  std::string value = option.value;
  if (value.starts_with(kOnHost)) value = value.substr(kOnHost.size());
  if (type == "bond" && (value == "on" || value == "off")) value = value == "on" ? "1" : "0";
  return " " + option.name + " " + value;
}

/// Of a bond's members by name, which are there only when they have joined.
bool NamesMember(const std::string& type, const OptionAttributes& option) {
  return type == "bond" && (option.name == "primary" || option.name == "active_slave");
}

/// What iproute2 would carry by default is not what the kernel does.
std::string_view CarriedWords(const std::string& type) {
  if (type == "ipip") return " mode ipip";
  return type == "ip6tnl" ? " mode any" : "";
}

std::string TuntapCommand(const LinkAttributes& link) {
  std::string out = IpIn(link.device.ns) + " tuntap add dev " + link.device.name + " mode " + link.type;
  for (const OptionAttributes& option : link.options) {
    if (option.name == "user") out += " user " + option.value;
    if (option.name == "multi_queue" && option.value == "on") out += " multi_queue";
  }
  return out;
}

}  // namespace

std::string TypedCommand(const LinkAttributes& link, const std::string& verb) {
  if (link.type == "tap" || link.type == "tun") return TuntapCommand(link);
  const bool made = verb == "add";
  std::string parent;
  std::string words;
  bool on_host = false;
  for (const OptionAttributes& option : link.options) {
    on_host = on_host || option.value.starts_with(kOnHost);
    if (made && NamesMember(link.type, option)) continue;
    if (option.name == "link") {
      parent = OptionWords(link.type, option);
    } else {
      words += OptionWords(link.type, option);
    }
  }
  if (!made) return IpIn(link.device.ns) + " link set dev " + link.device.name + " type " + link.type + words;
  // What stands on an interface of the host is made there, and sent.
  std::string out = on_host ? "ip" : IpIn(link.device.ns);
  out += " link add" + parent + " name " + link.device.name + DeviceWords(link.device);
  if (on_host) out += " netns " + link.device.ns;
  return fmt::format("{} type {}{}{}", out, link.type, CarriedWords(link.type), words);
}

std::vector<std::string> MemberCommands(const LinkAttributes& link) {
  std::vector<std::string> out;
  for (const OptionAttributes& option : link.options) {
    if (!NamesMember(link.type, option)) continue;
    out.push_back(fmt::format("{} link set dev {} type bond{}", IpIn(link.device.ns), link.device.name,
                              OptionWords(link.type, option)));
  }
  return out;
}

std::string WireguardCommand(const LinkAttributes& link, const std::string& id) {
  std::string out = In(link.device.ns) + "wg set " + link.device.name;
  for (const OptionAttributes& option : link.options) {
    if (option.name == "listen_port") out += " listen-port " + option.value;
  }
  return out + " private-key \"$TOPORUN_KEYS\"/" + id;
}

std::string PeerCommand(const PeerAttributes& peer, PeerVerb verb) {
  const std::string key =
      peer.public_key == kKeyToCome ? "\"$(wg pubkey <\"$TOPORUN_KEYS\"/" + peer.name + ")\"" : peer.public_key;
  std::string out = In(peer.ns) + "wg set " + peer.dev + " peer " + key;
  if (verb == PeerVerb::kRemove) return out + " remove";
  if (!peer.preshared_key.empty()) out += " preshared-key \"$TOPORUN_KEYS\"/" + peer.preshared_key;
  if (peer.endpoint) out += " endpoint " + *peer.endpoint;
  out += fmt::format(" persistent-keepalive {} allowed-ips ", peer.keepalive);
  std::string prefixes;
  for (const IpPrefix& prefix : peer.allowed_ips) prefixes += (prefixes.empty() ? "" : ",") + prefix.text();
  return out + (prefixes.empty() ? "''" : prefixes);
}

std::string NetemWords(const ImpairmentAttributes& impairment) {
  std::string out = "netem";
  const auto add = [&out](std::string_view word, const auto& value) {
    if (value != std::remove_cvref_t<decltype(value)>{}) out += fmt::format(" {} {}", word, value.text());
  };
  if (impairment.delay.count != 0) {
    out += " delay " + impairment.delay.text();
    if (impairment.jitter.count != 0) out += " " + impairment.jitter.text();
    if (impairment.correlation.count != 0) out += " " + impairment.correlation.text();
    const bool shaped = !impairment.distribution.empty() && impairment.distribution != "uniform";
    if (shaped && impairment.jitter.count != 0) out += " distribution " + impairment.distribution;
  }
  add("loss", impairment.loss);
  add("duplicate", impairment.duplicate);
  add("corrupt", impairment.corrupt);
  add("reorder", impairment.reorder);
  add("rate", impairment.rate);
  if (impairment.limit) out += " limit " + std::to_string(*impairment.limit);
  if (impairment.seed) out += " seed " + std::to_string(*impairment.seed);
  return out;
}

std::vector<std::string> VlanCommands(const VlansAttributes& vlans, const VlansAttributes* before) {
  // A port starts with VLAN 1.
  const VlanMembership was = before == nullptr ? VlanMembership{.pvid = 1, .untagged = {1}} : MembershipFrom(*before);
  const VlanMembership wish = MembershipFrom(vlans);
  const std::string bridge = In(vlans.ns) + "bridge vlan ";
  std::vector<std::string> out;
  std::set<std::uint16_t> gone = was.tagged;
  gone.insert(was.untagged.begin(), was.untagged.end());
  for (const std::uint16_t vlan : gone) {
    if (wish.tagged.contains(vlan) || wish.untagged.contains(vlan)) continue;
    out.push_back(fmt::format("{}del vid {} dev {}", bridge, vlan, vlans.dev));
  }
  std::set<std::uint16_t> all = wish.tagged;
  all.insert(wish.untagged.begin(), wish.untagged.end());
  for (const std::uint16_t vlan : all) {
    out.push_back(fmt::format("{}add vid {} dev {}{}{}", bridge, vlan, vlans.dev, wish.pvid == vlan ? " pvid" : "",
                              wish.untagged.contains(vlan) ? " untagged" : ""));
  }
  return out;
}

}  // namespace runner
