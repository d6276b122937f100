// The fields of a node that are no section of their own.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "topology/decode.h"

namespace runner {
namespace {

const std::vector<std::string> kNodeKeys = {
    "interfaces", "routes", "rules", "neighbours", "sysctls", "forwarding", "nat",   "nftables", "uplink", "ports",
    "dns",        "hosts",  "exec",  "processes",  "files",   "binds",      "tmpfs", "group",    "attach"};

bool IsNodeName(std::string_view name) {
  if (name.empty() || name.size() > 63 || name[0] == '_' || name[0] == '-') return false;
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
         std::string_view::npos;
}

}  // namespace

std::optional<std::pair<std::string, std::string>> SplitReference(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || text.find(':', colon + 1) != std::string_view::npos) return std::nullopt;
  if (!IsNodeName(text.substr(0, colon)) || colon + 1 == text.size()) return std::nullopt;
  if (text.find_first_of("/% \t") != std::string_view::npos) return std::nullopt;
  return std::pair(std::string(text.substr(0, colon)), std::string(text.substr(colon + 1)));
}

bool NodeDecoder::TakeAddress(const YamlNode& value, std::string_view key, std::optional<Family> family,
                              const Reporter& reporter, std::optional<IpAddress>& slot, SetAddress set,
                              AddressReference::Owner owner, std::size_t item) {
  if (value.is_scalar() && !value.refused) {
    slot = IpAddress::Parse(value.text);
    if (slot) return true;
    if (const auto parts = SplitReference(value.text)) {
      AddressReference reference;
      reference.at = value.at;
      reference.where = reporter.where();
      reference.node = parts->first;
      reference.interface = parts->second;
      reference.family = family;
      if (kind_ == Kind::kNode) {
        reference.set = [index = index_, set = std::move(set)](Topology& topology, const IpAddress& address) {
          set(topology.nodes[index], address);
        };
        reference.owner = owner;
        reference.node_index = index_;
        reference.item_index = item;
      } else {
        reference.set = [](Topology&, const IpAddress&) {};
      }
      draft_.references.push_back(std::move(reference));
      return true;
    }
  }
  reporter.WrongValue(value, key, "an address or NODE:IFNAME");
  return false;
}

void NodeDecoder::Decode(const YamlNode& map) {
  const Fields fields(map, "", reporter_, kNodeKeys);
  if (!fields.is_map() && !map.is_null()) {
    notes_.names_damaged = notes_.l3_damaged = true;
    return;
  }
  // Interfaces and uplinks are maps: another key with a map in it may be one of them, misspelt.
  const auto may_be_section = [](const YamlEntry& entry) {
    return !entry.value->is_scalar() && !entry.value->is_sequence() && !IsExtension(entry.key->text) &&
           std::ranges::find(kNodeKeys, entry.key->text) == kNodeKeys.end();
  };
  if (std::ranges::any_of(map.entries, may_be_section)) {
    notes_.names_damaged = true;
    if (fields.Find("interfaces") == nullptr) notes_.l3_damaged = true;
    if (fields.Find("uplink") == nullptr) notes_.uplink_damaged = true;
  }
  const auto each = [&](std::string_view key, auto decode) {
    const YamlNode* list = fields.Find(key);
    if (list != nullptr) ReadList(*list, key, reporter_, decode);
  };
  if (const YamlNode* attach = fields.Find("attach")) DecodeAttach(*attach);
  if (const YamlNode* interfaces = fields.Find("interfaces")) {
    const auto entry = std::ranges::find(map.entries, interfaces, &YamlEntry::value);
    DecodeInterfaces(*interfaces, entry != map.entries.end() && entry->inherited);
  }
  if (const YamlNode* routes = fields.Find("routes")) DecodeRoutes(*routes);
  if (const YamlNode* rules = fields.Find("rules")) DecodeRules(*rules);
  each("neighbours", [&](const YamlNode& item) { DecodeNeighbour(item); });
  if (const YamlNode* sysctls = fields.Find("sysctls")) DecodeSysctls(*sysctls);
  if (const YamlNode* forwarding = fields.Find("forwarding")) DecodeForwarding(*forwarding);
  each("nat", [&](const YamlNode& item) { DecodeNat(item); });
  node_.nftables = fields.WithPlace("nftables", fields.Text("nftables"));
  if (const YamlNode* uplink = fields.Find("uplink")) DecodeUplink(*uplink);
  each("ports", [&](const YamlNode& item) { DecodePort(item); });
  if (const YamlNode* dns = fields.Find("dns")) DecodeDns(*dns);
  if (const YamlNode* hosts = fields.Find("hosts")) DecodeHosts(*hosts);
  each("exec", [&](const YamlNode& item) {
    if (auto command = ReadCommand(item, "exec", reporter_)) node_.exec.push_back({std::move(*command), item.at});
  });
  if (const YamlNode* processes = fields.Find("processes")) DecodeProcesses(*processes);
  if (const YamlNode* files = fields.Find("files")) DecodeFiles(*files);
  each("binds", [&](const YamlNode& item) { DecodeBind(item); });
  each("tmpfs", [&](const YamlNode& item) {
    if (auto path = ReadPath(item, "tmpfs", reporter_)) node_.tmpfs.push_back({std::move(*path), item.at});
  });
  if (kind_ == Kind::kFragment && fields.Find("group") != nullptr) {
    reporter_.Wrong(fields.Find("group")->at, "a group names no group");
  } else if (auto group = fields.Name("group")) {
    node_.group = std::move(*group);
  }
}

