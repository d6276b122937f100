// NAT, the uplink and published ports.
#include <fmt/format.h>

#include "base/text.h"
#include "topology/decode.h"

namespace runner {
namespace {

/// `ADDR`, `ADDR:PORT`, `[ADDR6]:PORT`, `NODE:IFNAME`, `NODE:IFNAME:PORT` in host and port.
struct Target {
  std::string host;
  std::optional<std::string> port;
};

Target SplitTarget(const std::string& text) {
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close != std::string::npos) {
      Target target{.host = text.substr(1, close - 1), .port = {}};
      const std::string rest = text.substr(close + 1);
      if (rest.starts_with(':')) target.port = rest.substr(1);
      if (rest.empty() || target.port) return target;
    }
    return {.host = text, .port = {}};
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || IpAddress::Parse(text)) return {.host = text, .port = {}};
  // With two colons the last one parts the port from NODE:IFNAME; with one the part in front decides.
  const std::string host = text.substr(0, colon);
  if (host.find(':') != std::string::npos || IpAddress::Parse(host))
    return {.host = host, .port = text.substr(colon + 1)};
  return {.host = text, .port = {}};
}

std::optional<IpPrefix> ReadSource(const YamlNode& node, std::string_view key, const Reporter& reporter) {
  return ReadPrefix(node, key, reporter, HostBits::kRefused, BareAddress::kAllowed);
}

std::vector<IpPrefix> ReadPrefixes(const Fields& fields, std::string_view key) {
  const YamlNode* list = fields.Find(key);
  if (list == nullptr) return {};
  return ReadEach<IpPrefix>(*list, key, fields.reporter(), ReadSource);
}

Protocol ReadProtocol(const Fields& fields, std::string_view key) {
  return fields.Word(key, {"tcp", "udp"}).value_or(0) == 0 ? Protocol::kTcp : Protocol::kUdp;
}

/// `[HOSTADDR:]HOSTPORT[-END]:PORT[-END][/tcp|udp]`.
std::optional<PortDraft> ParsePublished(std::string_view text) {
  PortDraft port;
  const std::size_t slash = text.rfind('/');
  if (slash != std::string_view::npos) {
    const std::string_view protocol = text.substr(slash + 1);
    if (protocol != "tcp" && protocol != "udp") return std::nullopt;
    port.protocol = protocol == "udp" ? Protocol::kUdp : Protocol::kTcp;
    text = text.substr(0, slash);
  }
  const std::size_t last = text.rfind(':');
  if (last == std::string_view::npos) return std::nullopt;
  const auto inner = ParsePorts(text.substr(last + 1));
  std::string_view rest = text.substr(0, last);
  const std::size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos) {
    std::string_view address = rest.substr(0, colon);
    if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
    port.host_address = IpAddress::Parse(address);
    if (!port.host_address) return std::nullopt;
    rest = rest.substr(colon + 1);
  }
  const auto outer = ParsePorts(rest);
  if (!inner || !outer) return std::nullopt;
  port.port = *inner;
  port.host_port = *outer;
  return port;
}

constexpr std::string_view kPublishedForm = "[HOSTADDR:]HOSTPORT[-END]:PORT[-END][/tcp|udp]";

}  // namespace

