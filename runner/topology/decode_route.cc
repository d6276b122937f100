// Routes, rules and neighbours.
#include <fmt/format.h>

#include <limits>

#include "base/text.h"
#include "topology/decode.h"
#include "topology/words.h"

namespace runner {
namespace {

const std::vector<std::string> kRouteKeys = {"to",   "via", "dev",    "metric",   "table", "from", "scope",
                                             "type", "mtu", "onlink", "nexthops", "encap", "as"};
// ip-route(8), seg6local: the actions and the parameters by their names there.
const std::vector<std::string> kSeg6Actions = {"End",     "End.X",   "End.T",    "End.DX2", "End.DX4",       "End.DX6",
                                               "End.DT4", "End.DT6", "End.DT46", "End.B6",  "End.B6.Encaps", "End.BM",
                                               "End.S",   "End.AS",  "End.AM",   "End.BPF"};
const std::vector<std::string> kSeg6Keys = {"action", "nh4", "nh6",  "table", "vrftable", "iif",
                                            "oif",    "srh", "segs", "count", "flavors",  "endpoint"};

IpPrefix WholeFamily(Family family) {
  const IpAddress any = family == Family::kIpv4 ? IpAddress() : *IpAddress::Parse("::");
  return {any, 0};
}

constexpr std::int64_t kHighestLabel = (1 << 20) - 1;

std::vector<std::uint32_t> ReadLabels(const YamlNode& list, std::string_view key, const Reporter& reporter) {
  return ReadEach<std::uint32_t>(list, key, reporter,
                                 [](const YamlNode& node, std::string_view name, const Reporter& told) {
                                   return ReadNumber<std::uint32_t>(node, name, told, 0, kHighestLabel);
                                 });
}

/// `to: {mpls: LABEL}`. Labels below 16 have meanings of their own (RFC 3032 2.1), and the kernel routes none of them.
std::optional<std::uint32_t> DecodeLabel(const YamlNode& to, const Reporter& reporter) {
  const Fields fields(to, "to", reporter, {"mpls"});
  constexpr std::int64_t kFirstFree = 16;
  const YamlNode* label = fields.Require("mpls");
  return label == nullptr ? std::nullopt
                          : ReadNumber<std::uint32_t>(*label, "mpls", reporter, kFirstFree, kHighestLabel);
}

/// What has no meaning where a label is looked up.
void CheckLabelRoute(const Fields& fields, const Reporter& reporter) {
  for (const char* key : {"metric", "table", "from", "scope", "type", "mtu", "onlink", "encap"}) {
    if (const YamlNode* value = fields.Find(key)) {
      reporter.Wrong(value->at, fmt::format("a route for a label has no {}", Quote(key)));
    }
  }
}

std::optional<Encap> DecodeEncap(const YamlNode& map, const Reporter& reporter) {
  const Fields fields(map, "encap", reporter, {"mpls", "seg6", "seg6local"});
  if (!fields.is_map()) return std::nullopt;
  const YamlNode* mpls = fields.Find("mpls");
  const YamlNode* seg6 = fields.Find("seg6");
  const YamlNode* local = fields.Find("seg6local");
  const int given = (mpls != nullptr ? 1 : 0) + (seg6 != nullptr ? 1 : 0) + (local != nullptr ? 1 : 0);
  if (given != 1) {
    if (!fields.has_unknown()) reporter.Wrong(map.at, "\"encap\" must be one of mpls, seg6, seg6local");
    return std::nullopt;
  }
  if (mpls != nullptr) {
    MplsEncap encap;
    encap.labels = ReadLabels(*mpls, "mpls", reporter);
    return encap;
  }
  if (seg6 != nullptr) {
    const Fields inner(*seg6, "seg6", reporter, {"mode", "segs"});
    Seg6Encap encap;
    encap.inline_mode = inner.Word("mode", {"encap", "inline"}).value_or(0) == 1;
    if (const YamlNode* segs = inner.Require("segs")) {
      encap.segments = ReadEach<IpAddress>(*segs, "segs", reporter,
                                           [](const YamlNode& node, std::string_view key, const Reporter& told) {
                                             auto address = ReadAddress(node, key, told);
                                             if (!address || address->is_ipv6()) return address;
                                             told.WrongValue(node, key, "an IPv6 address");
                                             return std::optional<IpAddress>();
                                           });
    }
    return encap;
  }
  const Fields inner(*local, "seg6local", reporter, kSeg6Keys);
  Seg6LocalEncap encap;
  if (const YamlNode* action = inner.Require("action")) {
    if (const auto word = ReadWord(*action, "action", kSeg6Actions, reporter)) encap.action = kSeg6Actions[*word];
  }
  for (const std::string& key : kSeg6Keys) {
    const YamlNode* value = inner.Find(key);
    if (value == nullptr || key == "action") continue;
    if (key == "nh4" || key == "nh6") {
      if (const auto address = ReadAddress(*value, key, reporter)) {
        if (address->is_ipv6() == (key == "nh6")) {
          encap.parameters[key] = address->text();
        } else {
          reporter.WrongValue(*value, key, key == "nh6" ? "an IPv6 address" : "an IPv4 address");
        }
      }
    } else if (key == "table" || key == "vrftable") {
      if (const auto table = ReadTable(*value, key, reporter)) encap.parameters[key] = std::to_string(*table);
    } else if (key == "segs") {
      std::vector<std::string> segments;
      for (const IpAddress& segment : ReadEach<IpAddress>(*value, key, reporter, ReadAddress)) {
        segments.push_back(segment.text());
      }
      encap.parameters["srh segs"] = Join(segments, ",");
    } else if (const auto text = ReadScalar(*value, key, reporter)) {
      encap.parameters[key] = *text;
    }
  }
  return encap;
}

/// The device of a route; it may be a name only.
std::string ReadDevice(const Fields& fields, const Reporter& reporter) {
  auto dev = fields.Name("dev");
  if (!dev || !CheckInterfaceName(*dev, fields.Find("dev")->at, reporter)) return {};
  return std::move(*dev);
}

bool DecodeNextHops(const YamlNode& list, Route& route, std::optional<Family> family, bool is_default,
                    const Reporter& reporter, const TakeReference& take) {
  bool good = true;
  const bool is_list = ReadList(list, "nexthops", reporter, [&](const YamlNode& item) {
    const Fields fields(item, "nexthops", reporter, {"via", "dev", "weight", "as"});
    NextHop hop;
    hop.at = item.at;
    const std::size_t index = route.nexthops.size();
    if (const YamlNode* via = fields.Find("via")) {
      good = take(*via, "via", family, hop.via,
                  [index, is_default](Route& found, const IpAddress& address) {
                    found.nexthops[index].via = address;
                    if (is_default) found.to = WholeFamily(address.family());
                  }) &&
             good;
      if (is_default && hop.via) route.to = WholeFamily(hop.via->family());
    }
    hop.dev = ReadDevice(fields, reporter);
    if (fields.is_map() && fields.Find("via") == nullptr && fields.Find("dev") == nullptr) {
      if (!fields.has_unknown()) reporter.Wrong(item.at, "a next hop needs \"via\" or \"dev\"");
      good = false;
    }
    hop.weight = fields.Number<int>("weight", 1, 256).value_or(1);
    if (route.label && hop.weight != 1) {
      reporter.Wrong(fields.Find("weight")->at, "next hops of a label have no \"weight\": the kernel shares evenly");
    }
    if (const YamlNode* as = fields.Find("as")) {
      hop.as = ReadLabels(*as, "as", reporter);
      if (!route.label) reporter.Wrong(as->at, "\"as\" goes with a label only: `to: {mpls: LABEL}`");
    }
    route.nexthops.push_back(std::move(hop));
  });
  if (is_list && route.nexthops.empty()) {
    reporter.Wrong(list.at, "\"nexthops\" is empty");
    return false;
  }
  return good && is_list;
}

}  // namespace

std::optional<std::uint32_t> ReadTable(const YamlNode& node, std::string_view key, const Reporter& reporter) {
  if (node.is_scalar() && !node.refused) {
    // The kernel's own tables (rtnetlink.h), by iproute2's names.
    if (node.text == "default") return 253;
    if (node.text == "main") return 254;
    if (node.text == "local") return 255;
  }
  if (node.is_scalar() && TypeOf(node) == ScalarType::kInteger)
    return ReadNumber<std::uint32_t>(node, key, reporter, 1);
  reporter.WrongValue(node, key, "a number from 1, main, local or default");
  return std::nullopt;
}

std::optional<Route> DecodeRoute(const YamlNode& map, const Reporter& reporter, const TakeReference& take) {
  const std::size_t before = reporter.diagnostics().error_count();
  const Fields fields(map, "routes", reporter, kRouteKeys);
  if (!fields.is_map()) {
    if (map.is_null()) reporter.WrongValue(map, "routes", "a list of maps");
    return std::nullopt;
  }
  Route route;
  route.at = map.at;
  const YamlNode* to = fields.Require("to");
  const YamlNode* via = fields.Find("via");
  const YamlNode* nexthops = fields.Find("nexthops");
  const bool is_default = to != nullptr && to->is_scalar() && to->text == "default";
  std::optional<Family> family;
  if (const YamlNode* from = fields.Find("from")) {
    take(*from, "from", {}, route.from, [](Route& found, const IpAddress& address) { found.from = address; });
    if (route.from) family = route.from->family();
  }
  const bool is_label = to != nullptr && to->is_map();
  if (is_label) {
    route.label = DecodeLabel(*to, reporter);
    CheckLabelRoute(fields, reporter);
  } else if (to != nullptr && !is_default) {
    if (const auto prefix = ReadPrefix(*to, "to", reporter, HostBits::kRefused, BareAddress::kAllowed)) {
      route.to = *prefix;
      family = prefix->family();
    }
  }
  if (is_default && via == nullptr && nexthops == nullptr && !fields.has_unknown()) {
    reporter.Wrong(to->at, "\"to: default\" needs \"via\"; without a gateway write 0.0.0.0/0 or ::/0");
  }
  if (via != nullptr && nexthops != nullptr) {
    reporter.Wrong(nexthops->at, "\"via\" and \"nexthops\" exclude each other",
                   {{.at = via->at, .text = "\"via\" is here"}});
  } else if (nexthops != nullptr) {
    DecodeNextHops(*nexthops, route, family, is_default, reporter, take);
    if (const YamlNode* dev = fields.Find("dev")) {
      reporter.Wrong(dev->at, "\"dev\" and \"nexthops\" exclude each other: write \"dev\" in each next hop");
    }
  } else if (via != nullptr) {
    take(*via, "via", family, route.via, [is_default](Route& found, const IpAddress& address) {
      found.via = address;
      if (is_default) found.to = WholeFamily(address.family());
    });
    if (is_default && route.via) route.to = WholeFamily(route.via->family());
  }
  if (nexthops == nullptr) route.dev = ReadDevice(fields, reporter);
  route.metric = fields.Number<std::uint32_t>("metric");
  route.table = fields.Get<std::uint32_t>("table", ReadTable);
  if (const auto scope = fields.Word("scope", kScopeWords)) route.scope = static_cast<Scope>(*scope);
  if (const auto type = fields.Word("type", kRouteTypeWords)) route.type = static_cast<RouteType>(*type);
  route.mtu = fields.Number<std::uint32_t>("mtu", 68, 65535);
  route.onlink = fields.Bool("onlink").value_or(false);
  if (const YamlNode* encap = fields.Find("encap")) route.encap = DecodeEncap(*encap, reporter);
  if (const YamlNode* as = fields.Find("as")) {
    route.as = ReadLabels(*as, "as", reporter);
    if (!is_label) reporter.Wrong(as->at, "\"as\" goes with a label only: `to: {mpls: LABEL}`");
    if (nexthops != nullptr) {
      reporter.Wrong(as->at, "\"as\" and \"nexthops\" exclude each other: write \"as\" in each next hop");
    }
  }
  const bool leads_nowhere = route.type != RouteType::kUnicast && route.type != RouteType::kLocal;
  if (to != nullptr && !is_default && via == nullptr && nexthops == nullptr && fields.Find("dev") == nullptr &&
      !leads_nowhere && !fields.has_unknown() && reporter.diagnostics().error_count() == before) {
    reporter.Wrong(map.at, "a route needs \"via\", \"dev\" or \"nexthops\", or a \"type\" that leads nowhere");
  }
  if (reporter.diagnostics().error_count() != before) return std::nullopt;
  return route;
}

void NodeDecoder::DecodeRoutes(const YamlNode& list) {
  ReadList(list, "routes", reporter_, [&](const YamlNode& item) {
    const std::size_t route_index = node_.routes.size();
    const std::size_t pending = draft_.references.size();
    const TakeReference take = [&](const YamlNode& value, std::string_view key, std::optional<Family> family,
                                   std::optional<IpAddress>& slot,
                                   const std::function<void(Route&, const IpAddress&)>& set) {
      return TakeAddress(
          value, key, family, reporter_, slot,
          [route_index, set](Node& node, const IpAddress& address) { set(node.routes[route_index], address); },
          AddressReference::Owner::kRoute, route_index);
    };
    auto route = DecodeRoute(item, reporter_, take);
    if (route) {
      node_.routes.push_back(std::move(*route));
    } else {
      // Its references would be set into the next route.
      for (std::size_t i = pending; i < draft_.references.size(); ++i) {
        draft_.references[i].set = [](Topology&, const IpAddress&) {};
        draft_.references[i].owner = AddressReference::Owner::kNone;
      }
    }
  });
}

void NodeDecoder::DecodeRules(const YamlNode& list) {
  // Above the kernel's rule for `local` (0), below those for `main` and `default`.
  std::uint32_t next_priority = 1000;
  ReadList(list, "rules", reporter_, [&](const YamlNode& item) { DecodeRule(item, next_priority); });
}

void NodeDecoder::DecodeRule(const YamlNode& map, std::uint32_t& next_priority) {
  const std::size_t before = reporter_.diagnostics().error_count();
  const Fields fields(map, "rules", reporter_,
                      {"from", "to", "iif", "oif", "fwmark", "table", "priority", "action", "family"});
  if (!fields.is_map()) {
    if (map.is_null()) reporter_.WrongValue(map, "rules", "a list of maps");
    return;
  }
  Rule rule;
  rule.at = map.at;
  if (fields.Find("priority") == nullptr) {
    rule.priority = next_priority++;
  } else {
    rule.priority = fields.Number<std::uint32_t>("priority").value_or(0);
  }
  const auto prefix = [&](std::string_view key) {
    return fields.Get<IpPrefix>(key, [](const YamlNode& node, std::string_view name, const Reporter& told) {
      return ReadPrefix(node, name, told, HostBits::kRefused, BareAddress::kAllowed);
    });
  };
  rule.from = prefix("from");
  rule.to = prefix("to");
  rule.iif = fields.Name("iif").value_or("");
  rule.oif = fields.Name("oif").value_or("");
  rule.table = fields.Get<std::uint32_t>("table", ReadTable);
  if (const YamlNode* mark = fields.Find("fwmark")) {
    const auto text = ReadScalar(*mark, "fwmark", reporter_);
    const std::size_t slash = text ? text->find('/') : std::string::npos;
    const auto number = [&](std::string part) -> std::optional<std::uint32_t> {
      YamlNode scalar = *mark;
      scalar.text = std::move(part);
      scalar.style = YamlNode::Style::kPlain;
      return ReadNumber<std::uint32_t>(scalar, "fwmark", reporter_);
    };
    if (text) rule.fwmark = number(text->substr(0, slash));
    if (slash != std::string::npos) rule.fwmask = number(text->substr(slash + 1));
  }
  if (const auto action = fields.Word("action", kRuleActionWords)) {
    rule.action = static_cast<RuleAction>(*action);
  }
  const YamlNode* table = fields.Find("table");
  if (rule.action == RuleAction::kLookup && table == nullptr && !fields.has_unknown() &&
      reporter_.diagnostics().error_count() == before) {
    reporter_.Wrong(map.at, "a rule needs a \"table\", or an \"action\" other than lookup");
  }
  if (rule.action != RuleAction::kLookup && table != nullptr) {
    reporter_.Wrong(table->at, "\"table\" goes with the action lookup only");
  }
  if (rule.from && rule.to && rule.from->family() != rule.to->family()) {
    reporter_.Wrong(fields.Find("to")->at, "\"from\" and \"to\" are of different families");
  }
  std::optional<Family> family;
  if (rule.from) family = rule.from->family();
  if (rule.to) family = rule.to->family();
  if (const auto word = fields.Word("family", {"ipv4", "ipv6"})) {
    const Family wanted = *word == 0 ? Family::kIpv4 : Family::kIpv6;
    if (family && *family != wanted) {
      reporter_.Wrong(fields.Find("family")->at, "\"family\" is not that of the rule's addresses");
    }
    family = wanted;
  }
  if (reporter_.diagnostics().error_count() != before) return;
  for (const Family one : {Family::kIpv4, Family::kIpv6}) {
    if (family && *family != one) continue;
    rule.family = one;
    node_.rules.push_back(rule);
  }
}

void NodeDecoder::DecodeNeighbour(const YamlNode& map) {
  const std::size_t before = reporter_.diagnostics().error_count();
  const Fields fields(map, "neighbours", reporter_, {"to", "mac", "proxy", "dev"});
  if (!fields.is_map()) {
    if (map.is_null()) reporter_.WrongValue(map, "neighbours", "a list of maps");
    return;
  }
  Neighbour neighbour;
  neighbour.at = map.at;
  const YamlNode* to = fields.Require("to");
  const YamlNode* dev = fields.Require("dev");
  neighbour.proxy = fields.Bool("proxy").value_or(false);
  neighbour.mac = fields.Get<MacAddress>("mac", ReadMac);
  if (neighbour.proxy && fields.Find("mac") != nullptr) {
    reporter_.Wrong(fields.Find("mac")->at, "a proxy has no \"mac\": the interface's own is told");
  } else if (!neighbour.proxy && fields.Find("mac") == nullptr && fields.Find("proxy") == nullptr &&
             !fields.has_unknown()) {
    reporter_.Wrong(map.at, "a neighbour needs \"mac\", or \"proxy: true\"");
  }
  if (dev != nullptr) neighbour.dev = ReadName(*dev, "dev", reporter_).value_or("");
  const std::size_t index = node_.neighbours.size();
  std::optional<IpAddress> address;
  if (to == nullptr || !TakeAddress(*to, "to", {}, reporter_, address, [index](Node& node, const IpAddress& found) {
        if (index < node.neighbours.size()) node.neighbours[index].to = found;
      })) {
    return;
  }
  if (address) neighbour.to = *address;
  if (reporter_.diagnostics().error_count() == before) node_.neighbours.push_back(std::move(neighbour));
}

}  // namespace runner
