#include "topology/interpolation.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace runner {
namespace {

constexpr int kMaxNestedReferences = 16;
constexpr std::size_t kMaxScalarBytes = std::size_t{1} << 20;

bool BeginsName(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool ContinuesName(char c) { return BeginsName(c) || (c >= '0' && c <= '9'); }

class Interpolator {
 public:
  Interpolator(const LoadOptions& options, Diagnostics& diagnostics) : options_(options), diagnostics_(diagnostics) {}

  void Replace(YamlNode& node) {
    if (!node.is_scalar() || node.text.find('$') == std::string::npos) return;
    at_ = node.at;
    held_reference_ = false;
    auto text = Expand(node.text, 0);
    if (!text) {
      node.refused = true;
      return;
    }
    node.text = std::move(*text);
    if (!held_reference_) return;
    node.style = YamlNode::Style::kSubstituted;
    if (TypeOf(node) == ScalarType::kNull) node.kind = YamlNode::Kind::kNull;
  }

  void ReportUnused() {
    const std::vector<std::string> names(names_.begin(), names_.end());
    for (const auto& [name, value] : options_.set) {
      if (names_.contains(name)) continue;
      diagnostics_.Wrong({}, "--set", Quote(name) + " is not used in the file" + DidYouMean(name, names));
    }
  }

 private:
  std::nullopt_t Wrong(std::string why) {
    diagnostics_.Wrong(at_, "", std::move(why));
    return std::nullopt;
  }

  std::optional<std::string> Lookup(const std::string& name) const {
    // The last --set of a name counts, as on every command line.
    for (auto set = options_.set.rbegin(); set != options_.set.rend(); ++set) {
      if (set->first == name) return set->second;
    }
    return options_.environment ? options_.environment(name) : std::nullopt;
  }

  std::optional<std::string> Expand(std::string_view text, int nesting) {
    if (nesting > kMaxNestedReferences) return Wrong("`${…}` is nested more than 16 deep");
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char next = i + 1 < text.size() ? text[i + 1] : '\0';
      if (text[i] != '$' || (next != '$' && next != '{')) {
        out += text[i];
      } else if (next == '$') {
        out += '$';
        ++i;
      } else {
        const auto end = FindEnd(text, i + 2);
        if (!end) return Wrong("`${` without its `}`; write `$$` for a dollar sign");
        const auto value = Reference(text.substr(i + 2, *end - i - 2), nesting);
        if (!value) return std::nullopt;
        out += *value;
        i = *end;
      }
      if (out.size() > kMaxScalarBytes) return Wrong("the value grows beyond 1 MiB");
    }
    return out;
  }

  static std::optional<std::size_t> FindEnd(std::string_view text, std::size_t from) {
    int open = 1;
    for (std::size_t i = from; i < text.size(); ++i) {
      if (text[i] == '$' && i + 1 < text.size() && text[i + 1] == '{') {
        ++open;
        ++i;
      } else if (text[i] == '}' && --open == 0) {
        return i;
      }
    }
    return std::nullopt;
  }

  /// `inside` is what stands between `${` and `}`.
  std::optional<std::string> Reference(std::string_view inside, int nesting) {
    held_reference_ = true;
    std::size_t end = 0;
    while (end < inside.size() && (end == 0 ? BeginsName(inside[end]) : ContinuesName(inside[end]))) ++end;
    const std::string name(inside.substr(0, end));
    const std::string_view rest = inside.substr(end);
    const bool has_default = rest.starts_with(":-");
    const bool has_message = rest.starts_with(":?");
    if (name.empty() || !(rest.empty() || has_default || has_message)) {
      return Wrong("`${" + std::string(inside) +
                   "}` is no reference: write ${NAME}, ${NAME:-default} or ${NAME:?message}, or $$ for a dollar sign");
    }
    names_.insert(name);
    const auto value = Lookup(name);
    if (value && (rest.empty() || !value->empty())) return value;
    if (has_default) return Expand(rest.substr(2), nesting + 1);
    if (has_message && rest.size() > 2) return Wrong(Quote(name) + ": " + std::string(rest.substr(2)));
    return Wrong(Quote(name) + " is not set: give --set " + name + "=VALUE, or a default: ${" + name + ":-VALUE}");
  }

  const LoadOptions& options_;
  Diagnostics& diagnostics_;
  std::set<std::string> names_;
  Position at_;
  bool held_reference_ = false;
};

}  // namespace

void Interpolate(YamlTree& tree, const LoadOptions& options, Diagnostics& diagnostics) {
  Interpolator interpolator(options, diagnostics);
  for (YamlNode& node : tree.nodes()) interpolator.Replace(node);
  interpolator.ReportUnused();
}

}  // namespace runner
