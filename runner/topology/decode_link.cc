// Links and their ends.
#include <fmt/format.h>

#include "base/text.h"
#include "topology/decode.h"

namespace runner {
namespace {

/// `NODE:IFNAME`, `BRIDGE`, `BRIDGE:PORTNAME`, `host`, `host:IFNAME`.
std::optional<EndDraft> DecodeEndText(const YamlNode& value, const Reporter& reporter) {
  if (value.refused) return std::nullopt;
  EndDraft end;
  end.at = end.port_at = value.at;
  const std::size_t colon = value.text.find(':');
  end.name = value.text.substr(0, colon);
  if (colon != std::string::npos) end.port = value.text.substr(colon + 1);
  if (end.name.empty() || (colon != std::string::npos && end.port.empty())) {
    reporter.WrongValue(value, "endpoints", "NODE:IFNAME, BRIDGE, BRIDGE:PORTNAME, host or host:IFNAME");
    return std::nullopt;
  }
  if (!end.port.empty() && !CheckInterfaceName(end.port, value.at, reporter)) return std::nullopt;
  return end;
}

std::vector<std::uint16_t> ReadVlanIds(const Fields& fields, std::string_view key) {
  std::vector<std::uint16_t> ids;
  const YamlNode* list = fields.Find(key);
  if (list == nullptr) return ids;
  ReadList(*list, key, fields.reporter(), [&](const YamlNode& item) {
    // `10-20` is a range, as in bridge(8).
    const std::size_t dash = item.is_scalar() ? item.text.find('-') : std::string::npos;
    if (dash == std::string::npos || dash == 0) {
      if (const auto id = ReadNumber<std::uint16_t>(item, key, fields.reporter(), 1, 4094)) ids.push_back(*id);
      return;
    }
    const auto first = ParseInteger(item.text.substr(0, dash));
    const auto last = ParseInteger(item.text.substr(dash + 1));
    if (!first || !last || *first < 1 || *last > 4094 || *last < *first) {
      fields.reporter().WrongValue(item, key, "a VLAN id from 1 to 4094 or a range (10-20)");
      return;
    }
    for (std::int64_t id = *first; id <= *last; ++id) ids.push_back(static_cast<std::uint16_t>(id));
  });
  return ids;
}

std::optional<EndDraft> DecodeEndMap(const YamlNode& value, const Reporter& reporter, std::size_t link_index,
                                     std::size_t end_index, Draft& draft) {
  const bool is_bridge = value.Find("bridge") != nullptr;
  std::vector<std::string> keys = {"addresses", "routes", "mac", "mtu", "impair", "vlans"};
  for (const char* key : {"node", "interface", "bridge", "port"}) keys.emplace_back(key);
  const Fields fields(value, "endpoints", reporter, keys);
  EndDraft end;
  end.at = end.port_at = value.at;
  end.form = is_bridge ? EndDraft::Form::kBridge : EndDraft::Form::kNode;
  for (const char* foreign : {is_bridge ? "node" : "bridge", is_bridge ? "interface" : "port"}) {
    if (const YamlNode* other = fields.Find(foreign)) {
      reporter.Wrong(other->at,
                     fmt::format("{} does not go with {}", Quote(foreign), is_bridge ? "\"bridge\"" : "\"node\""));
      return std::nullopt;
    }
  }
  const char* name_key = is_bridge ? "bridge" : "node";
  const char* port_key = is_bridge ? "port" : "interface";
  const YamlNode* name = fields.Require(name_key);
  if (name == nullptr) return std::nullopt;
  const auto name_text = ReadName(*name, name_key, reporter);
  if (!name_text) return std::nullopt;
  end.name = *name_text;
  end.at = name->at;
  if (const YamlNode* port = fields.Find(port_key)) {
    const auto port_text = ReadName(*port, port_key, reporter);
    if (!port_text || !CheckInterfaceName(*port_text, port->at, reporter)) return std::nullopt;
    end.port = *port_text;
    end.port_at = port->at;
  }
  if (const YamlNode* addresses = fields.Find("addresses")) end.addresses = DecodeAddresses(*addresses, reporter);
  end.mtu = DecodeMtu(fields);
  end.mac = fields.WithPlace("mac", fields.Get<MacAddress>("mac", ReadMac));
  if (const YamlNode* impair = fields.Find("impair")) end.impair = DecodeImpairment(*impair, reporter);
  if (const YamlNode* vlans = fields.Find("vlans")) {
    const Fields inner(*vlans, "vlans", reporter, {"pvid", "tagged", "untagged"});
    PortVlans out;
    out.pvid = inner.Number<std::uint16_t>("pvid", 1, 4094);
    out.tagged = ReadVlanIds(inner, "tagged");
    out.untagged = ReadVlanIds(inner, "untagged");
    out.at = vlans->at;
    end.vlans = std::move(out);
  }
  const YamlNode* routes = fields.Find("routes");
  if (routes == nullptr) return end;
  end.routes_at = routes->at;
  ReadList(*routes, "routes", reporter, [&](const YamlNode& item) {
    const std::size_t route_index = end.routes.size();
    const TakeReference take = [&](const YamlNode& address, std::string_view key, std::optional<Family> family,
                                   std::optional<IpAddress>& slot,
                                   const std::function<void(Route&, const IpAddress&)>& set) {
      if (address.is_scalar() && !address.refused) {
        slot = IpAddress::Parse(address.text);
        if (slot) return true;
        if (const auto parts = SplitReference(address.text)) {
          AddressReference reference;
          reference.at = address.at;
          reference.where = reporter.where();
          reference.node = parts->first;
          reference.interface = parts->second;
          reference.family = family;
          reference.set = [=](Topology& topology, const IpAddress& found) {
            if (link_index >= topology.links.size()) return;
            Link& link = topology.links[link_index];
            LinkEnd& link_end = end_index == 0 ? link.a : link.b;
            if (route_index < link_end.routes.size()) set(link_end.routes[route_index], found);
          };
          draft.references.push_back(std::move(reference));
          return true;
        }
      }
      reporter.WrongValue(address, key, "an address or NODE:IFNAME");
      return false;
    };
    if (auto route = DecodeRoute(item, reporter, take)) end.routes.push_back(std::move(*route));
  });
  return end;
}

/// The ends as they are written, for the link's name in messages.
std::string LinkName(const YamlNode& map) {
  const YamlNode* endpoints = map.is_map() ? map.Find("endpoints") : nullptr;
  if (endpoints == nullptr || !endpoints->is_sequence() || endpoints->items.size() != 2) return "link";
  std::array<std::string, 2> ends;
  for (std::size_t i = 0; i < 2; ++i) {
    const YamlNode& end = *endpoints->items[i];
    if (end.is_scalar()) ends[i] = end.text;
    if (!end.is_map()) continue;
    for (const char* key : {"node", "bridge", "interface", "port"}) {
      const YamlNode* part = end.Find(key);
      if (part != nullptr && part->is_scalar()) ends[i] += (ends[i].empty() ? "" : ":") + part->text;
    }
  }
  if (ends[0].empty() || ends[1].empty()) return "link";
  return "link " + Quote(ends[0] + "--" + ends[1]);
}

void DecodeLinkImpair(const YamlNode& map, LinkDraft& link, const Reporter& reporter) {
  // The values of an impairment are scalars, so a map of maps is one each way.
  const bool each_way = map.is_map() && !map.entries.empty() && map.entries.front().value->is_map();
  if (!each_way) {
    link.impair = DecodeImpairment(map, reporter);
    return;
  }
  for (const YamlEntry& entry : map.entries) {
    const auto names = [&](const EndDraft& end) {
      return entry.key->text == end.name || (!end.port.empty() && entry.key->text == end.name + ":" + end.port);
    };
    if (!names(link.ends[0]) && !names(link.ends[1])) {
      std::vector<std::string> ends;
      for (const EndDraft& end : link.ends) {
        ends.push_back(end.port.empty() ? end.name : end.name + ":" + end.port);
        ends.push_back(end.name);
      }
      reporter.Wrong(entry.key->at, fmt::format("\"impair\": {} is no end of this link{}", Quote(entry.key->text),
                                                DidYouMean(entry.key->text, ends)));
      continue;
    }
    if (auto impair = DecodeImpairment(*entry.value, reporter)) {
      link.end_impairs.push_back({entry.key->text, std::move(*impair)});
    }
  }
}

}  // namespace

std::optional<LinkDraft> DecodeLink(const LinkEntry& entry, std::size_t index, Draft& draft, Diagnostics& diagnostics) {
  const YamlNode& map = *entry.value;
  const Reporter reporter(diagnostics, LinkName(map));
  const Fields fields(map, "links", reporter, {"endpoints", "type", "mtu", "state", "impair", "prefix"});
  if (!fields.is_map()) {
    if (map.is_null()) reporter.WrongValue(map, "links", "a list of maps");
    return std::nullopt;
  }
  LinkDraft link;
  link.at = map.at;
  link.cable = entry.index;
  const YamlNode* endpoints = fields.Require("endpoints");
  if (endpoints == nullptr) return std::nullopt;
  if (!endpoints->is_sequence() || endpoints->items.size() != 2) {
    if (endpoints->is_sequence()) {
      reporter.Wrong(endpoints->at, fmt::format("a link has two endpoints, not {}", endpoints->items.size()));
    } else {
      reporter.WrongValue(*endpoints, "endpoints", "a list of two ends");
    }
    return std::nullopt;
  }
  link.at = endpoints->at;
  bool good = true;
  for (std::size_t i = 0; i < 2; ++i) {
    const YamlNode& value = *endpoints->items[i];
    std::optional<EndDraft> end;
    if (value.is_map() && !value.single_pair) {
      end = DecodeEndMap(value, reporter, index, i, draft);
    } else if (value.is_scalar()) {
      end = DecodeEndText(value, reporter);
    } else {
      reporter.WrongValue(value, "endpoints", "NODE:IFNAME, BRIDGE, BRIDGE:PORTNAME, host or host:IFNAME");
    }
    if (end) {
      link.ends[i] = std::move(*end);
    } else {
      good = false;
    }
  }
  fields.Word("type", {"veth"});
  link.mtu = DecodeMtu(fields);
  link.up = DecodeState(fields);
  if (const YamlNode* impair = fields.Find("impair"); impair != nullptr && good) {
    DecodeLinkImpair(*impair, link, reporter);
  }
  if (const YamlNode* prefix = fields.Find("prefix")) {
    const std::size_t before = diagnostics.error_count();
    link.prefixes = DecodePrefixes(*prefix, Pools::kAllowed, reporter);
    link.prefix_refused = diagnostics.error_count() != before;
  }
  if (!good) return std::nullopt;
  return link;
}

}  // namespace runner
