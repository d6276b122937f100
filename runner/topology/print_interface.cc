// Interfaces, addresses, routes and impairments in the words of the language.
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "base/units.h"
#include "topology/load.h"
#include "topology/print.h"
#include "topology/words.h"

namespace runner::print {
namespace {

std::string ParentText(const ParentDevice& parent) { return (parent.on_host ? "host:" : "") + parent.name; }

Json OfEncap(const Encap& encap) {
  Json out = Json::object();
  if (const auto* mpls = std::get_if<MplsEncap>(&encap)) out["mpls"] = mpls->labels;
  if (const auto* seg6 = std::get_if<Seg6Encap>(&encap)) {
    out["seg6"]["mode"] = seg6->inline_mode ? "inline" : "encap";
    for (const IpAddress& segment : seg6->segments) out["seg6"]["segs"].push_back(segment.text());
  }
  if (const auto* local = std::get_if<Seg6LocalEncap>(&encap)) {
    out["seg6local"]["action"] = local->action;
    for (const auto& [key, value] : local->parameters) {
      if (key != "srh segs") {
        out["seg6local"][key] = Scalar(value);
        continue;
      }
      for (const std::string_view segment : Split(value, ',')) out["seg6local"]["segs"].push_back(segment);
    }
  }
  return out;
}

/// Writes `type` and what belongs to it.
class TypeWriter {
 public:
  explicit TypeWriter(Json& out) : out_(out) {}

  void operator()(const Given& /*given*/) {}
  void operator()(const Dummy& /*dummy*/) { out_["type"] = "dummy"; }
  void operator()(const Vlan& vlan) {
    out_["type"] = "vlan";
    out_["link"] = ParentText(vlan.link);
    out_["id"] = vlan.id;
    out_["protocol"] = vlan.service ? "802.1ad" : "802.1q";
  }
  void operator()(const Vxlan& vxlan) {
    out_["type"] = "vxlan";
    out_["id"] = vxlan.id;
    if (vxlan.local) out_["local"] = vxlan.local->text();
    if (vxlan.remote) out_["remote"] = vxlan.remote->text();
    if (vxlan.group) out_["group"] = vxlan.group->text();
    if (vxlan.dev) out_["dev"] = ParentText(*vxlan.dev);
    out_["port"] = vxlan.port;
    out_["learning"] = vxlan.learning;
    for (const FdbEntry& entry : vxlan.fdb) {
      out_["fdb"].push_back(Json{{"mac", entry.mac.text()}, {"dst", entry.dst.text()}});
    }
  }
  void operator()(const Macvlan& macvlan) {
    out_["type"] = macvlan.tap ? "macvtap" : "macvlan";
    out_["link"] = ParentText(macvlan.link);
    out_["mode"] = macvlan.mode;
  }
  void operator()(const Ipvlan& ipvlan) {
    out_["type"] = "ipvlan";
    out_["link"] = ParentText(ipvlan.link);
    out_["mode"] = ipvlan.mode;
  }
  void operator()(const Bond& bond) {
    out_["type"] = "bond";
    Members(bond.members);
    out_["mode"] = bond.mode;
    for (const auto& [key, value] : bond.options) out_[key] = Scalar(value);
  }
  void operator()(const Vrf& vrf) {
    out_["type"] = "vrf";
    out_["table"] = vrf.table;
    Members(vrf.members);
  }
  void operator()(const Tunnel& tunnel) {
    out_["type"] = tunnel.kind;
    if (tunnel.local) out_["local"] = tunnel.local->text();
    if (tunnel.remote) out_["remote"] = tunnel.remote->text();
    if (tunnel.id) out_["id"] = *tunnel.id;
    if (tunnel.key) out_["key"] = *tunnel.key;
    if (tunnel.ttl) out_["ttl"] = *tunnel.ttl;
    if (tunnel.dev) out_["dev"] = ParentText(*tunnel.dev);
    if (tunnel.port) out_["port"] = *tunnel.port;
  }
  void operator()(const Macsec& macsec) {
    out_["type"] = "macsec";
    out_["link"] = ParentText(macsec.link);
    for (const auto& [key, value] : macsec.options) out_[key] = Scalar(value);
  }
  void operator()(const Wireguard& wireguard) {
    out_["type"] = "wireguard";
    if (!wireguard.private_key.empty()) out_["private_key"] = kSecretPlace;
    if (!wireguard.private_key_file.empty()) out_["private_key_file"] = Escaped(wireguard.private_key_file);
    if (wireguard.auto_key) out_["auto"] = true;
    if (wireguard.listen_port) out_["listen_port"] = *wireguard.listen_port;
    for (const WireguardPeer& peer : wireguard.peers) out_["peers"].push_back(OfPeer(peer));
  }
  void operator()(const Tap& tap) {
    out_["type"] = tap.tun ? "tun" : "tap";
    if (!tap.user.empty()) out_["user"] = Escaped(tap.user);
    out_["multi_queue"] = tap.multi_queue;
  }
  void operator()(const Physical& physical) {
    out_["type"] = "physical";
    out_["device"] = Escaped(physical.device);
  }

 private:
  void Members(const std::vector<At<std::string>>& members) {
    for (const auto& member : members) out_["members"].push_back(member.value);
  }

