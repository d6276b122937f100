// Addresses, routes, rules, neighbours, NAT and the user's nft commands.
#include <algorithm>
#include <cerrno>

#include "base/json.h"
#include "base/text.h"
#include "exec/device.h"
#include "exec/translate.h"
#include "kernel/label_route.h"
#include "kernel/nat.h"
#include "kernel/neighbour.h"
#include "kernel/nftables_user.h"

namespace runner {
namespace {

/// An object that went away by itself, with what it stood on, is as good as removed.
Status GoneIsFine(Status status, std::initializer_list<int> gone) {
  if (status.ok() || std::ranges::find(gone, status.error().code) == gone.end()) return status;
  return {};
}

/// The words of an encapsulation, its interfaces by index.
Result<std::string> WithIndexes(Session& session, const std::string& encap) {
  if (encap.empty()) return std::string();
  std::string out;
  std::string_view before;
  for (const std::string_view word : Split(encap, ' ')) {
    const bool device = before == "iif" || before == "oif";
    if (!out.empty()) out += ' ';
    out += device ? std::to_string(TRY(session.IndexOf(std::string(word)))) : std::string(word);
    before = word;
  }
  return out;
}

Result<RouteInfo> RouteFrom(Session& session, const RouteAttributes& attributes) {
  RouteInfo route;
  route.to = attributes.to;
  route.table = attributes.table;
  route.metric = attributes.metric;
  route.type = ToKernelType(attributes.type);
  if (attributes.scope) route.scope = ToKernelScope(*attributes.scope);
  route.prefsrc = attributes.from;
  route.mtu = attributes.mtu;
  route.encap = TRY(WithIndexes(session, attributes.encap));
  for (const HopAttributes& hop : attributes.hops) {
    RouteNextHop next;
    next.via = hop.via;
    next.weight = hop.weight;
    next.onlink = attributes.onlink;
    if (!hop.dev.empty()) next.oif = TRY(session.IndexOf(hop.dev));
    route.nexthops.push_back(next);
  }
  return route;
}

std::string DescribeRoute(const RouteAttributes& route, Verb verb) {
  std::string out = verb == Verb::kChange ? "change" : "add";
  if (route.hops.size() != 1) return out;
  if (route.hops[0].via) out += " via " + route.hops[0].via->text();
  if (!route.hops[0].dev.empty()) out += " dev " + route.hops[0].dev;
  return out;
}

Result<LabelRoute> LabelRouteFrom(Session& session, const RouteAttributes& attributes) {
  LabelRoute route{.label = *attributes.label};
  for (const HopAttributes& hop : attributes.hops) {
    LabelHop next{.via = hop.via, .as = hop.as};
    if (!hop.dev.empty()) next.oif = TRY(session.IndexOf(hop.dev));
    route.hops.push_back(std::move(next));
  }
  return route;
}

Status ApplyLabelRoute(Session& session, const Action& action, const RouteAttributes& route) {
  if (action.verb == Verb::kRemove) {
    // EINVAL: no label is routed here any more.
    return GoneIsFine(DeleteLabelRoute(session.socket(), *route.label), {ESRCH, EINVAL});
  }
  const LabelRoute fresh = TRY(LabelRouteFrom(session, route));
  Status status = action.verb == Verb::kChange ? ReplaceLabelRoute(session.socket(), fresh)
                                               : AddLabelRoute(session.socket(), fresh);
  if (!status.ok()) status.error().tried = DescribeRoute(route, action.verb);
  return status;
}

std::vector<kernel::TableId> TablesFrom(const std::vector<std::string>& texts) {
  std::vector<kernel::TableId> tables;
  for (const std::string& text : texts) {
    const std::size_t space = text.find(' ');
    tables.push_back({.family = text.substr(0, space), .name = text.substr(space + 1)});
  }
  return tables;
}

}  // namespace

Status ApplyAddress(ApplyContext& context, const Action& action, const AddressAttributes& address) {
  Session& session = *TRY(context.sessions.Get(address.ns));
  if (action.verb == Verb::kRemove) {
    const auto index = TRY(IndexIfThere(context, address.ns, address.dev));
    if (!index) return {};
    return GoneIsFine(DeleteAddress(session.socket(), *index, address.prefix, address.peer), {EADDRNOTAVAIL, ENODEV});
  }
  AddressSpec spec;
  spec.index = TRY(session.IndexOf(address.dev));
  spec.prefix = address.prefix;
  spec.peer = address.peer;
  if (address.scope) spec.scope = ToKernelScope(*address.scope);
  spec.preferred = address.preferred;
  spec.dad = address.dad;
  if (action.verb == Verb::kChange) {
    // A lifetime or the wish for duplicate address detection: the kernel keeps no trace to compare, so it is made anew.
    TRY(GoneIsFine(DeleteAddress(session.socket(), spec.index, address.prefix, address.peer), {EADDRNOTAVAIL}));
  }
  if (action.verb == Verb::kAdopt) return {};
  TRY(AddAddress(session.socket(), spec));
  if (address.dad && address.prefix.is_ipv6()) context.detecting.push_back(action.resource);
  return {};
}

Status ApplyRoute(ApplyContext& context, const Action& action, const RouteAttributes& route) {
  Session& session = *TRY(context.sessions.Get(route.ns));
  if (action.verb == Verb::kAdopt) return {};
  if (route.label) return ApplyLabelRoute(session, action, route);
  if (action.verb == Verb::kRemove) {
    // As the kernel has it now, which may have drifted from the record.
    const RouteAttributes& now = action.before ? std::get<RouteAttributes>(*action.before) : route;
    RouteAttributes left = now;
    std::erase_if(left.hops,
                  [&](const HopAttributes& hop) { return !hop.dev.empty() && !session.IndexOf(hop.dev).ok(); });
    // Its devices are gone, and so is the route.
    if (left.hops.empty() && !now.hops.empty()) return {};
    auto old = RouteFrom(session, left);
    if (!old.ok()) return {};
    // Of one whose hops went in part the kernel keeps the rest: by its prefix alone it is found.
    if (left.hops.size() != now.hops.size()) old->nexthops.clear();
    return GoneIsFine(DeleteRoute(session.socket(), *old), {ESRCH, ENODEV});
  }
  RouteInfo fresh = TRY(RouteFrom(session, route));
  Status status =
      action.verb == Verb::kChange ? ReplaceRoute(session.socket(), fresh) : AddRoute(session.socket(), fresh);
  if (!status.ok()) status.error().tried = DescribeRoute(route, action.verb);
  return status;
}

Status ApplyRule(ApplyContext& context, const Action& action, const RuleAttributes& rule) {
  Session& session = *TRY(context.sessions.Get(rule.ns));
  if (action.verb == Verb::kAdopt) return {};
  if (action.verb == Verb::kRemove) {
    const RuleAttributes& now = action.before ? std::get<RuleAttributes>(*action.before) : rule;
    return GoneIsFine(DeleteRule(session.socket(), RuleFrom(now)), {ENOENT});
  }
  return AddRule(session.socket(), RuleFrom(rule));
}

Status ApplyNeighbour(ApplyContext& context, const Action& action, const NeighbourAttributes& neighbour) {
  Session& session = *TRY(context.sessions.Get(neighbour.ns));
  if (action.verb == Verb::kAdopt) return {};
  NeighbourInfo info;
  info.to = neighbour.to;
  info.mac = neighbour.mac;
  info.proxy = neighbour.proxy;
  if (action.verb == Verb::kRemove) {
    const auto index = TRY(IndexIfThere(context, neighbour.ns, neighbour.dev));
    if (!index) return {};
    info.index = *index;
    return GoneIsFine(DeleteNeighbour(session.socket(), info), {ENOENT, ENODEV});
  }
  info.index = TRY(session.IndexOf(neighbour.dev));
  return AddNeighbour(session.socket(), info);
}

Status ApplyNat(ApplyContext& context, const Action& action, NatAttributes& nat) {
  Session& session = *TRY(context.sessions.Get(nat.ns));
  const kernel::TableId table{.family = "inet", .name = nat.table};
  if (action.verb == Verb::kRemove) return kernel::DeleteTables(context.nft, session.place().fd(), {table});
  const auto rules = TRY(NatRulesFrom(nat.rules));
  if (action.verb != Verb::kAdopt) {
    if (table == kernel::NatTableId()) {
      TRY(kernel::ReplaceNat(context.nft, session.place().fd(), table, rules));
    } else {
      TRY(kernel::ReplaceHostNat(context.nft, session.place().fd(), table, HostNatFrom(rules)));
    }
  }
  nat.listing = kernel::NormalListing(TRY(context.nft.ListTable(session.place().fd(), table)));
  return {};
}

Status ApplyNftables(ApplyContext& context, const Action& action, NftablesAttributes& nftables) {
  Session& session = *TRY(context.sessions.Get(nftables.ns));
  const int ns = session.place().fd();
  const auto* before = action.before ? &std::get<NftablesAttributes>(*action.before) : nullptr;
  // `before` holds the tables that the record names and that still stand.
  const std::vector<kernel::TableId> old =
      before == nullptr ? std::vector<kernel::TableId>() : TablesFrom(before->tables);
  if (action.verb == Verb::kRemove) return kernel::DeleteTables(context.nft, ns, old);
  kernel::UserRules rules{.text = nftables.text,
                          .old_tables = old,
                          .own_tables = {kernel::NatTableId()},
                          .owner = context.IsOwnNamespace(nftables.ns) ? kernel::NamespaceOwner::kLab
                                                                       : kernel::NamespaceOwner::kSomebodyElse,
                          .interfaces = context.InterfacesOf(nftables.ns)};
  nftables.tables.clear();
  nftables.listing.clear();
  for (const kernel::LoadedTable& table : TRY(kernel::LoadUserRules(context.nft, ns, rules))) {
    nftables.tables.push_back(table.id.text());
    nftables.listing += table.listing + "\n";
  }
  return {};
}

}  // namespace runner