void NodeDecoder::DecodeNat(const YamlNode& item) {
  const Fields fields(item, "nat", reporter_, {"masquerade", "snat", "forward"});
  if (!fields.is_map() || item.entries.size() != 1) {
    if (!fields.has_unknown() && (fields.is_map() || item.is_null())) {
      reporter_.Wrong(item.at, "an entry of \"nat\" must be one of masquerade, snat, forward");
    }
    return;
  }
  const std::string& kind = item.entries.front().key->text;
  const YamlNode& map = *item.entries.front().value;
  if (fields.has_unknown()) return;
  if (map.is_null() && !map.refused) {
    reporter_.Wrong(item.at, fmt::format("{} needs its settings", Quote(kind)));
    return;
  }
  if (kind == "forward") return DecodeForward(map, item.at);
  const std::size_t before = reporter_.diagnostics().error_count();
  const bool snat = kind == "snat";
  const Fields rule(map, kind, reporter_,
                    snat ? std::vector<std::string>{"out", "source", "to"} : std::vector<std::string>{"out", "source"});
  if (!rule.is_map()) return;
  const YamlNode* out = rule.Require("out");
  const std::string device = out == nullptr ? "" : ReadName(*out, "out", reporter_).value_or("");
  const auto source = rule.Get<IpPrefix>("source", ReadSource);
  NatRule entry{.rule = Masquerade{.out = device, .source = source}, .at = item.at};
  if (snat) {
    const YamlNode* to = rule.Require("to");
    std::optional<IpAddress> address;
    const std::size_t index = node_.nat.size();
    const bool taken =
        to != nullptr && TakeAddress(
                             *to, "to", source ? std::optional(source->family()) : std::nullopt, reporter_, address,
                             [index](Node& node, const IpAddress& found) {
                               if (index < node.nat.size()) std::get<SourceNat>(node.nat[index].rule).to = found;
                             },
                             AddressReference::Owner::kNat, index);
    if (!taken) return;
    if (address && source && address->family() != source->family()) {
      reporter_.Wrong(to->at, "\"to\" and \"source\" are of different families");
    }
    entry.rule = SourceNat{.out = device, .source = source, .to = address.value_or(IpAddress())};
  }
  if (reporter_.diagnostics().error_count() == before) node_.nat.push_back(std::move(entry));
}

void NodeDecoder::DecodeForward(const YamlNode& map, Mark at) {
  const std::size_t before = reporter_.diagnostics().error_count();
  const Fields fields(map, "forward", reporter_, {"in", "proto", "port", "to"});
  if (!fields.is_map()) return;
  PortForward forward;
  forward.in = fields.Name("in").value_or("");
  if (fields.Require("proto") != nullptr) forward.protocol = ReadProtocol(fields, "proto");
  const YamlNode* port = fields.Require("port");
  if (port != nullptr) forward.port = ReadPorts(*port, "port", reporter_).value_or(PortRange{});
  const YamlNode* to = fields.Require("to");
  const auto text = to == nullptr ? std::nullopt : ReadText(*to, "to", reporter_);
  if (!text) return;
  const Target target = SplitTarget(*text);
  YamlNode host = *to;
  host.text = target.host;
  std::optional<IpAddress> address;
  const std::size_t index = node_.nat.size();
  TakeAddress(
      host, "to", {}, reporter_, address,
      [index](Node& node, const IpAddress& found) {
        if (index < node.nat.size()) std::get<PortForward>(node.nat[index].rule).to = found;
      },
      AddressReference::Owner::kNat, index);
  if (address) forward.to = *address;
  if (target.port) {
    forward.to_port = ParsePorts(*target.port);
    if (!forward.to_port) {
      reporter_.WrongValue(*to, "to", "ADDR, ADDR:PORT or [ADDR6]:PORT");
    } else if (forward.port.first != 0 && forward.to_port->count() != forward.port.count()) {
      reporter_.Wrong(
          to->at, fmt::format("\"to\" has {} ports, \"port\" has {}", forward.to_port->count(), forward.port.count()));
    }
  }
  if (reporter_.diagnostics().error_count() == before) node_.nat.push_back({.rule = forward, .at = at});
}

