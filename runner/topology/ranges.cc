#include "topology/ranges.h"

#include <fmt/format.h>

#include <unordered_map>
#include <unordered_set>

#include "base/text.h"
#include "topology/expression.h"

namespace runner {
namespace {

// Far above what a kernel carries, far below what a slip of the finger can ask for.
constexpr std::size_t kMaxItems = 100'000;
constexpr std::size_t kMaxDerivedNodes = 4'000'000;
constexpr std::size_t kMaxDigits = 9;

struct Numbers {
  std::int64_t first = 0;
  std::int64_t last = 0;
  int digits = 1;  // numbers are padded with zeros to it, as pdsh does
};

Result<Numbers> ParseNumbers(std::string_view part) {
  const std::size_t dash = part.find('-');
  const std::string_view first = part.substr(0, dash);
  const std::string_view last = dash == std::string_view::npos ? first : part.substr(dash + 1);
  for (const std::string_view number : {first, last}) {
    if (number.empty() || number.size() > kMaxDigits ||
        number.find_first_not_of("0123456789") != std::string_view::npos) {
      return Fail(Quote(part) + " is no number and no FIRST-LAST");
    }
  }
  Numbers numbers{.first = *ParseInteger(first), .last = *ParseInteger(last)};
  if (first.size() > 1 && first[0] == '0') numbers.digits = static_cast<int>(first.size());
  if (numbers.last < numbers.first) return Fail(Quote(part) + " runs backwards");
  return numbers;
}

/// Copies what holds `{n}`, shares the rest.
class Substitution {
 public:
  Substitution(YamlTree& tree, Diagnostics& diagnostics) : tree_(tree), diagnostics_(diagnostics) {}

  const YamlNode* Apply(const YamlNode* node, std::int64_t n) {
    if (!Holds(*node)) return node;
    if (tree_.nodes().size() > kMaxDerivedNodes) {
      if (!full_) diagnostics_.Wrong(node->at, "", "the ranges make more than four million values");
      full_ = true;
      return node;
    }
    YamlNode* copy = tree_.New(*node);
    if (node->is_scalar()) {
      Evaluate(*copy, n);
      return copy;
    }
    for (const YamlNode*& item : copy->items) item = Apply(item, n);
    std::unordered_set<std::string_view> keys;
    for (YamlEntry& entry : copy->entries) {
      entry.key = Apply(entry.key, n);
      entry.value = Apply(entry.value, n);
      if (!keys.insert(entry.key->text).second) {
        diagnostics_.Wrong(entry.key->at, "", "key " + Quote(entry.key->text) + " is given twice");
      }
    }
    return copy;
  }

 private:
  void Evaluate(YamlNode& scalar, std::int64_t n) {
    auto text = EvaluateTemplate(scalar.text, n);
    if (!text.ok()) {
      diagnostics_.Wrong(scalar.at, "", text.error().text());
      scalar.refused = true;
      return;
    }
    scalar.text = std::move(*text);
    scalar.style = YamlNode::Style::kSubstituted;
  }

  bool Holds(const YamlNode& node) {
    if (node.is_scalar()) return HasTemplate(node.text);
    if (node.is_null()) return false;
    const auto known = holds_.find(&node);
    if (known != holds_.end()) return known->second;
    bool holds = false;
    for (const YamlNode* item : node.items) holds = Holds(*item) || holds;
    for (const YamlEntry& entry : node.entries) holds = Holds(*entry.key) || Holds(*entry.value) || holds;
    holds_.emplace(&node, holds);
    return holds;
  }

  YamlTree& tree_;
  Diagnostics& diagnostics_;
  std::unordered_map<const YamlNode*, bool> holds_;
  bool full_ = false;
};

/// The scalar of an end that may hold its range: the end itself, or a field of an end written in full.
struct EndRange {
  std::size_t position = 0;  // in `endpoints`
  const YamlNode* scalar = nullptr;
  RangeText range;
};

class LinkExpander {
 public:
  LinkExpander(YamlTree& tree, Diagnostics& diagnostics)
      : tree_(tree), diagnostics_(diagnostics), substitution_(tree, diagnostics) {}

