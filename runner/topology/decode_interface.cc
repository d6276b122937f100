// Interfaces of a node and their types.
#include <fmt/format.h>

#include <algorithm>

#include "base/link_types.h"
#include "base/text.h"
#include "base/wireguard_key.h"
#include "topology/decode.h"

namespace runner {
namespace {

const std::vector<std::string> kCommonKeys = {"addresses", "mtu",        "mac",    "state",
                                              "ipv6",      "txqueuelen", "impair", "type"};

/// A type of interface and the keys that it alone has.
struct TypeKeys {
  std::string name;
  std::vector<std::string> keys;
};

/// The settings of a type in base/link_types.h, but for `except`, which the loader reads itself.
std::vector<std::string> OptionNames(std::string_view type, std::string_view except = {}) {
  std::vector<std::string> names;
  for (const LinkOption& option : FindLinkType(type)->options) {
    if (option.name != except) names.emplace_back(option.name);
  }
  return names;
}

const std::vector<std::string>& TunnelKeys() {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> all;
    for (const std::string_view type : {"gre", "vti", "geneve"}) {
      for (std::string& name : OptionNames(type)) {
        if (std::ranges::find(all, name) == all.end()) all.push_back(std::move(name));
      }
    }
    return all;
  }();
  return keys;
}

std::vector<std::string> WordsOf(std::string_view type, std::string_view option) {
  return LinkOptionWords(*FindLinkOption(type, option));
}

std::vector<std::string> Joined(std::vector<std::string> keys, const std::vector<std::string>& more) {
  keys.insert(keys.end(), more.begin(), more.end());
  return keys;
}

const std::vector<TypeKeys>& Types() {
  static const std::vector<TypeKeys> types = {
      {"dummy", {}},
      {"vlan", {"link", "id", "protocol"}},
      {"vxlan", {"id", "local", "remote", "group", "dev", "port", "learning", "fdb"}},
      {"macvlan", {"link", "mode"}},
      {"macvtap", {"link", "mode"}},
      {"ipvlan", {"link", "mode"}},
      {"bond", Joined({"members"}, OptionNames("bond"))},
      {"vrf", {"table", "members"}},
      {"gre", TunnelKeys()},
      {"gretap", TunnelKeys()},
      {"ip6gre", TunnelKeys()},
      {"ip6gretap", TunnelKeys()},
      {"ipip", TunnelKeys()},
      {"sit", TunnelKeys()},
      {"ip6tnl", TunnelKeys()},
      {"vti", TunnelKeys()},
      {"vti6", TunnelKeys()},
      {"geneve", TunnelKeys()},
      {"macsec", Joined({"address"}, OptionNames("macsec"))},
      {"wireguard", {"private_key", "private_key_file", "auto", "listen_port", "peers"}},
      {"tap", {"user", "multi_queue"}},
      {"tun", {"user", "multi_queue"}},
      {"physical", {"device"}},
  };
  return types;
}

std::vector<std::string> TypeNames() {
  std::vector<std::string> names;
  for (const TypeKeys& type : Types()) names.push_back(type.name);
  return names;
}

/// The keys of an interface whose type is not known, because it is refused or stands in another entry.
std::vector<std::string> AllKeys() {
  std::vector<std::string> keys = kCommonKeys;
  for (const TypeKeys& type : Types()) {
    for (const std::string& key : type.keys) {
      if (std::ranges::find(keys, key) == keys.end()) keys.push_back(key);
    }
  }
  return keys;
}

std::vector<At<std::string>> Members(const YamlNode& list, const Reporter& reporter) {
  std::vector<At<std::string>> members;
  ReadList(list, "members", reporter, [&](const YamlNode& item) {
    if (auto name = ReadName(item, "members", reporter)) members.push_back({std::move(*name), item.at});
  });
  return members;
}

/// The settings of a type in base/link_types.h, but for `except`, as they are written; their values are checked.
std::map<std::string, std::string> Options(const Fields& fields, std::string_view type, std::string_view except,
                                           const Reporter& reporter) {
  std::map<std::string, std::string> options;
  for (const std::string& key : OptionNames(type, except)) {
    const YamlNode* value = fields.Find(key);
    if (value == nullptr) continue;
    auto text = ReadScalar(*value, key, reporter);
    if (!text) continue;
    const LinkOption& known = *FindLinkOption(type, key);
    if (!CanonicalLinkOption(known, *text)) {
      reporter.WrongValue(*value, key, LinkOptionValues(known));
      continue;
    }
    options.emplace(key, std::move(*text));
  }
  return options;
}

/// ip-macsec(8). `address` and `port` together are another spelling of `sci`.
std::map<std::string, std::string> MacsecOptions(const Fields& fields, const Reporter& reporter) {
  auto options = Options(fields, "macsec", "link", reporter);
  if (const auto mac = fields.Get<MacAddress>("address", ReadMac)) options.emplace("address", mac->text());
  const YamlNode* sci = fields.Find("sci");
  for (const char* part : {"address", "port"}) {
    const YamlNode* other = fields.Find(part);
    if (sci == nullptr || other == nullptr) continue;
    reporter.Wrong(other->at, fmt::format("\"sci\" and {} exclude each other", Quote(part)),
                   {{.at = sci->at, .text = "the other"}});
  }
  const LinkOption& replay = *FindLinkOption("macsec", "replay");
  const auto asked = options.find("replay");
  if (asked != options.end() && CanonicalLinkOption(replay, asked->second) == "on" && !options.contains("window")) {
    reporter.Wrong(fields.Find("replay")->at, "\"replay\" needs a \"window\" of packets that may come late (0: none)");
  }
  return options;
}

/// What it is must not be told: it is a secret.
std::optional<std::string> ReadPrivateKey(const YamlNode& node, std::string_view key, const Reporter& reporter) {
  if (node.is_scalar() && (WireguardKey::Parse(node.text) || node.text == kSecretPlace)) return node.text;
  if (!node.refused) {
    reporter.Wrong(node.at,
                   fmt::format("{} must be a key as `wg genkey` prints it: 44 characters of base64", Quote(key)));
  }
  return std::nullopt;
}

std::optional<std::string> ReadPublicKey(const YamlNode& node, std::string_view key, const Reporter& reporter) {
  if (node.is_scalar() && WireguardKey::Parse(node.text)) return node.text;
  reporter.WrongValue(node, key, "a key as `wg pubkey` prints it: 44 characters of base64");
  return std::nullopt;
}

Tap DecodeTap(const Fields& fields, const std::string& kind) {
  Tap tap;
  tap.tun = kind == "tun";
  tap.user = fields.Get<std::string>("user", ReadScalar).value_or("");
  tap.multi_queue = fields.Bool("multi_queue").value_or(false);
  return tap;
}

/// Families that a tunnel's outer addresses have.
std::optional<Family> OuterFamily(const std::string& kind) {
  if (kind == "geneve") return std::nullopt;
  return kind.find('6') != std::string::npos ? Family::kIpv6 : Family::kIpv4;
}

}  // namespace

