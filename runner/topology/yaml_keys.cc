// The keys of every map: merge keys (`<<`) put in their place, duplicates refused.
#include <unordered_map>
#include <unordered_set>

#include "base/text.h"
#include "topology/yaml.h"

namespace runner {
namespace {

class KeyResolver {
 public:
  explicit KeyResolver(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  void Resolve(YamlNode& map) {
    // Aliases refer backwards only, so this cannot run in a circle; the tree's limits bound the depth.
    if (!map.is_map() || IsPlain(map) || !done_.insert(&map).second) return;
    std::vector<YamlEntry> merged;
    std::vector<YamlEntry> own;
    for (const YamlEntry& entry : map.entries) {
      if (entry.key->refused) continue;
      if (entry.key->text == "<<" && entry.key->style == YamlNode::Style::kPlain) {
        AddMerged(*entry.value, merged);
      } else {
        own.push_back(entry);
      }
    }
    std::unordered_map<std::string_view, const YamlEntry*> seen;
    std::vector<YamlEntry> kept;
    seen.reserve(own.size());
    kept.reserve(own.size() + merged.size());
    for (const YamlEntry& entry : own) {
      const auto [first, is_new] = seen.emplace(entry.key->text, &entry);
      if (is_new) {
        kept.push_back(entry);
      } else {
        diagnostics_.Wrong(entry.key->at, "", "key " + Quote(entry.key->text) + " is given twice",
                           {{.at = first->second->key->at, .text = "first here"}});
      }
    }
    for (const YamlEntry& entry : merged) {
      if (seen.emplace(entry.key->text, &entry).second) kept.push_back(entry);
    }
    map.entries = std::move(kept);
  }

 private:
  /// Most maps are small and have nothing to resolve; for them a look at each pair is the fastest way.
  static bool IsPlain(const YamlNode& map) {
    constexpr std::size_t kSmall = 8;
    if (map.entries.size() > kSmall) return false;
    for (std::size_t i = 0; i < map.entries.size(); ++i) {
      const YamlNode& key = *map.entries[i].key;
      if (key.refused || key.text == "<<") return false;
      for (std::size_t j = 0; j < i; ++j) {
        if (map.entries[j].key->text == key.text) return false;
      }
    }
    return true;
  }

  /// Of several maps with the same key the first one counts, as the merge key's specification says.
  void AddMerged(const YamlNode& value, std::vector<YamlEntry>& merged) {
    if (value.is_map()) {
      Resolve(const_cast<YamlNode&>(value));  // NOLINT: the tree owns its nodes and is ours to change
      merged.insert(merged.end(), value.entries.begin(), value.entries.end());
    } else if (value.is_sequence()) {
      for (const YamlNode* item : value.items) {
        if (item->is_map()) {
          AddMerged(*item, merged);
        } else {
          diagnostics_.Wrong(item->at, "", "\"<<\" takes a map or a list of maps");
        }
      }
    } else if (!value.is_null()) {
      diagnostics_.Wrong(value.at, "", "\"<<\" takes a map or a list of maps");
    }
  }

  Diagnostics& diagnostics_;
  std::unordered_set<const YamlNode*> done_;
};

}  // namespace

void ResolveKeys(YamlTree& tree, Diagnostics& diagnostics) {
  KeyResolver resolver(diagnostics);
  for (YamlNode& node : tree.nodes()) resolver.Resolve(node);
}

}  // namespace runner
