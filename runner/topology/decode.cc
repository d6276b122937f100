#include "topology/decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/text.h"
#include "topology/inherit.h"

namespace runner {
namespace {

constexpr std::string_view kNameBytes = "abcdefghijklmnopqrstuvwxyz0123456789_-";
constexpr std::string_view kUpper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

bool IsLabName(std::string_view name) {
  if (name.empty() || name.size() > 31 || name[0] == '_' || name[0] == '-') return false;
  return name.find_first_not_of(kNameBytes) == std::string_view::npos;
}

/// The file's stem in lower case with other bytes made `-`.
std::string NameOfFile(const std::string& file) {
  if (file == "-") return "stdin";
  std::string name = std::filesystem::path(file).stem().string();
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (kNameBytes.find(c) == std::string_view::npos) c = '-';
  }
  name.erase(0, name.find_first_not_of("-_"));
  return name.empty() ? "lab" : name.substr(0, 31);
}

/// Letters, digits, `_` and `-`; no dot, which parts lab and name in a namespace's name.
bool CheckName(std::string_view name, std::size_t longest, Position at, const Reporter& reporter) {
  if (name == "host" || name == "localhost") {
    reporter.Wrong(at, fmt::format("the name {} is reserved", Quote(name)));
    return false;
  }
  if (name.size() > longest) {
    reporter.Wrong(at, fmt::format("the name has {} bytes, {} are allowed", name.size(), longest));
    return false;
  }
  const std::string allowed = std::string(kNameBytes) + std::string(kUpper);
  if (name.empty() || name[0] == '_' || name[0] == '-' || name.find_first_not_of(allowed) != std::string_view::npos) {
    reporter.Wrong(at, "a name has letters, digits, `_` and `-`, and begins with a letter or digit");
    return false;
  }
  return true;
}

class Decoder {
 public:
  Decoder(const LoadOptions& options, YamlTree& tree, Diagnostics& diagnostics)
      : options_(options), tree_(tree), diagnostics_(diagnostics), reporter_(diagnostics, "") {}

  Draft Decode(const YamlNode& root) {
    if (!root.is_map()) {
      diagnostics_.Wrong(root.at, "", "the file must be a map, not " + Describe(root));
      draft_.nodes_unknown = draft_.bridges_unknown = draft_.links_unknown = true;
    }
    static const YamlNode kEmptyMap = [] {
      YamlNode map;
      map.kind = YamlNode::Kind::kMap;
      return map;
    }();
    const Fields fields(root.is_map() ? root : kEmptyMap, "file", reporter_,
                        {"name", "nodes", "bridges", "links", "defaults", "groups", "tests"});
    unknown_section_ = fields.has_unknown();
    draft_.topology.file = options_.file;
    DecodeName(fields);
    DecodeGroups(fields);
    DecodeNodes(fields);
    DecodeBridges(fields);
    DecodeLinks(fields);
    if (const YamlNode* tests = fields.Find("tests")) DecodeTests(*tests, draft_, diagnostics_);
    return std::move(draft_);
  }

 private:
  void DecodeName(const Fields& fields) {
    draft_.topology.name = NameOfFile(options_.file);
    if (const YamlNode* name = fields.Find("name")) {
      const auto text = ReadText(*name, "name", reporter_);
      if (text && IsLabName(*text)) {
        draft_.topology.name = *text;
      } else if (text) {
        reporter_.WrongValue(*name, "name", "of the form [a-z0-9][a-z0-9_-]{0,30}");
      }
    }
    if (!options_.name) return;
    if (IsLabName(*options_.name)) {
      draft_.topology.name = *options_.name;
    } else {
      diagnostics_.Wrong({}, "--name", Quote(*options_.name) + " is not of the form [a-z0-9][a-z0-9_-]{0,30}");
    }
  }

  /// Told once here, at its own place, whether a node inherits it or not.
  void CheckFragment(const YamlNode& map, const std::string& where) {
    Node node;
    NodeNotes notes;
    NodeDecoder(NodeDecoder::Kind::kFragment, node, notes, 0, draft_, Reporter(diagnostics_, where)).Decode(map);
  }