std::optional<ParentDevice> ReadParent(const YamlNode& node, std::string_view key, const Reporter& reporter) {
  auto text = ReadName(node, key, reporter);
  if (!text) return std::nullopt;
  ParentDevice parent{.name = std::move(*text)};
  if (parent.name.starts_with("host:")) {
    parent.on_host = true;
    parent.name = parent.name.substr(5);
  }
  if (!CheckInterfaceName(parent.name, node.at, reporter)) return std::nullopt;
  return parent;
}

MaybeAt<bool> DecodeState(const Fields& fields) {
  const auto word = fields.Word("state", {"up", "down"});
  if (!word) return std::nullopt;
  return fields.WithPlace<bool>("state", *word == 0);
}

MaybeAt<std::uint32_t> DecodeMtu(const Fields& fields) {
  // 68 is the least that IPv4 works with (RFC 791); above 65535 only loopback goes.
  return fields.WithPlace("mtu", fields.Number<std::uint32_t>("mtu", 68, 65535));
}

void NodeDecoder::DecodeInterfaces(const YamlNode& map, bool inherited) {
  if (!map.is_map()) {
    reporter_.WrongValue(map, "interfaces", "a map of interfaces by name");
    notes_.names_damaged = notes_.l3_damaged = true;
    return;
  }
  for (const YamlEntry& entry : map.entries) {
    if (!CheckInterfaceName(entry.key->text, entry.key->at, reporter_)) {
      notes_.names_damaged = notes_.l3_damaged = true;
      continue;
    }
    DecodeInterface(entry.key->text, entry, inherited || entry.inherited);
  }
}

