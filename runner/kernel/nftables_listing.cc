// What the library prints, read: complaints as places and sentences, listings as text that compares.
#include <cctype>
#include <optional>

#include "base/json.h"
#include "base/text.h"
#include "kernel/nftables.h"

namespace runner::kernel {
namespace {

/// "/proc/self/fd/4:3:21-25: " in front of a complaint; the path's own colons, if any, stand left of the last two.
struct Place {
  std::string path;
  int line = 0;
  int first = 0;
  int last = 0;
};

std::optional<Place> ParsePlace(std::string_view text) {
  const std::size_t columns_at = text.rfind(':');
  if (columns_at == std::string_view::npos) return std::nullopt;
  const std::size_t line_at = text.rfind(':', columns_at - 1);
  if (columns_at == 0 || line_at == std::string_view::npos) return std::nullopt;
  const auto columns = Split(text.substr(columns_at + 1), '-');
  if (columns.size() != 2) return std::nullopt;
  const auto line = ParseInteger(text.substr(line_at + 1, columns_at - line_at - 1));
  const auto first = ParseInteger(columns[0]);
  const auto last = ParseInteger(columns[1]);
  if (!line || !first || !last) return std::nullopt;
  return Place{.path = std::string(text.substr(0, line_at)),
               .line = static_cast<int>(*line),
               .first = static_cast<int>(*first),
               .last = static_cast<int>(*last)};
}

std::string Capitalless(std::string_view text) {
  std::string lower(text);
  // "Could" but not "IPv4": only a word that is lower case but for its first letter.
  if (lower.size() > 1 && std::islower(static_cast<unsigned char>(lower[1])) != 0) {
    lower[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(lower[0])));
  }
  while (!lower.empty() && (lower.back() == '.' || lower.back() == ' ')) lower.pop_back();
  return lower;
}

bool IsInputPath(std::string_view path) { return path.starts_with("/proc/self/fd/"); }

bool IsDynamicSet(const Json& set) {
  if (set.contains("timeout")) return true;
  if (!set.contains("flags")) return false;
  const Json& flags = set["flags"];
  const auto is_dynamic = [](const Json& flag) { return flag == "dynamic" || flag == "timeout"; };
  if (!flags.is_array()) return is_dynamic(flags);
  for (const Json& flag : flags) {
    if (is_dynamic(flag)) return true;
  }
  return false;
}

/// What packets change in an object, a statement or an element, wherever it stands.
void DropCounts(Json& json) {
  if (json.is_object()) {
    for (auto& [key, value] : json.items()) {
      // A quota's `bytes` and `val` are its limit; a counter's `bytes` are counted.
      if (key == "counter" && value.is_object()) {
        value.erase("packets");
        value.erase("bytes");
      }
      if (key == "quota" && value.is_object()) {
        value.erase("used");
        value.erase("used_unit");
      }
      // An element's own time runs.
      if (key == "elem" && value.is_object()) value.erase("expires");
      if (key == "last" && value.is_object()) value = nullptr;
      DropCounts(value);
    }
  } else if (json.is_array()) {
    for (Json& value : json) DropCounts(value);
  }
}

/// A set of a table that some rule adds packets' values to; it needs no flag that says so.
struct FedSet {
  std::string family;
  std::string table;
  std::string name;
};

std::vector<FedSet> FedSets(const Json& listing) {
  std::vector<FedSet> fed;
  for (const Json& item : listing.value("nftables", Json::array())) {
    if (!item.is_object() || !item.contains("rule")) continue;
    const Json& rule = item["rule"];
    for (const Json& statement : rule.value("expr", Json::array())) {
      for (const char* kind : {"set", "map"}) {
        if (!statement.is_object() || !statement.contains(kind)) continue;
        const Json& update = statement[kind];
        if (!update.is_object() || !update.contains("op")) continue;
        const std::string name = update.value(kind, "");
        if (!name.starts_with('@')) continue;
        fed.push_back({.family = rule.value("family", ""), .table = rule.value("table", ""), .name = name.substr(1)});
      }
    }
  }
  return fed;
}

bool IsFedByRules(const Json& set, const std::vector<FedSet>& fed) {
  for (const FedSet& one : fed) {
    if (set.value("family", "") == one.family && set.value("table", "") == one.table &&
        set.value("name", "") == one.name) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::vector<NftError> ParseNftErrors(std::string_view output) {
  std::vector<NftError> errors;
  std::optional<Place> includer;
  for (const std::string_view line : Split(output, '\n')) {
    constexpr std::string_view kIncluded = "In file included from ";
    if (line.starts_with(kIncluded)) {
      std::string_view from = line.substr(kIncluded.size());
      while (!from.empty() && (from.back() == ':' || from.back() == ',')) from.remove_suffix(1);
      const auto place = ParsePlace(from);
      if (place && IsInputPath(place->path)) includer = place;
      continue;
    }
    // A complaint stands at the line's beginning or after a place; what follows are the source line and its caret,
    // and the source may say "Error: " too.
    const std::size_t at = line.find("Error: ");
    if (at == std::string_view::npos) continue;
    std::optional<Place> place;
    // The library's talk with the kernel has no place: "netlink: Error: cache initialization failed: …".
    if (at > 0 && line.substr(0, at) != "netlink: ") {
      if (at < 2 || line.substr(at - 2, 2) != ": ") continue;
      place = ParsePlace(line.substr(0, at - 2));
      if (!place) continue;
    }
    NftError error{.text = Capitalless(line.substr(at + 7))};
    if (place && IsInputPath(place->path)) {
      error.line = place->line;
      error.column = place->first;
      error.width = place->last >= place->first ? place->last - place->first + 1 : 1;
    } else if (place && place->path != "internal") {
      // A mistake in an included file: the input's place is where it is included.
      error.text = place->path + ":" + std::to_string(place->line) + ":" + std::to_string(place->first) + ": " +
                   std::move(error.text);
      if (includer) {
        error.line = includer->line;
        error.column = includer->first;
        error.width = includer->last >= includer->first ? includer->last - includer->first + 1 : 1;
      }
    }
    includer.reset();
    errors.push_back(std::move(error));
  }
  return errors;
}

std::string NormalListing(const Json& listing) {
  const std::vector<FedSet> fed = FedSets(listing);
  std::string text;
  for (Json item : listing.value("nftables", Json::array())) {
    if (!item.is_object() || item.contains("metainfo")) continue;
    DropCounts(item);
    for (auto& [kind, object] : item.items()) {
      if (!object.is_object()) continue;
      object.erase("handle");
      const bool is_set = kind == "set" || kind == "map";
      if (is_set && (IsDynamicSet(object) || IsFedByRules(object, fed))) object.erase("elem");
    }
    text += JsonText(item) + "\n";
  }
  return text;
}

}  // namespace runner::kernel
