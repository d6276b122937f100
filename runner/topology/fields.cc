#include "topology/fields.h"

#include <algorithm>

#include "base/text.h"

namespace runner {

bool IsExtension(std::string_view key) { return key.starts_with("x-"); }

Fields::Fields(const YamlNode& map, std::string_view what, Reporter reporter, std::vector<std::string> keys)
    : map_(map), reporter_(std::move(reporter)) {
  if (!map.is_map()) {
    if (!map.is_null()) reporter_.WrongValue(map, what, "a map");
    return;
  }
  for (const YamlEntry& entry : map.entries) {
    const std::string& key = entry.key->text;
    if (entry.key->refused || IsExtension(key) || std::ranges::find(keys, key) != keys.end()) continue;
    reporter_.Wrong(entry.key->at, "unknown key " + Quote(key) + DidYouMean(key, keys));
    has_unknown_ = true;
  }
}

const YamlNode* Fields::Find(std::string_view key) const {
  const YamlNode* node = map_.Find(key);
  return node == nullptr || (node->is_null() && !node->refused) ? nullptr : node;
}

const YamlNode* Fields::Require(std::string_view key) const {
  const YamlNode* node = Find(key);
  if (node == nullptr && (map_.is_map() || map_.is_null()) && !has_unknown_) {
    reporter_.Wrong(map_.at, Quote(key) + " is missing");
  }
  return node;
}

}  // namespace runner