void NodeDecoder::DecodeInterface(const std::string& name, const YamlEntry& entry, bool inherited) {
  const std::string where = kind_ == Kind::kNode ? "interface " + Quote(node_.name + ":" + name)
                                                 : reporter_.where() + ": interface " + Quote(name);
  const Reporter reporter(reporter_.diagnostics(), where);
  const std::size_t index = node_.interfaces.size();
  node_.interfaces.emplace_back();
  node_.interfaces[index].name = name;
  node_.interfaces[index].at = entry.key->at;
  notes_.inherited.push_back(inherited);

  const YamlNode& map = *entry.value;
  const YamlNode* type_node = map.is_map() ? map.Find("type") : nullptr;
  if (type_node != nullptr && type_node->is_null() && !type_node->refused) type_node = nullptr;
  std::optional<std::size_t> type;
  if (type_node != nullptr) {
    node_.interfaces[index].type_at = type_node->at;
    type = ReadWord(*type_node, "type", TypeNames(), reporter);
    if (!type) notes_.l3_damaged = true;  // a VRF, perhaps
  }
  const bool any_type = (type_node == nullptr && kind_ == Kind::kFragment) || (type_node != nullptr && !type);
  const std::vector<std::string> keys =
      any_type ? AllKeys() : (type ? Joined(kCommonKeys, Types()[*type].keys) : kCommonKeys);
  const Fields fields(map, "", reporter, keys);
  if (!fields.is_map() && !map.is_null()) notes_.l3_damaged = true;
  // `typ: dummy`: that a type is missing has been told in effect.
  if (fields.has_unknown() && type_node == nullptr) node_.interfaces[index].type_at = map.at;
  if (fields.has_unknown() && fields.Find("addresses") == nullptr) notes_.l3_damaged = true;

  if (const YamlNode* addresses = fields.Find("addresses")) {
    const std::size_t before = reporter.diagnostics().error_count();
    node_.interfaces[index].addresses = DecodeAddresses(*addresses, reporter);
    if (reporter.diagnostics().error_count() != before) notes_.l3_damaged = true;
  }
  node_.interfaces[index].mtu = DecodeMtu(fields);
  node_.interfaces[index].mac = fields.WithPlace("mac", fields.Get<MacAddress>("mac", ReadMac));
  node_.interfaces[index].up = DecodeState(fields);
  node_.interfaces[index].ipv6 = fields.WithPlace("ipv6", fields.Bool("ipv6"));
  node_.interfaces[index].txqueuelen = fields.WithPlace("txqueuelen", fields.Number<std::uint32_t>("txqueuelen"));
  if (const YamlNode* impair = fields.Find("impair")) {
    node_.interfaces[index].impair = DecodeImpairment(*impair, reporter);
  }
  if (type) {
    InterfaceType decoded = DecodeType(fields, *type, index, reporter);
    node_.interfaces[index].type = std::move(decoded);
  }
}

