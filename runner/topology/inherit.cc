#include "topology/inherit.h"

#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace runner {
namespace {

/// Where in a node's fields a map stands: that decides what replaces as a whole.
enum class Level { kNode, kInterfaces, kProcesses, kProcess, kOther };

Level Below(Level level, std::string_view key) {
  if (level == Level::kNode && key == "interfaces") return Level::kInterfaces;
  if (level == Level::kNode && key == "processes") return Level::kProcesses;
  if (level == Level::kProcesses) return Level::kProcess;
  return Level::kOther;
}

bool HasOtherType(const YamlNode& own, const YamlNode& inherited) {
  const YamlNode* own_type = own.Find("type");
  const YamlNode* inherited_type = inherited.Find("type");
  return own_type != nullptr && inherited_type != nullptr && own_type->text != inherited_type->text;
}

bool ReplacesWhole(Level level, std::string_view key, const YamlNode& own, const YamlNode& inherited) {
  if (!own.is_map() || !inherited.is_map()) return true;
  if (level == Level::kNode && (key == "uplink" || key == "attach")) return true;
  if (level == Level::kProcess && key == "healthcheck") return true;
  return level == Level::kInterfaces && HasOtherType(own, inherited);
}

const YamlNode* Merge(const YamlNode& own, const YamlNode& inherited, Level level, YamlTree& tree) {
  YamlNode* merged = tree.New(own);
  merged->entries.clear();
  merged->entries.reserve(own.entries.size() + inherited.entries.size());
  std::unordered_map<std::string_view, const YamlEntry*> own_entries;
  for (const YamlEntry& entry : own.entries) own_entries.emplace(entry.key->text, &entry);
  std::unordered_set<std::string_view> taken;
  // The inherited order first: `defaults: {interfaces: {a, b}}` keeps its order in every node.
  for (const YamlEntry& entry : inherited.entries) {
    const std::string_view key = entry.key->text;
    taken.insert(key);
    const auto found = own_entries.find(key);
    if (found == own_entries.end()) {
      merged->entries.push_back({.key = entry.key, .value = entry.value, .inherited = true});
      continue;
    }
    const YamlEntry& mine = *found->second;
    if (mine.value->is_null() && !mine.value->refused) {
      if (entry.value->is_null()) merged->entries.push_back(mine);
      continue;
    }
    if (ReplacesWhole(level, key, *mine.value, *entry.value)) {
      merged->entries.push_back(mine);
    } else {
      merged->entries.push_back({.key = mine.key, .value = Merge(*mine.value, *entry.value, Below(level, key), tree)});
    }
  }
  for (const YamlEntry& entry : own.entries) {
    if (!taken.contains(entry.key->text)) merged->entries.push_back(entry);
  }
  return merged;
}

}  // namespace

const YamlNode* Inherit(const YamlNode& own, const YamlNode& inherited, YamlTree& tree) {
  if (!inherited.is_map() || inherited.entries.empty()) return &own;
  if (own.is_null()) {
    // A node without settings has all that is inherited, at its own place.
    YamlNode* merged = tree.New(inherited);
    merged->at = own.at;
    for (YamlEntry& entry : merged->entries) entry.inherited = true;
    return merged;
  }
  if (!own.is_map()) return &own;
  return Merge(own, inherited, Level::kNode, tree);
}

}  // namespace runner
