#include "exec/namespace_view.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/json.h"
#include "base/text.h"
#include "exec/translate.h"
#include "kernel/mark.h"
#include "kernel/nat.h"
#include "kernel/netconf.h"
#include "kernel/nftables_user.h"
#include "kernel/sysctl.h"

namespace runner {
namespace {

using Owner = Observed::Owner;

std::string InterfaceName(const std::unordered_map<int, std::string>& names, int index) {
  const auto found = names.find(index);
  return found == names.end() ? "" : found->second;
}

Observed::Owner OwnerByProtocol(std::uint8_t protocol) {
  return protocol == kProtocol ? Owner::kOurs : Owner::kUnknown;
}

/// The words of an encapsulation, its interfaces by name.
std::string WithNames(const std::unordered_map<int, std::string>& names, const std::string& encap) {
  if (encap.find("if ") == std::string::npos) return encap;
  std::string out;
  std::string_view before;
  for (const std::string_view word : Split(encap, ' ')) {
    const bool device = before == "iif" || before == "oif";
    if (!out.empty()) out += ' ';
    out += device ? InterfaceName(names, static_cast<int>(ParseInteger(word).value_or(0))) : std::string(word);
    before = word;
  }
  return out;
}

bool SelectsTheSame(const RuleAttributes& a, const RuleAttributes& b) {
  return a.family == b.family && a.priority == b.priority && a.from == b.from && a.to == b.to && a.iif == b.iif &&
         a.oif == b.oif && a.fwmark == b.fwmark && a.fwmask == b.fwmask;
}

/// Where the wish leaves the device to the kernel, so does what is compared with it.
void BlankOpenDevices(const std::vector<HopAttributes>& asked, std::vector<HopAttributes>& now) {
  for (const HopAttributes& hop : asked) {
    if (!hop.dev.empty()) continue;
    for (HopAttributes& seen : now) {
      if (seen.via == hop.via) seen.dev.clear();
    }
  }
}

}  // namespace

Status NamespaceView::ReadAll(const std::set<Kind>& kinds) {
  for (LinkInfo& link : TRY(ReadLinks(session_.socket()))) {
    names_.emplace(link.index, link.name);
    links_.emplace(link.name, std::move(link));
  }
  const auto wants = [&kinds](Kind kind) { return kinds.contains(kind); };
  if (wants(Kind::kAddress)) {
    for (AddressInfo& info : TRY(ReadAddresses(session_.socket()))) {
      const auto key = std::pair(info.index, info.prefix);
      addresses_.emplace(key, std::move(info));
    }
  }
  if (wants(Kind::kRule)) rules_ = TRY(ReadRules(session_.socket()));
  if (wants(Kind::kNeighbour)) neighbours_ = TRY(ReadNeighbours(session_.socket()));
  if (wants(Kind::kImpairment)) {
    for (RootQdisc& qdisc : TRY(ReadRootQdiscs(session_.socket()))) qdiscs_.emplace(qdisc.index, std::move(qdisc));
  }
  if (wants(Kind::kVlans)) vlans_ = TRY(ReadPortVlans(session_.socket()));
  if (wants(Kind::kFdb)) fdb_ = TRY(ReadTunnelFdb(session_.socket()));
  return ReadMark();
}

Result<Observed> NamespaceView::SeeNamespace(const NamespaceAttributes& asked) const {
  NamespaceAttributes now = asked;
  if (owner_ == Owner::kOurs) now.attach = "";
  if (asked.forwarding_ipv4) now.forwarding_ipv4 = TRY(ReadForwarding(session_.socket(), AF_INET));
  if (asked.forwarding_ipv6) now.forwarding_ipv6 = TRY(ReadForwarding(session_.socket(), AF_INET6));
  return Observed{.attributes = now, .owner = asked.attach.empty() ? owner_ : Owner::kUnknown};
}

std::string NamespaceView::NameOf(int index) const { return InterfaceName(names_, index); }

std::optional<DeviceAttributes> NamespaceView::SeeDevice(const std::string& name) const {
  const auto found = links_.find(name);
  if (found == links_.end()) return std::nullopt;
  return DeviceFrom(ns_, found->second, InterfaceName(names_, found->second.master));
}

const LinkInfo* NamespaceView::FindLink(const std::string& name) const {
  const auto found = links_.find(name);
  return found == links_.end() ? nullptr : &found->second;
}

Observed::Owner NamespaceView::OwnerOf(const LinkInfo& link, std::string_view kind) const {
  if (link.kind != kind) return Owner::kForeign;
  if (is_ours()) return Owner::kOurs;
  return link.group == LinkGroup(context_.options.lab) ? Owner::kOurs : Owner::kForeign;
}

std::optional<Observed> NamespaceView::See(const AddressAttributes& asked) const {
  const LinkInfo* link = FindLink(asked.dev);
  if (link == nullptr) return std::nullopt;
  const auto found = addresses_.find({link->index, asked.prefix});
  if (found == addresses_.end()) return std::nullopt;
  const AddressInfo& info = found->second;
  AddressAttributes now = asked;
  now.peer = info.peer;
  now.scope = FromKernelScope(info.scope);
  return Observed{.attributes = now, .owner = OwnerByProtocol(info.protocol)};
}

Result<std::optional<Observed>> NamespaceView::SeeLabelRoute(const RouteAttributes& asked) const {
  if (!label_routes_) {
    label_routes_.emplace();
    for (LabelRoute& route : TRY(ReadLabelRoutes(session_.socket()))) {
      label_routes_->emplace(route.label, std::move(route));
    }
  }
  const auto found = label_routes_->find(*asked.label);
  if (found == label_routes_->end()) return std::optional<Observed>();
  RouteAttributes now = asked;
  now.hops.clear();
  for (const LabelHop& hop : found->second.hops) {
    now.hops.push_back({.via = hop.via, .dev = InterfaceName(names_, hop.oif), .as = hop.as});
  }
  BlankOpenDevices(asked.hops, now.hops);
  std::ranges::sort(now.hops);
  const bool ours = found->second.protocol == kProtocol;
  return std::optional(Observed{.attributes = now, .owner = ours ? Owner::kOurs : Owner::kForeign});
}

Result<const NamespaceView::Routes*> NamespaceView::RoutesOf(Family family) const {
  if (const auto found = routes_.find(family); found != routes_.end()) return &found->second;
  Routes routes;
  for (RouteInfo& info : TRY(ReadRoutesOf(family, session_.socket()))) {
    const auto key = std::tuple(info.to, info.table, info.metric);
    routes.emplace(key, std::move(info));
  }
  return &routes_.emplace(family, std::move(routes)).first->second;
}

Result<std::optional<Observed>> NamespaceView::See(const RouteAttributes& asked) const {
  if (asked.label) return SeeLabelRoute(asked);
  const Routes& routes = *TRY(RoutesOf(asked.to.family()));
  const auto found = routes.find({asked.to, asked.table, asked.metric});
  if (found == routes.end()) return std::optional<Observed>();
  const RouteInfo& info = found->second;
  RouteAttributes now = asked;
  now.type = FromKernelType(info.type).value_or(RouteType::kUnicast);
  now.hops.clear();
  now.onlink = false;
  for (const RouteNextHop& hop : info.nexthops) {
    now.hops.push_back({.via = hop.via, .dev = InterfaceName(names_, hop.oif), .weight = hop.weight});
    now.onlink = now.onlink || hop.onlink;
  }
  BlankOpenDevices(asked.hops, now.hops);
  std::ranges::sort(now.hops);
  now.scope = asked.to.is_ipv6() || !info.scope ? std::nullopt : FromKernelScope(*info.scope);
  now.from = info.prefsrc;
  now.mtu = info.mtu;
  now.encap = WithNames(names_, info.encap);
  // Someone else's route with our prefix, table and metric is in the way of ours.
  const bool ours = info.protocol == kProtocol;
  return std::optional(Observed{.attributes = now, .owner = ours ? Owner::kOurs : Owner::kForeign});
}

std::optional<Observed> NamespaceView::See(const RuleAttributes& asked) const {
  for (const RuleInfo& rule : rules_) {
    RuleAttributes now = RuleFrom(ns_, rule);
    if (!SelectsTheSame(now, asked)) continue;
    return Observed{.attributes = now, .owner = rule.protocol == kProtocol ? Owner::kOurs : Owner::kForeign};
  }
  return std::nullopt;
}

std::optional<Observed> NamespaceView::See(const NeighbourAttributes& asked) const {
  const LinkInfo* link = FindLink(asked.dev);
  if (link == nullptr) return std::nullopt;
  for (const NeighbourInfo& info : neighbours_) {
    if (info.index != link->index || info.to != asked.to || info.proxy != asked.proxy) continue;
    NeighbourAttributes now = asked;
    now.mac = info.mac;
    return Observed{.attributes = now, .owner = OwnerByProtocol(info.protocol)};
  }
  return std::nullopt;
}

std::optional<Observed> NamespaceView::See(const ImpairmentAttributes& asked) const {
  const LinkInfo* link = FindLink(asked.dev);
  if (link == nullptr) return std::nullopt;
  const auto found = qdiscs_.find(link->index);
  if (found == qdiscs_.end()) return std::nullopt;
  const RootQdisc& qdisc = found->second;
  // On an interface of our own whatever stands there is to be as asked; elsewhere the handle tells.
  const bool ours = is_ours() || link->group == LinkGroup(context_.options.lab) || qdisc.handle == kImpairHandle;
  return Observed{.attributes = ImpairmentFrom(qdisc.netem, asked), .owner = ours ? Owner::kOurs : Owner::kForeign};
}

std::optional<Observed> NamespaceView::See(const VlansAttributes& asked) const {
  const LinkInfo* link = FindLink(asked.dev);
  if (link == nullptr || link->master == 0) return std::nullopt;
  const auto found = vlans_.find(link->index);
  const VlanMembership membership = found == vlans_.end() ? VlanMembership() : found->second;
  return Observed{.attributes = VlansFrom(membership, asked), .owner = Owner::kOurs};
}

std::optional<Observed> NamespaceView::See(const FdbAttributes& asked) const {
  const LinkInfo* link = FindLink(asked.dev);
  if (link == nullptr) return std::nullopt;
  const TunnelFdbEntry wanted{.index = link->index, .mac = asked.mac, .dst = asked.dst};
  if (std::ranges::find(fdb_, wanted) == fdb_.end()) return std::nullopt;
  return Observed{.attributes = asked, .owner = Owner::kOurs};
}

Result<const WireguardInfo*> NamespaceView::ReadWireguard(const LinkInfo& link) const {
  if (const auto found = wireguards_.find(link.index); found != wireguards_.end()) return &found->second;
  WireguardSocket socket = TRY(WireguardSocket::OpenIn(session_.place()));
  WireguardInfo info = TRY(socket.Read(link.index));
  if (!info.private_key.is_zero()) context_.secrets.Learn(info.public_key.text(), info.private_key);
  for (const WireguardPeerInfo& peer : info.peers) {
    if (!peer.preshared_key.is_zero()) context_.secrets.Learn(peer.preshared_key.fingerprint(), peer.preshared_key);
  }
  return &wireguards_.emplace(link.index, std::move(info)).first->second;
}

Result<std::optional<Observed>> NamespaceView::See(const PeerAttributes& asked, const Attributes* recorded) const {
  const LinkInfo* link = FindLink(asked.dev);
  if (link == nullptr || link->kind != "wireguard") return std::optional<Observed>();
  const auto* record = recorded == nullptr ? nullptr : std::get_if<PeerAttributes>(recorded);
  const WireguardInfo& info = *TRY(ReadWireguard(*link));
  // Under its former key first: that one is to be replaced.
  for (const PeerAttributes* known : {record, &asked}) {
    if (known == nullptr) continue;
    const auto found = std::ranges::find(info.peers, known->public_key,
                                         [](const WireguardPeerInfo& peer) { return peer.public_key.text(); });
    if (found == info.peers.end()) continue;
    PeerAttributes now = PeerFrom(*found, asked);
    // Where it was heard from counts more than what was set; that is no drift.
    if (found->was_heard) now.endpoint = record == nullptr ? asked.endpoint : record->endpoint;
    const bool ours = is_ours() || link->group == LinkGroup(context_.options.lab);
    return std::optional(Observed{.attributes = now, .owner = ours ? Owner::kOurs : Owner::kForeign});
  }
  return std::optional<Observed>();
}

std::optional<Observed> NamespaceView::See(const SysctlAttributes& asked) const {
  auto value = ReadHere(asked.key);
  if (!value.ok()) return std::nullopt;
  SysctlAttributes now = asked;
  // As written in the file, if it is the same to the kernel.
  if (*value != NormaliseSysctl(asked.value)) now.value = *value;
  return Observed{.attributes = now, .owner = Owner::kOurs};
}

Result<std::optional<Observed>> NamespaceView::See(const NatAttributes& asked, const Attributes* recorded) const {
  const kernel::TableId table{.family = "inet", .name = asked.table};
  auto listing = context_.nft.ListTable(session_.place().fd(), table);
  if (!listing.ok()) {
    if (listing.error().code == ENOENT) return std::optional<Observed>();
    return std::move(listing).error();
  }
  NatAttributes now = asked;
  now.listing = kernel::NormalListing(*listing);
  // Among somebody else's tables only one that has the lab's own name is known to be ours without a record.
  const bool ours = is_ours() || recorded != nullptr || asked.table != kernel::NatTableId().name;
  return std::optional(Observed{.attributes = now, .owner = ours ? Owner::kOurs : Owner::kForeign});
}

Result<std::optional<Observed>> NamespaceView::See(const NftablesAttributes& asked, const Attributes* recorded) const {
  const auto* record = recorded == nullptr ? nullptr : std::get_if<NftablesAttributes>(recorded);
  if (record == nullptr) return std::optional<Observed>();
  std::vector<kernel::TableId> tables;
  for (const std::string& text : record->tables) {
    const std::size_t space = text.find(' ');
    tables.push_back({.family = text.substr(0, space), .name = text.substr(space + 1)});
  }
  NftablesAttributes now = asked;
  now.tables.clear();
  now.listing.clear();
  if (!tables.empty()) {
    for (const auto& table : TRY(kernel::ReadTables(context_.nft, session_.place().fd(), tables))) {
      now.tables.push_back(table.id.text());
      now.listing += table.listing + "\n";
    }
  }
  return std::optional(Observed{.attributes = now, .owner = Owner::kOurs});
}

Status NamespaceView::ReadMark() {
  const auto loopback = std::ranges::find_if(links_, [](const auto& link) { return link.second.loopback; });
  if (loopback == links_.end() || ns_.empty()) return {};
  const auto mark = ParseNamespaceMark(loopback->second.alias);
  owner_ = mark && mark->lab + "." + mark->node == ns_ ? Owner::kOurs : Owner::kForeign;
  return {};
}

Result<std::string> NamespaceView::ReadHere(const std::string& key) const {
  if (ns_.empty()) return ReadSysctl(key);
  const InNamespace here = TRY(InNamespace::Enter(session_.place()));
  return ReadSysctl(key);
}

}  // namespace runner