  void Expand(const YamlNode& link, std::size_t entry, std::vector<LinkEntry>& out) {
    const YamlNode* endpoints = link.is_map() ? link.Find("endpoints") : nullptr;
    // Any other number of ends is the decoder's to refuse.
    if (endpoints == nullptr || !endpoints->is_sequence() || endpoints->items.size() != 2) {
      out.push_back({.value = &link, .entry = entry});
      return;
    }
    const std::size_t before = diagnostics_.error_count();
    std::vector<EndRange> ranges;
    for (std::size_t i = 0; i < 2; ++i) FindRanges(*endpoints->items[i], i, ranges);
    if (diagnostics_.error_count() != before) return;
    if (ranges.empty()) {
      out.push_back({.value = &link, .entry = entry});
      return;
    }
    if (!CountsFit(*endpoints, ranges)) return;
    for (std::size_t i = 0; i < ranges[0].range.items.size(); ++i) {
      if (out.size() >= kMaxItems) {
        diagnostics_.Wrong(endpoints->at, "", fmt::format("the ranges make more than {} links", kMaxItems));
        return;
      }
      out.push_back({.value = OneCable(link, *endpoints, ranges, i), .entry = entry, .index = i});
    }
  }

 private:
  void FindRanges(const YamlNode& end, std::size_t position, std::vector<EndRange>& ranges) {
    const std::size_t before = ranges.size();
    if (end.is_scalar() && !end.refused) AddRange(end, position, ranges);
    if (end.is_map()) {
      for (const char* key : {"node", "interface", "bridge", "port"}) {
        const YamlNode* value = end.Find(key);
        if (value != nullptr && value->is_scalar()) AddRange(*value, position, ranges);
      }
    }
    if (ranges.size() > before + 1) diagnostics_.Wrong(end.at, "", "an end may hold one range");
  }

  void AddRange(const YamlNode& scalar, std::size_t position, std::vector<EndRange>& ranges) {
    auto range = ParseRange(scalar.text);
    if (!range.ok()) {
      diagnostics_.Wrong(scalar.at, "", range.error().text());
    } else if (range->has_value()) {
      ranges.push_back({.position = position, .scalar = &scalar, .range = std::move(**range)});
    }
  }

  bool CountsFit(const YamlNode& endpoints, const std::vector<EndRange>& ranges) {
    if (ranges.size() == 2) {
      const std::size_t a = ranges[0].range.items.size();
      const std::size_t b = ranges[1].range.items.size();
      if (a == b) return true;
      diagnostics_.Wrong(ranges[1].scalar->at, "",
                         fmt::format("a range of {} beside a range of {}: ranges are joined pairwise", b, a),
                         {{.at = ranges[0].scalar->at, .text = "the other range"}});
      return false;
    }
    // The other end is a bridge or the host, by its name alone, or differs from cable to cable by `{n}`.
    const YamlNode& single = *endpoints.items[1 - ranges[0].position];
    const bool one_name = single.is_scalar() && single.text.find(':') != std::string::npos;
    const bool one_interface =
        single.is_map() && (single.Find("interface") != nullptr || single.Find("port") != nullptr);
    if (ranges[0].range.items.size() == 1 || (!one_name && !one_interface) || HoldsTemplate(single)) return true;
    diagnostics_.Wrong(ranges[0].scalar->at, "",
                       fmt::format("a range of {} against one interface: only a bridge takes many cables",
                                   ranges[0].range.items.size()),
                       {{.at = single.at, .text = "the one interface"}});
    return false;
  }

  static bool HoldsTemplate(const YamlNode& end) {
    if (end.is_scalar()) return HasTemplate(end.text);
    for (const YamlEntry& entry : end.entries) {
      if (entry.value->is_scalar() && HasTemplate(entry.value->text)) return true;
    }
    return false;
  }

