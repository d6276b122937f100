#include "plan/codec.h"

#include <algorithm>
#include <type_traits>

#include "base/json.h"
#include "base/link_types.h"
#include "base/text.h"

namespace runner {
namespace {

template <class T>
concept Visitable = requires(T& t) {
  T::Visit(t, [](auto...) {});
};

// ---- Encode

Json Encode(const std::string& value) { return value; }
Json Encode(bool value) { return value; }
template <class T>
requires std::is_integral_v<T> Json Encode(T value) { return value; }
template <class T>
requires std::is_enum_v<T> Json Encode(T value) { return static_cast<int>(value); }
Json Encode(const IpAddress& value) { return value.text(); }
Json Encode(const IpPrefix& value) { return value.text(); }
Json Encode(const MacAddress& value) { return value.text(); }
Json Encode(const Nanoseconds& value) { return value.text(); }
Json Encode(const Share& value) { return value.text(); }
Json Encode(const BitRate& value) { return value.text(); }
Json Encode(const PortRange& value) { return Json::array({value.first, value.last}); }
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

struct NatWords {
  static std::string From(const std::optional<IpPrefix>& source) { return source ? " source " + source->text() : ""; }
  static std::string Ports(const PortRange& range) {
    return std::to_string(range.first) + (range.count() > 1 ? "-" + std::to_string(range.last) : "");
  }
  std::string operator()(const Masquerade& rule) const { return "masquerade out " + rule.out + From(rule.source); }
  std::string operator()(const SourceNat& rule) const {
    return "snat out " + rule.out + From(rule.source) + " to " + rule.to.text();
  }
  std::string operator()(const PortForward& rule) const {
    std::string out = rule.protocol == Protocol::kTcp ? "forward tcp " : "forward udp ";
    if (!rule.in.empty()) out = "in " + rule.in + " " + out;
    return out + Ports(rule.port) + " to " + rule.to.text() + (rule.to_port ? " " + Ports(*rule.to_port) : "");
  }
};

// ---- Differences

std::string FieldText(const Json& json) {
  if (json.is_null()) return "unset";
  if (json.is_boolean()) return json.get<bool>() ? "on" : "off";
  if (json.is_string()) {
    const auto& text = json.get_ref<const std::string&>();
    return text.empty() ? "none" : text;
  }
  return JsonText(json);
}

template <class T>
std::string ValueText(const T& value) {
  return FieldText(Encode(value));
}
std::string ValueText(Scope value) {
  constexpr const char* kNames[] = {"global", "site", "link", "host"};
  return kNames[static_cast<int>(value)];
}
std::string ValueText(RouteType value) {
  constexpr const char* kNames[] = {"unicast", "local", "blackhole", "unreachable", "prohibit", "throw"};
  return kNames[static_cast<int>(value)];
}
std::string ValueText(RuleAction value) {
  constexpr const char* kNames[] = {"lookup", "blackhole", "unreachable", "prohibit"};
  return kNames[static_cast<int>(value)];
}
std::string ValueText(const HopAttributes& hop) {
  std::string out = hop.via ? "via " + hop.via->text() : "";
  if (!hop.dev.empty()) out += (out.empty() ? "dev " : " dev ") + hop.dev;
  if (hop.weight != 1) out += " weight " + std::to_string(hop.weight);
  if (!hop.as.empty()) out += " as " + hop.as;
  return out.empty() ? "none" : out;
}
std::string ValueText(const BindAttributes& bind) {
  return bind.host_path + ":" + bind.path + (bind.read_only ? ":ro" : "");
}
std::string ValueText(const HealthcheckAttributes& check) {
  std::string what = check.kind == "test" ? JsonText(Encode(check.test)) : check.target;
  return what.insert(0, check.kind + " ");
}
template <class T>
std::string ValueText(const std::optional<T>& value) {
  return value ? ValueText(*value) : "unset";
}
template <class T>
std::string ValueText(const std::vector<T>& value) {
  std::string out;
  for (const T& item : value) out += (out.empty() ? "" : ", ") + ValueText(item);
  return out.empty() ? "none" : out;
}

template <class T>
constexpr bool kIsOptional = false;
template <class T>
constexpr bool kIsOptional<std::optional<T>> = true;

template <class T>
bool IsOpen(const T& value) {
  if constexpr (kIsOptional<T>) {
    return !value.has_value();
  } else {
    return false;
  }
}

/// `NODE:IFNAME` of a device: neither a lab's nor a node's name has a dot.
std::string EndText(const DeviceAttributes& device) {
  return (device.ns.empty() ? "host" : device.ns.substr(device.ns.find('.') + 1)) + ":" + device.name;
}
template <class T>
std::string EndText(const T&) {
  return "";
}

/// NAT rules as the file has them: `masquerade out wan0`.
std::string NatText(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) {
    const auto decoded = DecodeNatRule(line);
    out += (out.empty() ? "" : ", ") + (decoded.ok() ? std::visit(NatWords{}, decoded->rule.rule) : line);
    if (decoded.ok() && decoded->hairpin) out += " for " + decoded->hairpin->text() + " too";
  }
  return out.empty() ? "none" : out;
}

/// Long values and renderings are told as changed, not quoted.
Difference Describe(const std::string& field, std::string before, std::string after, Role role) {
  constexpr std::size_t kLongest = 120;
  if (before.size() > kLongest || after.size() > kLongest || before.find('\n') != std::string::npos ||
      after.find('\n') != std::string::npos) {
    before = "";
    after = "";
  }
  return {.field = field, .before = std::move(before), .after = std::move(after), .role = role};
}

/// The type of an interface that has options; nothing else has any.
std::string TypeOf(const LinkAttributes& link) { return link.type; }
template <class T>
std::string TypeOf(const T& /*other*/) {
  return "";
}

std::optional<std::string> ValueOf(const std::vector<OptionAttributes>& options, const std::string& name) {
  const auto found = std::ranges::find(options, name, &OptionAttributes::name);
  return found == options.end() ? std::nullopt : std::optional(found->value);
}

/// The settings of a type of interface: each has its own role.
void CompareOptions(const std::string& type, const std::vector<OptionAttributes>& wish,
                    const std::vector<OptionAttributes>& observed, const std::vector<OptionAttributes>* recorded,
                    std::vector<Difference>& out) {
  for (const OptionAttributes& option : wish) {
    const auto now = ValueOf(observed, option.name);
    if (now == option.value) continue;
    const LinkOption* known = FindLinkOption(type, option.name);
    const bool replace = known == nullptr || NeedsNewLink(*known, now.value_or(""), option.value);
    out.push_back(
        Describe(option.name, now.value_or("unset"), option.value, replace ? Role::kReplace : Role::kInPlace));
  }
  if (recorded == nullptr) return;
  for (const OptionAttributes& option : *recorded) {
    // The file no longer says it: only a new interface has the kernel's own choice again.
    if (!ValueOf(wish, option.name)) out.push_back(Describe(option.name, option.value, "unset", Role::kReplace));
  }
}

template <Visitable T>
void Compare(const std::string& prefix, const T& wish, const T& observed, const T* recorded,
             std::vector<Difference>& out) {
  // The three are walked in step: the i-th visited field of each is the same field.
  std::vector<const void*> seen;
  std::vector<const void*> known;
  T::Visit(observed, [&seen](const char*, const auto& field, Role) { seen.push_back(&field); });
  if (recorded != nullptr) {
    T::Visit(*recorded, [&known](const char*, const auto& field, Role) { known.push_back(&field); });
  }
  std::size_t i = 0;
  T::Visit(wish, [&](const char* name, const auto& field, Role role) {
    using Field = std::remove_cvref_t<decltype(field)>;
    const auto& now = *static_cast<const Field*>(seen[i]);
    const auto* record = recorded == nullptr ? nullptr : static_cast<const Field*>(known[i]);
    ++i;
    if constexpr (Visitable<Field>) {
      const std::string inner = std::is_same_v<T, VethAttributes> ? EndText(field) + " " : prefix;
      Compare(inner, field, now, record, out);
    } else {
      const std::string label = prefix + name;
      if (role == Role::kIdentity) return;
      if constexpr (std::is_same_v<Field, std::vector<OptionAttributes>>) {
        // Those of another type say nothing: it is made anew anyway.
        if (TypeOf(wish) == TypeOf(observed)) CompareOptions(TypeOf(wish), field, now, record, out);
        return;
      }
      if (role == Role::kFingerprint) {
        if (record != nullptr && !(*record == now)) out.push_back(Describe(label, "", "", role));
      } else if (role == Role::kRecorded) {
        if (record != nullptr && !(*record == field)) {
          if constexpr (std::is_same_v<T, NatAttributes> && std::is_same_v<Field, std::vector<std::string>>) {
            out.push_back(Describe(label, NatText(*record), NatText(field), role));
          } else {
            out.push_back(Describe(label, ValueText(*record), ValueText(field), role));
          }
        }
      } else if (IsOpen(field)) {
        // The file no longer says it: only a new object has the kernel's own choice again.
        if (record != nullptr && !IsOpen(*record)) {
          out.push_back(Describe(label, ValueText(*record), "unset", Role::kReplace));
        }
      } else if (!(now == field)) {
        out.push_back(Describe(label, ValueText(now), ValueText(field), role));
      }
    }
  });
}

/// Each field of `attributes` with the same field of `observed`, and its role.
template <Visitable T, class Each>
void ForEachPair(T& attributes, const T& observed, const Each& each) {
  std::vector<const void*> seen;
  T::Visit(observed, [&seen](const char*, const auto& field, Role) { seen.push_back(&field); });
  std::size_t i = 0;
  T::Visit(attributes, [&](const char*, auto& field, Role role) {
    using Field = std::remove_cvref_t<decltype(field)>;
    each(field, *static_cast<const Field*>(seen[i++]), role);
  });
}

template <Visitable T>
void TakeFingerprint(T& attributes, const T& observed) {
  ForEachPair(attributes, observed, [](auto& field, const auto& now, Role role) {
    if (role == Role::kFingerprint) field = now;
  });
}

template <Visitable T>
void TakeObserved(T& attributes, const T& observed) {
  ForEachPair(attributes, observed, [](auto& field, const auto& now, Role role) {
    // Whether it stands at all, and what it is, is not a value that could be written.
    constexpr bool kIsWhole = std::is_same_v<T, VethAttributes> || std::is_same_v<T, NamespaceAttributes>;
    if constexpr (Visitable<std::remove_cvref_t<decltype(field)>>) {
      TakeObserved(field, now);
    } else {
      const bool compared = role == Role::kInPlace || (role == Role::kReplace && !kIsWhole);
      if (compared && !IsOpen(field)) field = now;
    }
  });
}

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

std::string Difference::text() const {
  if (before.empty() && after.empty()) return field + " changed";
  return field + " " + before + " → " + after;
}

std::vector<Difference> Differences(const Attributes& wish, const Attributes& observed, const Attributes* recorded) {
  std::vector<Difference> out;
  assert(wish.index() == observed.index());
  std::visit(
      [&](const auto& typed) {
        using T = std::remove_cvref_t<decltype(typed)>;
        const T* record = recorded == nullptr ? nullptr : std::get_if<T>(recorded);
        Compare("", typed, std::get<T>(observed), record, out);
      },
      wish);
  return out;
}

Attributes WithFingerprint(Attributes attributes, const Attributes& observed) {
  assert(attributes.index() == observed.index());
  std::visit(
      [&observed](auto& typed) { TakeFingerprint(typed, std::get<std::remove_cvref_t<decltype(typed)>>(observed)); },
      attributes);
  return attributes;
}

Attributes AsObserved(Attributes attributes, const Attributes& observed) {
  assert(attributes.index() == observed.index());
  std::visit(
      [&observed](auto& typed) { TakeObserved(typed, std::get<std::remove_cvref_t<decltype(typed)>>(observed)); },
      attributes);
  return attributes;
}

}  // namespace runner