InterfaceType NodeDecoder::DecodeType(const Fields& fields, std::size_t type, std::size_t interface,
                                      const Reporter& reporter) {
  const std::string& name = Types()[type].name;
  const auto parent = [&] {
    const YamlNode* link = RequireUnlessFragment(fields, "link");
    return link == nullptr ? ParentDevice{} : ReadParent(*link, "link", reporter).value_or(ParentDevice{});
  };
  if (name == "dummy") return Dummy{};
  if (name == "vlan") {
    Vlan vlan{.link = parent()};
    if (const YamlNode* id = RequireUnlessFragment(fields, "id")) {
      vlan.id = ReadNumber<std::uint16_t>(*id, "id", reporter, 1, 4094).value_or(0);
    }
    vlan.service = fields.Word("protocol", {"802.1q", "802.1ad"}).value_or(0) == 1;
    return vlan;
  }
  if (name == "vxlan") return DecodeVxlan(fields, interface, reporter);
  if (name == "macvlan" || name == "macvtap") {
    const std::vector<std::string> modes = WordsOf(name, "mode");
    Macvlan macvlan{.link = parent(), .tap = name == "macvtap"};
    if (const auto mode = fields.Word("mode", modes)) macvlan.mode = modes[*mode];
    return macvlan;
  }
  if (name == "ipvlan") {
    const std::vector<std::string> modes = WordsOf(name, "mode");
    Ipvlan ipvlan{.link = parent()};
    if (const auto mode = fields.Word("mode", modes)) ipvlan.mode = modes[*mode];
    return ipvlan;
  }
  if (name == "bond") {
    const std::vector<std::string> modes = WordsOf(name, "mode");
    Bond bond;
    if (const YamlNode* members = fields.Find("members")) bond.members = Members(*members, reporter);
    if (const auto mode = fields.Word("mode", modes)) bond.mode = modes[*mode];
    bond.options = Options(fields, "bond", "mode", reporter);
    return bond;
  }
  if (name == "vrf") {
    Vrf vrf;
    if (const YamlNode* table = RequireUnlessFragment(fields, "table")) {
      vrf.table = ReadNumber<std::uint32_t>(*table, "table", reporter, 1).value_or(0);
      if (vrf.table == 0) notes_.l3_damaged = true;
    }
    if (const YamlNode* members = fields.Find("members")) {
      const std::size_t before = reporter.diagnostics().error_count();
      vrf.members = Members(*members, reporter);
      if (reporter.diagnostics().error_count() != before) notes_.l3_damaged = true;
    }
    return vrf;
  }
  if (name == "macsec") return Macsec{.link = parent(), .options = MacsecOptions(fields, reporter)};
  if (name == "wireguard") return DecodeWireguard(fields, interface, reporter);
  if (name == "tap" || name == "tun") return DecodeTap(fields, name);
  if (name == "physical") {
    Physical physical;
    const YamlNode* device = RequireUnlessFragment(fields, "device");
    if (device != nullptr) {
      physical.device = ReadName(*device, "device", reporter).value_or("");
      if (!physical.device.empty()) CheckInterfaceName(physical.device, device->at, reporter);
    }
    return physical;
  }
  return DecodeTunnel(fields, name, interface, reporter);
}