void NodeDecoder::DecodeSysctls(const YamlNode& map) {
  if (!map.is_map()) return reporter_.WrongValue(map, "sysctls", "a map of settings");
  for (const YamlEntry& entry : map.entries) {
    const std::string& key = entry.key->text;
    if (!key.starts_with("net.") || key.ends_with('.') || key.find("..") != std::string::npos) {
      reporter_.Wrong(entry.key->at, fmt::format("sysctl {} does not begin with \"net.\"", Quote(key)));
      continue;
    }
    auto value = ReadScalar(*entry.value, key, reporter_);
    if (!value) continue;
    // The kernel knows numbers only.
    if (TypeOf(*entry.value) == ScalarType::kBool)
      *value = std::string(1, (*value)[0] == 't' || (*value)[0] == 'T' ? '1' : '0');
    node_.sysctls.push_back({key, std::move(*value), entry.key->at});
  }
}

void NodeDecoder::DecodeForwarding(const YamlNode& value) {
  if (value.is_map()) {
    const Fields fields(value, "forwarding", reporter_, {"ipv4", "ipv6"});
    node_.forwarding.ipv4 = fields.WithPlace("ipv4", fields.Bool("ipv4"));
    node_.forwarding.ipv6 = fields.WithPlace("ipv6", fields.Bool("ipv6"));
  } else if (const auto both = ReadBool(value, "forwarding", reporter_)) {
    node_.forwarding = {.ipv4 = At<bool>{*both, value.at}, .ipv6 = At<bool>{*both, value.at}};
  }
}

void NodeDecoder::DecodeDns(const YamlNode& map) {
  const Fields fields(map, "dns", reporter_, {"nameservers", "search"});
  if (!fields.is_map()) return;
  node_.dns = Dns{.nameservers = {}, .search = {}, .at = map.at};
  if (const YamlNode* list = fields.Find("nameservers")) {
    // A reference keeps its place in the list until its address is known.
    ReadList(*list, "nameservers", reporter_, [&](const YamlNode& item) {
      std::optional<IpAddress> address;
      const std::size_t index = node_.dns->nameservers.size();
      const bool taken =
          TakeAddress(item, "nameservers", {}, reporter_, address,
                      [index](Node& node, const IpAddress& found) { node.dns->nameservers[index] = found; });
      if (taken) node_.dns->nameservers.push_back(address.value_or(IpAddress()));
    });
  }
  if (const YamlNode* list = fields.Find("search")) {
    node_.dns->search = ReadEach<std::string>(*list, "search", reporter_, ReadName);
  }
}

void NodeDecoder::DecodeHosts(const YamlNode& value) {
  if (!value.is_map()) {
    if (value.is_scalar() && TypeOf(value) == ScalarType::kBool) {
      node_.hosts = ReadBool(value, "hosts", reporter_).value_or(true);
    } else {
      reporter_.WrongValue(value, "hosts", "true, false or a map of names to addresses");
    }
    return;
  }
  for (const YamlEntry& entry : value.entries) {
    std::optional<IpAddress> address;
    const std::size_t index = node_.extra_hosts.size();
    const bool taken =
        TakeAddress(*entry.value, entry.key->text, {}, reporter_, address,
                    [index](Node& node, const IpAddress& found) { node.extra_hosts[index].second = found; });
    if (taken) node_.extra_hosts.emplace_back(entry.key->text, address.value_or(IpAddress()));
  }
}

void NodeDecoder::DecodeAttach(const YamlNode& map) {
  const Fields fields(map, "attach", reporter_, {"pid", "path", "container"});
  if (!fields.is_map()) return;
  Attach attach{.to = Attach::Pid{}, .at = map.at};
  int given = 0;
  if (const YamlNode* pid = fields.Find("pid")) {
    ++given;
    attach.to = Attach::Pid{ReadNumber<int>(*pid, "pid", reporter_, 1).value_or(0)};
  }
  if (const YamlNode* path = fields.Find("path")) {
    ++given;
    attach.to = Attach::Path{ReadPath(*path, "path", reporter_).value_or("")};
  }
  if (const YamlNode* container = fields.Find("container")) {
    ++given;
    attach.to = Attach::Container{ReadName(*container, "container", reporter_).value_or("")};
  }
  if (given != 1 && !(given == 0 && fields.has_unknown())) {
    reporter_.Wrong(map.at, "\"attach\" has exactly one of pid, path, container");
  }
  node_.attach = std::move(attach);
}

}  // namespace runner