  void DecodeGroups(const Fields& fields) {
    if (const YamlNode* defaults = fields.Find("defaults")) {
      CheckFragment(*defaults, "defaults");
      if (defaults->is_map()) defaults_ = defaults;
    }
    const YamlNode* groups = fields.Find("groups");
    groups_unknown_ = groups == nullptr && unknown_section_;
    if (groups == nullptr) return;
    if (!groups->is_map()) {
      reporter_.WrongValue(*groups, "groups", "a map of groups by name");
      groups_unknown_ = true;
      return;
    }
    for (const YamlEntry& entry : groups->entries) {
      const YamlNode* group = entry.value;
      if (defaults_ != nullptr && (group->is_map() || group->is_null())) {
        group = Inherit(*group, *defaults_, tree_);
      }
      // With the defaults: what it takes away of them, or only adds to, is whole only so.
      CheckFragment(*group, "group " + Quote(entry.key->text));
      groups_.emplace(entry.key->text, group);
    }
  }

  /// The entry with what its group and `defaults` give.
  const YamlNode* WithInherited(const NamedEntry& entry, NodeNotes& notes, const Reporter& reporter) {
    const YamlNode* group_name = entry.value->is_map() ? entry.value->Find("group") : nullptr;
    if (group_name == nullptr && defaults_ != nullptr) group_name = defaults_->Find("group");
    const YamlNode* inherited = defaults_;
    if (group_name != nullptr && group_name->is_scalar() && !group_name->refused) {
      const auto found = groups_.find(group_name->text);
      inherited = found != groups_.end() ? found->second : UnknownGroup(*group_name, notes, reporter);
    }
    return inherited == nullptr ? entry.value : Inherit(*entry.value, *inherited, tree_);
  }

  /// Goes on with the group that is most likely meant, so that what it gives is not missed.
  const YamlNode* UnknownGroup(const YamlNode& group, NodeNotes& notes, const Reporter& reporter) {
    std::vector<std::string> names;
    for (const auto& [name, map] : groups_) names.push_back(name);
    std::ranges::sort(names);
    if (!groups_unknown_) {
      reporter.Wrong(group.at,
                     fmt::format("group {} is not declared{}", Quote(group.text), DidYouMean(group.text, names)));
    }
    if (const auto near = NearName(group.text, names)) return groups_.at(*near);
    notes.names_damaged = notes.l3_damaged = true;
    return defaults_;
  }

  void DecodeNodes(const Fields& fields) {
    const YamlNode* map = fields.Find("nodes");
    if (map == nullptr || !map->is_map()) {
      draft_.nodes_unknown = draft_.nodes_unknown || map != nullptr || unknown_section_;
      if (map != nullptr) reporter_.WrongValue(*map, "nodes", "a map of nodes by name");
      return;
    }
    const std::size_t before = diagnostics_.error_count();
    const std::vector<NamedEntry> entries = ExpandNames(*map, "node", tree_, diagnostics_);
    // A refused range may have made any name.
    if (diagnostics_.error_count() != before) draft_.nodes_unknown = true;
    draft_.topology.nodes.reserve(entries.size());
    draft_.nodes.reserve(entries.size());
    for (const NamedEntry& entry : entries) {
      const Reporter reporter(diagnostics_, "node " + Quote(entry.name));
      CheckName(entry.name, 63, entry.at, reporter);
      Node node;
      NodeNotes notes;
      node.name = entry.name;
      node.at = entry.at;
      const YamlNode* value = WithInherited(entry, notes, reporter);
      NodeDecoder(NodeDecoder::Kind::kNode, node, notes, draft_.topology.nodes.size(), draft_, reporter).Decode(*value);
      draft_.topology.nodes.push_back(std::move(node));
      draft_.nodes.push_back(std::move(notes));
    }
  }

  void DecodeBridges(const Fields& fields) {
    const YamlNode* map = fields.Find("bridges");
    if (map == nullptr || !map->is_map()) {
      draft_.bridges_unknown = draft_.bridges_unknown || map != nullptr || unknown_section_;
      if (map != nullptr) reporter_.WrongValue(*map, "bridges", "a map of bridges by name");
      return;
    }
    const std::size_t before = diagnostics_.error_count();
    const std::vector<NamedEntry> entries = ExpandNames(*map, "bridge", tree_, diagnostics_);
    if (diagnostics_.error_count() != before) draft_.bridges_unknown = true;
    for (const NamedEntry& entry : entries) DecodeBridge(entry);
  }