InterfaceType NodeDecoder::DecodeVxlan(const Fields& fields, std::size_t interface, const Reporter& reporter) {
  Vxlan vxlan;
  if (const YamlNode* id = RequireUnlessFragment(fields, "id")) {
    vxlan.id = ReadNumber<std::uint32_t>(*id, "id", reporter, 0, (1 << 24) - 1).value_or(0);
  }
  const auto set = [interface](std::optional<IpAddress> Vxlan::*member) {
    return [interface, member](Node& node, const IpAddress& address) {
      std::get<Vxlan>(node.interfaces[interface].type).*member = address;
    };
  };
  if (const YamlNode* local = fields.Find("local")) {
    TakeAddress(*local, "local", {}, reporter, vxlan.local, set(&Vxlan::local));
  }
  if (const YamlNode* remote = fields.Find("remote")) {
    TakeAddress(*remote, "remote", {}, reporter, vxlan.remote, set(&Vxlan::remote));
  }
  if (const YamlNode* group = fields.Find("group")) {
    vxlan.group = ReadAddress(*group, "group", reporter);
    if (vxlan.group && !vxlan.group->is_multicast()) {
      reporter.WrongValue(*group, "group", "a multicast address", "`remote` takes a single one");
      vxlan.group.reset();
    }
    if (const YamlNode* remote = fields.Find("remote")) {
      reporter.Wrong(group->at, "\"group\" and \"remote\" exclude each other",
                     {{.at = remote->at, .text = "the other"}});
    }
    if (fields.Find("dev") == nullptr && kind_ == Kind::kNode && !fields.has_unknown()) {
      reporter.Wrong(group->at, "\"group\" needs \"dev\": the interface on which it is joined");
    }
  }
  vxlan.dev = fields.Get<ParentDevice>("dev", ReadParent);
  vxlan.port = fields.Number<std::uint16_t>("port", 1).value_or(4789);
  vxlan.learning = fields.Bool("learning").value_or(true);
  const YamlNode* fdb = fields.Find("fdb");
  if (fdb == nullptr) return vxlan;
  ReadList(*fdb, "fdb", reporter, [&](const YamlNode& item) {
    const Fields entry(item, "fdb", reporter, {"mac", "dst"});
    const YamlNode* mac = entry.Require("mac");
    const YamlNode* dst = entry.Require("dst");
    if (mac == nullptr || dst == nullptr) return;
    // All zeros stands for what has no entry; ReadMac would refuse it.
    const auto parsed = mac->is_scalar() ? MacAddress::Parse(mac->text) : std::nullopt;
    if (!parsed) reporter.WrongValue(*mac, "mac", "a MAC address (02:00:00:00:00:01)");
    std::optional<IpAddress> address;
    const std::size_t index = vxlan.fdb.size();
    const bool taken =
        TakeAddress(*dst, "dst", {}, reporter, address, [interface, index](Node& node, const IpAddress& found) {
          std::get<Vxlan>(node.interfaces[interface].type).fdb[index].dst = found;
        });
    // An entry that is left out would shift those behind it: keep its place.
    if (taken) vxlan.fdb.push_back({parsed.value_or(MacAddress()), address.value_or(IpAddress()), item.at});
  });
  return vxlan;
}

InterfaceType NodeDecoder::DecodeTunnel(const Fields& fields, const std::string& kind, std::size_t interface,
                                        const Reporter& reporter) {
  Tunnel tunnel;
  tunnel.kind = kind;
  const auto set = [interface](std::optional<IpAddress> Tunnel::*member) {
    return [interface, member](Node& node, const IpAddress& address) {
      std::get<Tunnel>(node.interfaces[interface].type).*member = address;
    };
  };
  const auto take = [&](std::string_view key, std::optional<IpAddress> Tunnel::*member) {
    const YamlNode* value = fields.Find(key);
    if (value == nullptr) return;
    TakeAddress(*value, key, OuterFamily(kind), reporter, tunnel.*member, set(member));
    const auto outer = OuterFamily(kind);
    if (outer && tunnel.*member && (tunnel.*member)->family() != *outer) {
      reporter.WrongValue(*value, key,
                          fmt::format("an {} address for {}", *outer == Family::kIpv4 ? "IPv4" : "IPv6", kind));
    }
  };
  take("local", &Tunnel::local);
  take("remote", &Tunnel::remote);
  tunnel.id = fields.Number<std::uint32_t>("id");
  tunnel.key = fields.Number<std::uint32_t>("key");
  tunnel.ttl = fields.Number<std::uint8_t>("ttl");
  tunnel.dev = fields.Get<ParentDevice>("dev", ReadParent);
  tunnel.port = fields.Number<std::uint16_t>("port", 1);
  if (kind == "geneve") RequireUnlessFragment(fields, "id");
  for (const std::string& key : TunnelKeys()) {
    const YamlNode* value = fields.Find(key);
    if (value != nullptr && FindLinkOption(kind, key) == nullptr) {
      reporter.Wrong(value->at, fmt::format("{} interfaces have no {}", kind, Quote(key)));
    }
  }
  return tunnel;
}

