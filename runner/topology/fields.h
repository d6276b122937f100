// A map with fixed keys.
#pragma once
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "topology/values.h"

namespace runner {

class Fields {
 public:
  /// Tells unknown keys with a near name. A `map` that is none is told as well and has no fields then.
  Fields(const YamlNode& map, std::string_view what, Reporter reporter, std::vector<std::string> keys);

  /// The value of `key`; null when it is absent or null.
  const YamlNode* Find(std::string_view key) const;
  /// As Find; an absent key is a mistake, unless the map is none or a misspelt key could be it.
  const YamlNode* Require(std::string_view key) const;

  bool is_map() const { return map_.is_map(); }
  bool has_unknown() const { return has_unknown_; }
  const YamlNode& map() const { return map_; }
  const Reporter& reporter() const { return reporter_; }

  std::optional<std::string> Text(std::string_view key) const { return Get<std::string>(key, ReadText); }
  std::optional<std::string> Name(std::string_view key) const { return Get<std::string>(key, ReadName); }
  std::optional<bool> Bool(std::string_view key) const { return Get<bool>(key, ReadBool); }
  template <class T>
  std::optional<T> Number(std::string_view key, std::int64_t min = 0,
                          std::int64_t max = static_cast<std::int64_t>(std::numeric_limits<T>::max())) const {
    const YamlNode* node = Find(key);
    return node == nullptr ? std::nullopt : ReadNumber<T>(*node, key, reporter_, min, max);
  }
  std::optional<std::size_t> Word(std::string_view key, const std::vector<std::string>& words) const {
    const YamlNode* node = Find(key);
    return node == nullptr ? std::nullopt : ReadWord(*node, key, words, reporter_);
  }
  template <class T, class Read>
  std::optional<T> Get(std::string_view key, Read read) const {
    const YamlNode* node = Find(key);
    if (node == nullptr) return std::nullopt;
    return read(*node, key, reporter_);
  }
  template <class T>
  MaybeAt<T> WithPlace(std::string_view key, std::optional<T> value) const {
    if (!value) return std::nullopt;
    return At<T>{std::move(*value), Mark(Find(key)->at)};
  }

 private:
  const YamlNode& map_;
  Reporter reporter_;
  bool has_unknown_ = false;
};

/// Whether a key belongs to the user: `x-…`.
bool IsExtension(std::string_view key);

}  // namespace runner
