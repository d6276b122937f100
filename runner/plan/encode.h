// One field of an object as JSON, as plan/codec.h writes whole objects and plan/difference.h tells values.
#pragma once
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/json.h"
#include "plan/resource.h"

namespace runner {

/// Has fields to walk over: plan/resource.h.
template <class T>
concept Visitable = requires(T& t) {
  T::Visit(t, [](auto...) {});
};

inline Json Encode(const std::string& value) { return value; }
inline Json Encode(bool value) { return value; }
template <class T>
requires std::is_integral_v<T> Json Encode(T value) { return value; }
template <class T>
requires std::is_enum_v<T> Json Encode(T value) { return static_cast<int>(value); }
inline Json Encode(const IpAddress& value) { return value.text(); }
inline Json Encode(const IpPrefix& value) { return value.text(); }
inline Json Encode(const MacAddress& value) { return value.text(); }
inline Json Encode(const Nanoseconds& value) { return value.text(); }
inline Json Encode(const Share& value) { return value.text(); }
inline Json Encode(const BitRate& value) { return value.text(); }
inline Json Encode(const PortRange& value) { return Json::array({value.first, value.last}); }
template <Visitable T>
Json Encode(const T& value);
template <class T>
Json Encode(const std::optional<T>& value) {
  return value ? Encode(*value) : Json(nullptr);
}
template <class T>
Json Encode(const std::vector<T>& value) {
  Json out = Json::array();
  for (const T& item : value) out.push_back(Encode(item));
  return out;
}
template <Visitable T>
Json Encode(const T& value) {
  Json out = Json::object();
  T::Visit(value, [&out](const char* name, const auto& field, Role) {
    Json json = Encode(field);
    if (!json.is_null()) out[name] = std::move(json);
  });
  return out;
}

}  // namespace runner