  static Json OfPeer(const WireguardPeer& peer) {
    Json out = Json::object();
    if (!peer.node.empty()) out["node"] = peer.node;
    if (!peer.public_key.empty()) out["public_key"] = Escaped(peer.public_key);
    if (!peer.endpoint.empty()) out["endpoint"] = Escaped(peer.endpoint);
    for (const IpPrefix& prefix : peer.allowed_ips) out["allowed_ips"].push_back(prefix.text());
    if (peer.keepalive) out["keepalive"] = *peer.keepalive;
    if (!peer.preshared_key_file.empty()) out["preshared_key_file"] = Escaped(peer.preshared_key_file);
    return out;
  }

  Json& out_;
};

}  // namespace

Json OfAddress(const Address& address) {
  if (!address.peer && !address.scope && !address.preferred && !address.dad) return address.prefix.text();
  Json out = Json::object();
  out["address"] = address.prefix.text();
  if (address.peer) out["peer"] = address.peer->text();
  if (address.scope) out["scope"] = WordOf(*address.scope);
  if (address.preferred) out["preferred"] = *address.preferred;
  if (address.dad) out["dad"] = true;
  return out;
}

Json OfRoute(const Route& route) {
  Json out = Json::object();
  if (route.label) {
    out["to"]["mpls"] = *route.label;
  } else {
    out["to"] = route.to.text();
  }
  if (!route.as.empty()) out["as"] = route.as;
  if (route.via) out["via"] = route.via->text();
  if (!route.dev.empty()) out["dev"] = route.dev;
  if (route.metric) out["metric"] = *route.metric;
  if (route.table) out["table"] = *route.table;
  if (route.from) out["from"] = route.from->text();
  if (route.scope) out["scope"] = WordOf(*route.scope);
  if (route.type != RouteType::kUnicast) out["type"] = WordOf(route.type);
  if (route.mtu) out["mtu"] = *route.mtu;
  if (route.onlink) out["onlink"] = true;
  for (const NextHop& hop : route.nexthops) {
    Json next = Json::object();
    if (hop.via) next["via"] = hop.via->text();
    if (!hop.dev.empty()) next["dev"] = hop.dev;
    next["weight"] = hop.weight;
    if (!hop.as.empty()) next["as"] = hop.as;
    out["nexthops"].push_back(std::move(next));
  }
  if (route.encap) out["encap"] = OfEncap(*route.encap);
  return out;
}

Json OfImpairment(const Impairment& impairment) {
  Json out = Json::object();
  const auto percent = [&out](const char* key, const std::optional<double>& share) {
    if (share) out[key] = fmt::format("{}%", *share);
  };
  if (impairment.delay_ns) out["delay"] = Nanoseconds{*impairment.delay_ns}.text();
  if (impairment.jitter_ns) out["jitter"] = Nanoseconds{*impairment.jitter_ns}.text();
  percent("correlation", impairment.correlation);
  if (!impairment.distribution.empty()) out["distribution"] = impairment.distribution;
  percent("loss", impairment.loss);
  percent("duplicate", impairment.duplicate);
  percent("corrupt", impairment.corrupt);
  percent("reorder", impairment.reorder);
  if (impairment.rate_bits) out["rate"] = BitRate{*impairment.rate_bits}.text();
  if (impairment.limit) out["limit"] = *impairment.limit;
  if (impairment.seed) out["seed"] = *impairment.seed;
  return out;
}

void AddCommon(const Interface& interface, Json& out) {
  for (const Address& address : interface.addresses) out["addresses"].push_back(OfAddress(address));
  if (interface.mtu) out["mtu"] = interface.mtu->value;
  if (interface.mac) out["mac"] = interface.mac->value.text();
  if (interface.impair) out["impair"] = OfImpairment(*interface.impair);
}

Json OfInterface(const Interface& interface) {
  Json out = Json::object();
  std::visit(TypeWriter(out), interface.type);
  AddCommon(interface, out);
  if (interface.up) out["state"] = interface.up->value ? "up" : "down";
  if (interface.ipv6) out["ipv6"] = interface.ipv6->value;
  if (interface.txqueuelen) out["txqueuelen"] = interface.txqueuelen->value;
  return out;
}

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) out.append(c == '$' ? 2 : 1, c);
  return out;
}

Json Scalar(const std::string& text) {
  if (text == "true" || text == "false") return text == "true";
  const auto number = ParseInteger(text);
  if (number && std::to_string(*number) == text) return *number;
  return Escaped(text);
}

std::string Milliseconds(std::int64_t ms) {
  return ms % 1000 == 0 ? fmt::format("{}s", ms / 1000) : fmt::format("{}ms", ms);
}

void Append(Json& object, const std::string& key, Json value) {
  if (object.is_null()) object = Json::object();
  auto& entries = static_cast<Json::object_t::Container&>(object.get_ref<Json::object_t&>());
  entries.emplace_back(key, std::move(value));
}

Json Words(const std::vector<std::string>& words) {
  Json out = Json::array();
  for (const std::string& word : words) out.push_back(Escaped(word));
  return out;
}

}  // namespace runner::print
