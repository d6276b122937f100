// YAML text as a tree of our own: every node knows its place, its width and how it was written. Built from yaml-cpp's
// events, because its own tree loses duplicate keys, merge keys, quotes and the places of aliases.
#pragma once
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "topology/diagnostics.h"

namespace runner {

struct YamlNode;

struct YamlEntry {
  const YamlNode* key = nullptr;  // always a scalar
  const YamlNode* value = nullptr;
  bool inherited = false;  // the whole entry comes from a group or from `defaults`
};

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMap };
  /// kSubstituted: held `${…}` or `{n}`, and is typed as if it were plain.
  enum class Style { kPlain, kQuoted, kSubstituted };
  Kind kind = Kind::kNull;
  Style style = Style::kPlain;
  bool single_pair = false;  // `[a: b]`, a map without braces, most often a forgotten pair of quotes
  bool refused = false;      // a mistake in it has been told: nothing later judges it
  Position at;
  std::string text;  // of a scalar; of a null as it was written
  std::vector<const YamlNode*> items;
  std::vector<YamlEntry> entries;

  bool is_null() const { return kind == Kind::kNull; }
  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_sequence() const { return kind == Kind::kSequence; }
  bool is_map() const { return kind == Kind::kMap; }
  /// The value of `key`, or null.
  const YamlNode* Find(std::string_view key) const;
};

/// What a scalar is by the core schema of YAML 1.2.
enum class ScalarType { kNull, kBool, kInteger, kFloat, kString };
ScalarType TypeOf(const YamlNode& node);

/// Owns the nodes: those of the text and those that later steps derive from them.
class YamlTree {
 public:
  YamlNode* New() { return &nodes_.emplace_back(); }
  YamlNode* New(const YamlNode& copy) { return &nodes_.emplace_back(copy); }
  std::deque<YamlNode>& nodes() { return nodes_; }

 private:
  std::deque<YamlNode> nodes_;
};

/// Parses one document. Null when the text is no YAML, is empty or passes a limit; then the reason is in
/// `diagnostics`. Aliases share their nodes; merge keys and duplicate keys are still there.
YamlNode* ParseYaml(std::string_view text, YamlTree& tree, Diagnostics& diagnostics);

/// Puts the entries of `<<` in their place and reports duplicate keys, in every map.
void ResolveKeys(YamlTree& tree, Diagnostics& diagnostics);

constexpr std::size_t kMaxTextBytes = std::size_t{16} << 20;

}  // namespace runner
