#include "plan/codec.h"

#include <type_traits>

#include "base/json.h"
#include "base/text.h"
#include "plan/encode.h"

namespace runner {
namespace {

// ---- Decode: false where the JSON does not fit.

bool Decode(const Json& json, std::string& value) {
  if (!json.is_string()) return false;
  value = json.get<std::string>();
  return true;
}
bool Decode(const Json& json, bool& value) {
  if (!json.is_boolean()) return false;
  value = json.get<bool>();
  return true;
}
template <class T>
requires std::is_integral_v<T>
bool Decode(const Json& json, T& value) {
  if (!json.is_number_integer()) return false;
  const auto wide = json.get<std::int64_t>();
  value = static_cast<T>(wide);
  return static_cast<std::int64_t>(value) == wide;
}
template <class T>
requires std::is_enum_v<T>
bool Decode(const Json& json, T& value) {
  int number = 0;
  if (!Decode(json, number)) return false;
  value = static_cast<T>(number);
  return true;
}
template <class T>
bool DecodeText(const Json& json, T& value) {
  if (!json.is_string()) return false;
  const auto parsed = T::Parse(json.get_ref<const std::string&>());
  if (parsed) value = *parsed;
  return parsed.has_value();
}
bool Decode(const Json& json, IpAddress& value) { return DecodeText(json, value); }
bool Decode(const Json& json, IpPrefix& value) { return DecodeText(json, value); }
bool Decode(const Json& json, MacAddress& value) { return DecodeText(json, value); }
bool Decode(const Json& json, Nanoseconds& value) { return DecodeText(json, value); }
bool Decode(const Json& json, Share& value) { return DecodeText(json, value); }
bool Decode(const Json& json, BitRate& value) { return DecodeText(json, value); }
bool Decode(const Json& json, PortRange& value) {
  return json.is_array() && json.size() == 2 && Decode(json[0], value.first) && Decode(json[1], value.last);
}
template <Visitable T>
bool Decode(const Json& json, T& value);
template <class T>
bool Decode(const Json& json, std::optional<T>& value) {
  if (json.is_null()) {
    value.reset();
    return true;
  }
  T inner{};
  if (!Decode(json, inner)) return false;
  value = std::move(inner);
  return true;
}
template <class T>
bool Decode(const Json& json, std::vector<T>& value) {
  if (!json.is_array()) return false;
  for (const Json& item : json) {
    T inner{};
    if (!Decode(item, inner)) return false;
    value.push_back(std::move(inner));
  }
  return true;
}
template <Visitable T>
bool Decode(const Json& json, T& value) {
  if (!json.is_object()) return false;
  bool fits = true;
  T::Visit(value, [&](const char* name, auto& field, Role) {
    const auto found = json.find(name);
    if (found != json.end() && !Decode(*found, field)) fits = false;
  });
  return fits;
}

// ---- NAT rules: the one model type that the journal keeps as it is.

struct NatFields {
  std::string kind = {};
  std::string device = {};
  std::optional<IpPrefix> source = {};
  std::optional<IpAddress> to = {};
  std::optional<IpAddress> address = {};
  Protocol protocol = Protocol::kTcp;
  std::optional<PortRange> port = {};
  std::optional<PortRange> to_port = {};
  std::optional<IpPrefix> hairpin = {};
  template <class Self, class V>
  static void Visit(Self& self, V&& v) {
    v("kind", self.kind, Role::kRecorded);
    v("device", self.device, Role::kRecorded);
    v("source", self.source, Role::kRecorded);
    v("to", self.to, Role::kRecorded);
    v("address", self.address, Role::kRecorded);
    v("protocol", self.protocol, Role::kRecorded);
    v("port", self.port, Role::kRecorded);
    v("to_port", self.to_port, Role::kRecorded);
    v("hairpin", self.hairpin, Role::kRecorded);
  }
};

struct ToFields {
  NatFields operator()(const Masquerade& rule) const {
    NatFields fields{.kind = "masquerade", .device = rule.out, .source = rule.source};
    return fields;
  }
  NatFields operator()(const SourceNat& rule) const {
    NatFields fields{.kind = "snat", .device = rule.out, .source = rule.source, .to = rule.to};
    return fields;
  }
  NatFields operator()(const PortForward& rule) const {
    NatFields fields{.kind = "forward", .device = rule.in};
    fields.to = rule.to;
    fields.address = rule.address;
    fields.protocol = rule.protocol;
    fields.port = rule.port;
    fields.to_port = rule.to_port;
    return fields;
  }
};

}  // namespace

Json EncodeAttributes(const Attributes& attributes) {
  return std::visit([](const auto& typed) { return Encode(typed); }, attributes);
}

namespace {

template <std::size_t... I>
Attributes MakeAttributes(std::size_t index, std::index_sequence<I...>) {
  Attributes out;
  ((I == index ? static_cast<void>(out.emplace<I>()) : void()), ...);
  return out;
}

}  // namespace

Result<Attributes> DecodeAttributes(Kind kind, const Json& json) {
  Attributes attributes =
      MakeAttributes(static_cast<std::size_t>(kind), std::make_index_sequence<std::variant_size_v<Attributes>>());
  if (!std::visit([&json](auto& typed) { return Decode(json, typed); }, attributes)) {
    return Fail("read the attributes of a " + std::string(Traits(kind).name), "a field has the wrong type");
  }
  return attributes;
}

Json EncodeResource(const Resource& resource) {
  Json out = {{"id", resource.id.text()}, {"attributes", EncodeAttributes(resource.attributes)}};
  if (!resource.dependencies.empty()) {
    Json needs = Json::array();
    Json after = Json::array();
    for (const DependsOn& on : resource.dependencies) {
      (on.strength == DependsOn::Strength::kNeeds ? needs : after).push_back(on.id.text());
    }
    if (!needs.empty()) out["needs"] = std::move(needs);
    if (!after.empty()) out["after"] = std::move(after);
  }
  if (resource.at.known()) out["at"] = {resource.at.line, resource.at.column, resource.at.width};
  if (resource.overridden) {
    const auto& declared = resource.overridden->declared;
    out["overrides"] = declared ? EncodeAttributes(*declared) : Json(nullptr);
  }
  return out;
}

Result<Resource> DecodeResource(const Json& json) {
  const auto bad = [](const char* why) { return Fail("read a resource", why); };
  if (!json.is_object() || !json.contains("id") || !json["id"].is_string() || !json.contains("attributes")) {
    return bad("no id or no attributes");
  }
  const auto id = ResourceId::Parse(json["id"].get_ref<const std::string&>());
  if (!id) return bad("unknown kind of object");
  Resource resource{
      .id = *id, .attributes = TRY(DecodeAttributes(id->kind, json["attributes"])), .dependencies = {}, .at = {}};
  for (const auto& [key, strength] :
       {std::pair("needs", DependsOn::Strength::kNeeds), std::pair("after", DependsOn::Strength::kAfter)}) {
    const auto list = json.find(key);
    if (list == json.end()) continue;
    for (const Json& item : *list) {
      const auto on = item.is_string() ? ResourceId::Parse(item.get_ref<const std::string&>()) : std::nullopt;
      if (!on) return bad("a dependency is not an id");
      resource.dependencies.push_back({.id = *on, .strength = strength});
    }
  }
  if (const auto at = json.find("at"); at != json.end()) {
    if (!at->is_array() || at->size() != 3 || !Decode((*at)[0], resource.at.line) ||
        !Decode((*at)[1], resource.at.column) || !Decode((*at)[2], resource.at.width)) {
      return bad("its place is not three numbers");
    }
  }
  if (const auto declared = json.find("overrides"); declared != json.end()) {
    resource.overridden.emplace();
    if (!declared->is_null()) resource.overridden->declared = TRY(DecodeAttributes(id->kind, *declared));
  }
  return resource;
}

std::string EncodeNatRule(const NatLine& line) {
  NatFields fields = std::visit(ToFields{}, line.rule.rule);
  fields.hairpin = line.hairpin;
  return JsonText(Encode(fields));
}

Result<NatLine> DecodeNatRule(std::string_view text) {
  const Json json = TRY(ParseJson(text));
  NatFields fields;
  if (!Decode(json, fields)) return Fail("read a NAT rule", "a field has the wrong type");
  if (fields.kind == "masquerade") {
    return NatLine{.rule = {.rule = Masquerade{.out = fields.device, .source = fields.source}, .at = {}}};
  }
  if (fields.kind == "snat" && fields.to) {
    return NatLine{
        .rule = {.rule = SourceNat{.out = fields.device, .source = fields.source, .to = *fields.to}, .at = {}}};
  }
  if (fields.kind == "forward" && fields.to && fields.port) {
    return NatLine{.rule = {.rule = PortForward{.in = fields.device,
                                                .address = fields.address,
                                                .protocol = fields.protocol,
                                                .port = *fields.port,
                                                .to = *fields.to,
                                                .to_port = fields.to_port},
                            .at = {}},
                   .hairpin = fields.hairpin};
  }
  return Fail("read a NAT rule", "kind " + Quote(fields.kind) + " is unknown or not complete");
}

}  // namespace runner