InterfaceType NodeDecoder::DecodeWireguard(const Fields& fields, std::size_t interface, const Reporter& reporter) {
  Wireguard wireguard;
  wireguard.private_key = fields.Get<std::string>("private_key", ReadPrivateKey).value_or("");
  wireguard.private_key_file = fields.Text("private_key_file").value_or("");
  const std::optional<bool> auto_key = fields.Bool("auto");
  wireguard.auto_key = auto_key.value_or(false);
  // One that is refused, or misspelt, is one.
  const bool is_told = fields.has_unknown() || fields.Find("private_key") != nullptr ||
                       fields.Find("private_key_file") != nullptr || (fields.Find("auto") != nullptr && !auto_key);
  const bool has_none = wireguard.private_key.empty() && wireguard.private_key_file.empty() && !wireguard.auto_key;
  if (is_told && has_none) wireguard.private_key = kSecretPlace;
  wireguard.listen_port = fields.Number<std::uint16_t>("listen_port", 1);
  const YamlNode* peers = fields.Find("peers");
  if (peers == nullptr) return wireguard;
  ReadList(*peers, "peers", reporter, [&](const YamlNode& item) {
    const Fields peer(item, "peers", reporter,
                      {"node", "public_key", "endpoint", "allowed_ips", "keepalive", "preshared_key_file"});
    if (!peer.is_map()) return;
    WireguardPeer out;
    out.node = peer.Name("node").value_or("");
    out.public_key = peer.Get<std::string>("public_key", ReadPublicKey).value_or("");
    if ((peer.Find("node") != nullptr) == (peer.Find("public_key") != nullptr) && !peer.has_unknown()) {
      reporter.Wrong(item.at, "a peer has either \"node\" or \"public_key\"");
    }
    if (const YamlNode* allowed = peer.Find("allowed_ips")) {
      out.allowed_ips = ReadEach<IpPrefix>(
          *allowed, "allowed_ips", reporter, [](const YamlNode& node, std::string_view key, const Reporter& told) {
            return ReadPrefix(node, key, told, HostBits::kRefused, BareAddress::kAllowed);
          });
    }
    out.keepalive = peer.Number<std::uint16_t>("keepalive");
    out.preshared_key_file = peer.Text("preshared_key_file").value_or("");
    out.at = item.at;
    const std::size_t index = wireguard.peers.size();
    if (const YamlNode* endpoint = peer.Find("endpoint")) {
      const auto text = ReadText(*endpoint, "endpoint", reporter);
      const std::size_t colon = text ? text->rfind(':') : std::string::npos;
      const auto port = colon == std::string::npos ? std::nullopt : ParsePorts(text->substr(colon + 1));
      std::string host = colon == std::string::npos ? "" : text->substr(0, colon);
      if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
      if (text && (!port || port->count() != 1)) {
        reporter.WrongValue(*endpoint, "endpoint", "ADDR:PORT, [ADDR6]:PORT or NODE:IFNAME:PORT");
      } else if (text && IpAddress::Parse(host)) {
        out.endpoint = *text;
      } else if (text) {
        std::optional<IpAddress> unused;
        YamlNode host_node = *endpoint;
        host_node.text = host;
        const std::string port_text = text->substr(colon + 1);
        TakeAddress(host_node, "endpoint", {}, reporter, unused,
                    [interface, index, port_text](Node& node, const IpAddress& address) {
                      std::get<Wireguard>(node.interfaces[interface].type).peers[index].endpoint =
                          fmt::format("{}{}{}:{}", address.is_ipv6() ? "[" : "", address.text(),
                                      address.is_ipv6() ? "]" : "", port_text);
                    });
      }
    }
    wireguard.peers.push_back(std::move(out));
  });
  return wireguard;
}

}  // namespace runner
