#include "exec/translate.h"

#include <pwd.h>

#include <algorithm>

#include "base/text.h"
#include "plan/codec.h"
#include "plan/names.h"

namespace runner {
namespace {

constexpr std::uint64_t kBitsPerByte = 8;

template <class Ours>
struct Pair {
  Ours ours;
  std::uint8_t kernel;
};

constexpr Pair<Scope> kScopes[] = {{Scope::kGlobal, RT_SCOPE_UNIVERSE},
                                   {Scope::kSite, RT_SCOPE_SITE},
                                   {Scope::kLink, RT_SCOPE_LINK},
                                   {Scope::kHost, RT_SCOPE_HOST}};
constexpr Pair<RouteType> kTypes[] = {
    {RouteType::kUnicast, RTN_UNICAST},     {RouteType::kLocal, RTN_LOCAL},
    {RouteType::kBlackhole, RTN_BLACKHOLE}, {RouteType::kUnreachable, RTN_UNREACHABLE},
    {RouteType::kProhibit, RTN_PROHIBIT},   {RouteType::kThrow, RTN_THROW}};
constexpr Pair<RuleAction> kActions[] = {{RuleAction::kLookup, FR_ACT_TO_TBL},
                                         {RuleAction::kBlackhole, FR_ACT_BLACKHOLE},
                                         {RuleAction::kUnreachable, FR_ACT_UNREACHABLE},
                                         {RuleAction::kProhibit, FR_ACT_PROHIBIT}};

template <class Ours, std::size_t N>
std::uint8_t ToKernel(const Pair<Ours> (&table)[N], Ours ours) {
  return std::ranges::find(table, ours, &Pair<Ours>::ours)->kernel;
}
template <class Ours, std::size_t N>
std::optional<Ours> FromKernel(const Pair<Ours> (&table)[N], std::uint8_t kernel) {
  const auto found = std::ranges::find(table, kernel, &Pair<Ours>::kernel);
  return found == std::end(table) ? std::nullopt : std::optional(found->ours);
}

kernel::NatRule NatRuleFrom(const Masquerade& rule) {
  return kernel::Masquerade{.out = rule.out, .source = rule.source};
}
kernel::NatRule NatRuleFrom(const SourceNat& rule) {
  return kernel::SourceNat{.out = rule.out, .source = rule.source, .to = rule.to};
}
kernel::NatRule NatRuleFrom(const PortForward& rule) {
  kernel::PortForward out;
  if (!rule.in.empty()) out.in = rule.in;
  out.protocol = rule.protocol == Protocol::kTcp ? kernel::Transport::kTcp : kernel::Transport::kUdp;
  out.first = rule.port.first;
  out.last = rule.port.last;
  out.to = rule.to;
  out.to_first = rule.to_port ? rule.to_port->first : rule.port.first;
  out.address = rule.address;
  return out;
}

}  // namespace

std::uint8_t ToKernelScope(Scope scope) { return ToKernel(kScopes, scope); }
std::optional<Scope> FromKernelScope(std::uint8_t scope) { return FromKernel(kScopes, scope); }
std::uint8_t ToKernelType(RouteType type) { return ToKernel(kTypes, type); }
std::optional<RouteType> FromKernelType(std::uint8_t type) { return FromKernel(kTypes, type); }
std::uint8_t ToKernelAction(RuleAction action) { return ToKernel(kActions, action); }
std::optional<RuleAction> FromKernelAction(std::uint8_t action) { return FromKernel(kActions, action); }

DeviceAttributes DeviceFrom(const NamespaceName& ns, const LinkInfo& link, const std::string& master) {
  DeviceAttributes device;
  device.ns = ns;
  device.name = link.name;
  device.mac = link.mac;
  device.mtu = link.mtu;
  device.txqueuelen = link.txqueuelen;
  device.up = link.up;
  // Without IPv6 in the kernel, or below its smallest MTU, there is nothing to disable.
  device.ipv6 = link.disable_ipv6 ? std::optional(!*link.disable_ipv6) : std::nullopt;
  device.master = master;
  return device;
}

DeviceAttributes FreshDevice(DeviceAttributes device) {
  device.up = false;
  device.ipv6 = true;
  device.master = "";
  return device;
}

std::optional<std::string> UserNumber(const std::string& user) {
  if (const auto number = ParseInteger(user)) return std::to_string(*number);
  const passwd* entry = getpwnam(user.c_str());
  return entry == nullptr ? std::nullopt : std::optional(std::to_string(entry->pw_uid));
}

NetemSettings NetemFrom(const ImpairmentAttributes& attributes) {
  NetemSettings settings;
  settings.delay_ns = attributes.delay.count;
  settings.jitter_ns = attributes.jitter.count;
  settings.correlation = attributes.correlation.count;
  settings.loss = attributes.loss.count;
  settings.duplicate = attributes.duplicate.count;
  settings.corrupt = attributes.corrupt.count;
  settings.reorder = attributes.reorder.count;
  settings.rate = attributes.rate.bits / kBitsPerByte;
  settings.limit = attributes.limit.value_or(0);
  settings.seed = attributes.seed;
  settings.distribution = attributes.distribution;
  return settings;
}

ImpairmentAttributes ImpairmentFrom(const NetemSettings& settings, const ImpairmentAttributes& asked) {
  ImpairmentAttributes attributes = asked;
  attributes.delay = {settings.delay_ns};
  attributes.jitter = {settings.jitter_ns};
  attributes.correlation = {settings.correlation};
  attributes.loss = {settings.loss};
  attributes.duplicate = {settings.duplicate};
  attributes.corrupt = {settings.corrupt};
  attributes.reorder = {settings.reorder};
  attributes.rate = {settings.rate * kBitsPerByte};
  if (asked.limit) attributes.limit = settings.limit;
  // Kernels before 6.6 have no seed of their own to tell.
  if (asked.seed && settings.seed) attributes.seed = settings.seed;
  return attributes;
}

VlanMembership MembershipFrom(const VlansAttributes& attributes) {
  VlanMembership membership;
  if (attributes.pvid != 0) membership.pvid = attributes.pvid;
  membership.tagged.insert(attributes.tagged.begin(), attributes.tagged.end());
  membership.untagged.insert(attributes.untagged.begin(), attributes.untagged.end());
  return membership;
}

VlansAttributes VlansFrom(const VlanMembership& membership, const VlansAttributes& asked) {
  VlansAttributes attributes = asked;
  attributes.pvid = membership.pvid.value_or(0);
  attributes.tagged.assign(membership.tagged.begin(), membership.tagged.end());
  attributes.untagged.assign(membership.untagged.begin(), membership.untagged.end());
  return attributes;
}

PeerAttributes PeerFrom(const WireguardPeerInfo& peer, const PeerAttributes& asked) {
  PeerAttributes out{.ns = asked.ns, .dev = asked.dev, .name = asked.name};
  out.public_key = peer.public_key.text();
  if (peer.endpoint) out.endpoint = peer.endpoint->text();
  out.allowed_ips = peer.allowed_ips;
  out.keepalive = peer.keepalive;
  if (!peer.preshared_key.is_zero()) out.preshared_key = peer.preshared_key.fingerprint();
  return out;
}

RuleInfo RuleFrom(const RuleAttributes& attributes) {
  RuleInfo rule;
  rule.family = attributes.family;
  rule.priority = attributes.priority;
  rule.from = attributes.from;
  rule.to = attributes.to;
  rule.iif = attributes.iif;
  rule.oif = attributes.oif;
  if (attributes.fwmask != 0) {
    rule.fwmark = attributes.fwmark;
    rule.fwmask = attributes.fwmask;
  }
  rule.table = attributes.table;
  rule.action = ToKernelAction(attributes.action);
  return rule;
}

RuleAttributes RuleFrom(const NamespaceName& ns, const RuleInfo& rule) {
  RuleAttributes attributes;
  attributes.ns = ns;
  attributes.family = rule.family;
  attributes.priority = rule.priority;
  attributes.from = rule.from;
  attributes.to = rule.to;
  attributes.iif = rule.iif;
  attributes.oif = rule.oif;
  if (rule.fwmark || rule.fwmask) {
    attributes.fwmark = rule.fwmark.value_or(0);
    attributes.fwmask = rule.fwmask.value_or(0xffffffff);
  }
  attributes.table = rule.action == FR_ACT_TO_TBL ? rule.table : 0;
  attributes.action = FromKernelAction(rule.action).value_or(RuleAction::kLookup);
  return attributes;
}

Result<std::vector<kernel::NatRule>> NatRulesFrom(const std::vector<std::string>& lines) {
  std::vector<kernel::NatRule> rules;
  for (const std::string& line : lines) {
    const NatLine planned = TRY(DecodeNatRule(line));
    rules.push_back(std::visit([](const auto& typed) { return NatRuleFrom(typed); }, planned.rule.rule));
    if (auto* forward = std::get_if<kernel::PortForward>(&rules.back())) forward->hairpin = planned.hairpin;
  }
  return rules;
}

kernel::HostNat HostNatFrom(const std::vector<kernel::NatRule>& rules) {
  kernel::HostNat nat;
  for (const kernel::NatRule& rule : rules) {
    if (const auto* masquerade = std::get_if<kernel::Masquerade>(&rule)) {
      nat.interface = masquerade->out;
      if (masquerade->source) nat.sources.push_back(*masquerade->source);
    } else if (const auto* port = std::get_if<kernel::PortForward>(&rule)) {
      nat.ports.push_back(*port);
    }
  }
  return nat;
}

UplinkSpec UplinkSpecFrom(const UplinkAttributes& attributes, const UplinkContext& context) {
  UplinkSpec spec;
  spec.kind = attributes.relay_only ? UplinkSpec::Kind::kRelay : UplinkSpec::Kind::kSlirp;
  spec.lab = context.lab;
  spec.node = attributes.node;
  spec.interface = attributes.interface;
  spec.mtu = attributes.mtu;
  spec.mac = context.mac;
  if (attributes.cidr) spec.cidr = *attributes.cidr;
  spec.ipv6 = attributes.ipv6;
  spec.host_loopback = attributes.host_loopback;
  spec.allow = attributes.allow;
  spec.deny = attributes.deny;
  spec.dns = attributes.dns;
  if (attributes.relay_only) {
    for (const auto& network : {attributes.cidr, attributes.ipv6}) {
      if (network) spec.relay_addresses.push_back(AddressesOf(Uplink::Type::kNat, *network).dns);
    }
  }
  spec.outbound = attributes.outbound_address;
  for (const std::string& line : attributes.names) {
    const auto words = Split(line, ' ');
    const auto address = words.size() == 2 ? IpAddress::Parse(words[1]) : std::nullopt;
    if (address) spec.names[std::string(words[0])].push_back(*address);
  }
  spec.state_folder = context.state_folder;
  spec.node_path = context.netns_path;
  if (const char* resolver = std::getenv("TOPORUN_RESOLV_CONF"); resolver != nullptr) spec.resolv_conf = resolver;
  return spec;
}

UplinkAttributes UplinkFrom(const UplinkSpec& spec, const UplinkAttributes& asked) {
  UplinkAttributes attributes = asked;
  attributes.interface = spec.interface;
  attributes.mtu = spec.mtu;
  // A relay without IPv4 of its own keeps the default network unused.
  if (asked.cidr || !asked.relay_only) attributes.cidr = spec.cidr;
  attributes.ipv6 = spec.ipv6;
  attributes.host_loopback = spec.host_loopback;
  attributes.allow = spec.allow;
  attributes.deny = spec.deny;
  attributes.dns = spec.dns;
  attributes.outbound_address = spec.outbound;
  attributes.names.clear();
  for (const auto& [name, addresses] : spec.names) {
    for (const IpAddress& address : addresses) attributes.names.push_back(name + " " + address.text());
  }
  std::ranges::sort(attributes.names);
  return attributes;
}

ForwardSpec ForwardFrom(const ForwardAttributes& attributes) {
  ForwardSpec forward;
  forward.protocol = attributes.protocol == Protocol::kTcp ? ForwardSpec::Protocol::kTcp : ForwardSpec::Protocol::kUdp;
  const IpAddress any = attributes.family == Family::kIpv6 ? *IpAddress::Parse("::") : IpAddress();
  forward.host_address = attributes.host_address.value_or(any);
  forward.first_host_port = attributes.host_port.first;
  forward.last_host_port = attributes.host_port.last;
  forward.target = attributes.target;
  forward.first_port = attributes.port.first;
  forward.last_port = attributes.port.last;
  return forward;
}

}  // namespace runner
