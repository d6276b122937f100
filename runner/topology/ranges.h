// `h[1-100]`, `h[01,05-09]`: entries that stand for many. `{n}` in such an entry is the current value.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "topology/yaml.h"

namespace runner {

/// A text with a range, expanded in the order written.
struct RangeText {
  struct Item {
    std::string text;
    std::int64_t n = 0;
  };
  std::vector<Item> items;
};

/// The items of `text`; nothing when it holds no `[`.
Result<std::optional<RangeText>> ParseRange(std::string_view text);

/// One entry of a map of names, after expansion.
struct NamedEntry {
  std::string name;
  Position at;
  const YamlNode* value = nullptr;
};

/// One cable of `links`, after expansion. Cables of one entry share `pool`, the entry's number.
struct LinkEntry {
  const YamlNode* value = nullptr;
  std::size_t entry = 0;
  std::size_t index = 0;  // among the cables of the entry
};

/// `what` is "node" or "bridge", for messages.
std::vector<NamedEntry> ExpandNames(const YamlNode& map, std::string_view what, YamlTree& tree,
                                    Diagnostics& diagnostics);
/// Entries that make no cable, because their ranges do not fit, go to `refused`.
std::vector<LinkEntry> ExpandLinks(const YamlNode& sequence, YamlTree& tree, Diagnostics& diagnostics,
                                   std::vector<const YamlNode*>& refused);

}  // namespace runner