void NodeDecoder::DecodeUplink(const YamlNode& map) {
  const Fields fields(map, "uplink", reporter_,
                      {"type", "interface", "mtu", "cidr", "ipv6", "host_loopback", "allow", "deny", "dns",
                       "outbound_address", "from"});
  const std::size_t before = reporter_.diagnostics().error_count();
  if (!fields.is_map()) {
    notes_.names_damaged = notes_.l3_damaged = notes_.uplink_damaged = true;
    return;
  }
  Uplink uplink;
  uplink.at = map.at;
  if (fields.Require("type") != nullptr) {
    uplink.type = fields.Word("type", {"slirp", "nat"}).value_or(0) == 0 ? Uplink::Type::kSlirp : Uplink::Type::kNat;
  }
  const bool slirp = uplink.type == Uplink::Type::kSlirp;
  uplink.interface = slirp ? "tap0" : "uplink0";
  if (auto name = fields.Name("interface")) {
    if (CheckInterfaceName(*name, fields.Find("interface")->at, reporter_)) uplink.interface = std::move(*name);
  }
  // libslirp takes no more than 65521 (slirp4netns(1)).
  uplink.mtu = fields.Number<std::uint32_t>("mtu", 68, slirp ? 65521 : 65535).value_or(1500);
  if (const YamlNode* cidr = fields.Find("cidr")) {
    uplink.cidr = ReadPrefix(*cidr, "cidr", reporter_, HostBits::kRefused);
    const int longest = slirp ? 25 : 30;  // slirp: the node is .100, as slirp4netns has it
    if (uplink.cidr && (uplink.cidr->is_ipv6() || uplink.cidr->length() < 1 || uplink.cidr->length() > longest)) {
      reporter_.WrongValue(*cidr, "cidr", fmt::format("an IPv4 prefix of length 1 to {}", longest));
    }
  } else if (slirp) {
    uplink.cidr = IpPrefix(IpAddress::FromIpv4(0x0a000200), 24);  // 10.0.2.0/24
  }
  if (const YamlNode* ipv6 = fields.Find("ipv6")) {
    if (ipv6->is_scalar() && TypeOf(*ipv6) == ScalarType::kBool) {
      if (ReadBool(*ipv6, "ipv6", reporter_).value_or(false)) uplink.ipv6 = IpPrefix::Parse("fd00::/64");
    } else {
      uplink.ipv6 = ReadPrefix(*ipv6, "ipv6", reporter_, HostBits::kRefused);
      if (uplink.ipv6 && (!uplink.ipv6->is_ipv6() || uplink.ipv6->length() != 64)) {
        reporter_.WrongValue(*ipv6, "ipv6", "true, false or an IPv6 prefix of length 64");
      }
    }
  }
  uplink.host_loopback = fields.Bool("host_loopback").value_or(false);
  uplink.policy = {.allow = ReadPrefixes(fields, "allow"), .deny = ReadPrefixes(fields, "deny")};
  uplink.dns = fields.Bool("dns").value_or(true);
  if (const YamlNode* outbound = fields.Find("outbound_address")) {
    if (outbound->is_sequence()) {
      uplink.outbound_address = ReadEach<std::string>(*outbound, "outbound_address", reporter_, ReadName);
    } else if (auto name = ReadName(*outbound, "outbound_address", reporter_)) {
      uplink.outbound_address.push_back(std::move(*name));
    }
    if (uplink.outbound_address.size() > 2) {
      reporter_.Wrong(outbound->at, "\"outbound_address\" takes one address of each family");
    }
  }
  if (auto from = fields.Name("from"); from && *from != "host") {
    uplink.from = {.kind = Place::Kind::kNode, .name = *from};
    if (kind_ == Kind::kNode) notes_.uplink_from.push_back({fields.Find("from")->at, reporter_.where(), *from});
  }
  if (reporter_.diagnostics().error_count() != before || fields.has_unknown()) {
    notes_.names_damaged = notes_.l3_damaged = notes_.uplink_damaged = true;
  }
  node_.uplink = std::move(uplink);
}

void NodeDecoder::DecodePort(const YamlNode& value) {
  const std::size_t before = reporter_.diagnostics().error_count();
  std::optional<PortDraft> port;
  if (value.is_map() && !value.single_pair) {
    const Fields fields(value, "ports", reporter_, {"host", "port", "protocol", "address", "uplink"});
    const YamlNode* outer = fields.Require("host");
    const YamlNode* inner = fields.Require("port");
    PortDraft draft;
    if (outer != nullptr) draft.host_port = ReadPorts(*outer, "host", reporter_).value_or(PortRange{});
    if (inner != nullptr) draft.port = ReadPorts(*inner, "port", reporter_).value_or(PortRange{});
    draft.protocol = ReadProtocol(fields, "protocol");
    draft.host_address = fields.Get<IpAddress>("address", ReadAddress);
    draft.uplink = fields.WithPlace("uplink", fields.Name("uplink"));
    port = std::move(draft);
  } else if (value.is_scalar() && !value.refused) {
    port = ParsePublished(value.text);
    if (!port)
      reporter_.Wrong(value.at, fmt::format("port {} is not of the form {}", Quote(value.text), kPublishedForm));
  } else {
    reporter_.WrongValue(value, "ports", std::string(kPublishedForm));
  }
  if (!port || reporter_.diagnostics().error_count() != before) return;
  if (port->host_port.count() != port->port.count()) {
    reporter_.Wrong(
        value.at, fmt::format("{} ports of the host for {} of the node", port->host_port.count(), port->port.count()));
    return;
  }
  port->at = value.at;
  notes_.ports.push_back(std::move(*port));
}

}  // namespace runner