  const YamlNode* OneCable(const YamlNode& link, const YamlNode& endpoints, const std::vector<EndRange>& ranges,
                           std::size_t index) {
    YamlNode* ends = tree_.New(endpoints);
    for (const EndRange& range : ranges) {
      YamlNode* scalar = tree_.New(*range.scalar);
      scalar->text = range.range.items[index].text;
      const YamlNode*& end = ends->items[range.position];
      if (end == range.scalar) {
        end = scalar;
        continue;
      }
      YamlNode* map = tree_.New(*end);
      for (YamlEntry& entry : map->entries) {
        if (entry.value == range.scalar) entry.value = scalar;
      }
      end = map;
    }
    YamlNode* cable = tree_.New(link);
    for (YamlEntry& entry : cable->entries) {
      if (entry.value == &endpoints) entry.value = ends;
    }
    return substitution_.Apply(cable, ranges[0].range.items[index].n);
  }

  YamlTree& tree_;
  Diagnostics& diagnostics_;
  Substitution substitution_;
};

}  // namespace

Result<std::optional<RangeText>> ParseRange(std::string_view text) {
  const std::size_t open = text.find('[');
  if (open == std::string_view::npos) return std::optional<RangeText>();
  const std::size_t close = text.find(']', open);
  const std::string where = "range " + Quote(text);
  if (close == std::string_view::npos) return Fail("`[` without its `]`").Wrap(where);
  if (text.find('[', open + 1) != std::string_view::npos) return Fail("a name may hold one range").Wrap(where);
  RangeText range;
  for (const std::string_view part : Split(text.substr(open + 1, close - open - 1), ',')) {
    const Numbers numbers = TRY(ParseNumbers(part).Wrap(where));
    if (static_cast<std::size_t>(numbers.last - numbers.first) >= kMaxItems - range.items.size()) {
      return Fail(fmt::format("more than {} names", kMaxItems)).Wrap(where);
    }
    for (std::int64_t n = numbers.first; n <= numbers.last; ++n) {
      range.items.push_back(
          {fmt::format("{}{:0{}}{}", text.substr(0, open), n, numbers.digits, text.substr(close + 1)), n});
    }
  }
  return std::optional<RangeText>(std::move(range));
}

std::vector<NamedEntry> ExpandNames(const YamlNode& map, std::string_view what, YamlTree& tree,
                                    Diagnostics& diagnostics) {
  std::vector<NamedEntry> out;
  std::unordered_map<std::string, Position> seen;
  Substitution substitution(tree, diagnostics);
  const auto add = [&](std::string name, Position at, const YamlNode* value) {
    const auto [first, is_new] = seen.emplace(name, at);
    if (is_new) {
      out.push_back({.name = std::move(name), .at = at, .value = value});
    } else {
      diagnostics.Wrong(at, fmt::format("{} {}", what, Quote(name)), "a range and another entry both make this name",
                        {{.at = first->second, .text = "first here"}});
    }
  };
  for (const YamlEntry& entry : map.entries) {
    if (entry.key->refused) continue;
    auto range = ParseRange(entry.key->text);
    if (!range.ok()) {
      diagnostics.Wrong(entry.key->at, std::string(what), range.error().text());
      continue;
    }
    if (!range->has_value()) {
      add(entry.key->text, entry.key->at, entry.value);
      continue;
    }
    for (RangeText::Item& item : (*range)->items) {
      if (out.size() >= kMaxItems) {
        diagnostics.Wrong(entry.key->at, "", fmt::format("the ranges make more than {} names", kMaxItems));
        return out;
      }
      add(std::move(item.text), entry.key->at, substitution.Apply(entry.value, item.n));
    }
  }
  return out;
}

std::vector<LinkEntry> ExpandLinks(const YamlNode& sequence, YamlTree& tree, Diagnostics& diagnostics,
                                   std::vector<const YamlNode*>& refused) {
  std::vector<LinkEntry> out;
  LinkExpander expander(tree, diagnostics);
  for (std::size_t i = 0; i < sequence.items.size(); ++i) {
    const std::size_t before = diagnostics.error_count();
    expander.Expand(*sequence.items[i], i, out);
    if (diagnostics.error_count() != before) refused.push_back(sequence.items[i]);
  }
  return out;
}

}  // namespace runner