  void DecodeBridge(const NamedEntry& entry) {
    const Reporter reporter(diagnostics_, "bridge " + Quote(entry.name));
    Bridge bridge;
    BridgeDraft draft;
    bridge.name = entry.name;
    bridge.at = entry.at;
    bridge.interface.name = entry.name;
    bridge.interface.at = entry.at;
    bridge.place = {.kind = Place::Kind::kSwitch, .name = entry.name};
    // The name is the device's too.
    if (CheckName(entry.name, 15, entry.at, reporter)) CheckInterfaceName(entry.name, entry.at, reporter);
    const Fields fields(
        *entry.value, "", reporter,
        {"node", "addresses", "prefix", "mtu", "mac", "stp", "priority", "ageing", "vlan_filtering", "members"});
    if (!fields.is_map() && !entry.value->is_null()) draft.refused = true;
    const YamlNode* node = fields.Find("node");
    if (node != nullptr) {
      draft.node = fields.WithPlace("node", fields.Name("node"));
      if (!draft.node) draft.refused = true;
    } else if (fields.has_unknown()) {
      draft.refused = true;
    }
    const std::size_t before = diagnostics_.error_count();
    if (const YamlNode* addresses = fields.Find("addresses")) {
      bridge.interface.addresses = DecodeAddresses(*addresses, reporter);
    }
    if (const YamlNode* prefix = fields.Find("prefix")) {
      draft.prefixes = DecodePrefixes(*prefix, Pools::kRefused, reporter);
      for (const PrefixDraft& one : draft.prefixes) bridge.prefixes.push_back({one.prefix, one.at});
    }
    draft.prefix_refused = diagnostics_.error_count() != before || draft.refused;
    bridge.interface.mtu = DecodeMtu(fields);
    bridge.interface.mac = fields.WithPlace("mac", fields.Get<MacAddress>("mac", ReadMac));
    bridge.stp = fields.WithPlace("stp", fields.Bool("stp"));
    bridge.priority = fields.WithPlace("priority", fields.Number<std::uint16_t>("priority"));
    bridge.ageing = fields.WithPlace("ageing", fields.Number<std::uint32_t>("ageing", 0, 1'000'000));
    bridge.vlan_filtering = fields.WithPlace("vlan_filtering", fields.Bool("vlan_filtering"));
    if (const YamlNode* members = fields.Find("members")) {
      ReadList(*members, "members", reporter, [&](const YamlNode& item) {
        if (auto name = ReadName(item, "members", reporter)) bridge.members.push_back({std::move(*name), item.at});
      });
    }
    draft_.topology.bridges.push_back(std::move(bridge));
    draft_.bridges.push_back(std::move(draft));
  }

  void DecodeLinks(const Fields& fields) {
    const YamlNode* list = fields.Find("links");
    if (list == nullptr || !list->is_sequence()) {
      draft_.links_unknown = draft_.links_unknown || list != nullptr || unknown_section_;
      if (list != nullptr) reporter_.WrongValue(*list, "links", "a list");
      return;
    }
    std::vector<const YamlNode*> refused;
    for (const LinkEntry& entry : ExpandLinks(*list, tree_, diagnostics_, refused)) {
      auto link = DecodeLink(entry, draft_.links.size(), draft_, diagnostics_);
      if (link) {
        draft_.links.push_back(std::move(*link));
      } else {
        refused.push_back(entry.value);
      }
    }
    for (const YamlNode* link : refused) NoteRefusedLink(*link);
  }

  /// The nodes that a refused link speaks of may lack an interface; if none can be made out, any node may.
  void NoteRefusedLink(const YamlNode& link) {
    std::set<std::string> names;
    if (!CollectNames(link, names) || names.empty()) draft_.links_unknown = true;
    for (std::size_t i = 0; i < draft_.nodes.size(); ++i) {
      if (names.contains(draft_.topology.nodes[i].name)) draft_.nodes[i].names_damaged = true;
    }
  }

  static bool CollectNames(const YamlNode& node, std::set<std::string>& names) {
    bool clear = !node.refused;
    if (node.is_scalar()) {
      const std::string name = node.text.substr(0, node.text.find(':'));
      auto range = ParseRange(name);
      if (!range.ok()) return false;
      if (!range->has_value()) {
        names.insert(name);
      } else {
        for (const RangeText::Item& item : (*range)->items) names.insert(item.text);
      }
    }
    for (const YamlNode* item : node.items) clear = CollectNames(*item, names) && clear;
    for (const YamlEntry& entry : node.entries) clear = CollectNames(*entry.value, names) && clear;
    return clear;
  }

  const LoadOptions& options_;
  YamlTree& tree_;
  Diagnostics& diagnostics_;
  Reporter reporter_;
  Draft draft_;
  const YamlNode* defaults_ = nullptr;
  std::unordered_map<std::string, const YamlNode*> groups_;  // over `defaults` already
  bool groups_unknown_ = false;
  bool unknown_section_ = false;
};

}  // namespace

Draft Decode(const YamlNode& root, const LoadOptions& options, YamlTree& tree, Diagnostics& diagnostics) {
  return Decoder(options, tree, diagnostics).Decode(root);
}

}  // namespace runner
