#include "plan/difference.h"

#include <algorithm>
#include <cassert>

#include "base/link_types.h"
#include "plan/codec.h"
#include "plan/encode.h"
#include "topology/words.h"

namespace runner {
namespace {

/// A NAT rule as the file has it.
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
std::string ValueText(Scope value) { return WordOf(value); }
std::string ValueText(RouteType value) { return WordOf(value); }
std::string ValueText(RuleAction value) { return WordOf(value); }
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
