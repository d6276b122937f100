#include "plan/resource.h"

#include <array>

namespace runner {
namespace {

// In the order of Kind.
constexpr std::array<KindTraits, std::variant_size_v<Attributes>> kTraits = {{
    {.name = "folder", .is_setting = false, .dies_with_namespace = false, .is_final = true},
    {.name = "namespace", .is_setting = false, .dies_with_namespace = false, .is_final = true},
    {.name = "sysctl", .is_setting = true, .dies_with_namespace = true, .is_final = false},
    {.name = "bridge", .is_setting = false, .dies_with_namespace = true, .is_final = false},
    {.name = "link", .is_setting = false, .dies_with_namespace = true, .is_final = false},
    {.name = "tap", .is_setting = false, .dies_with_namespace = true, .is_final = false},
    {.name = "interface", .is_setting = true, .dies_with_namespace = true, .is_final = false},
    {.name = "state", .is_setting = true, .dies_with_namespace = true, .is_final = false},
    {.name = "address", .is_setting = false, .dies_with_namespace = true, .is_final = false},
    {.name = "route", .is_setting = false, .dies_with_namespace = true, .is_final = false},
    {.name = "rule", .is_setting = false, .dies_with_namespace = true, .is_final = false},
    {.name = "neighbour", .is_setting = false, .dies_with_namespace = true, .is_final = false},
    {.name = "nat", .is_setting = false, .dies_with_namespace = true, .is_final = false},
    {.name = "nftables", .is_setting = false, .dies_with_namespace = true, .is_final = false},
    {.name = "file", .is_setting = false, .dies_with_namespace = false, .is_final = false},
    {.name = "uplink", .is_setting = false, .dies_with_namespace = false, .is_final = false},
    {.name = "port", .is_setting = false, .dies_with_namespace = false, .is_final = false},
    {.name = "exec", .is_setting = false, .dies_with_namespace = true, .is_final = true},
    {.name = "device", .is_setting = false, .dies_with_namespace = true, .is_final = false},
    {.name = "impairment", .is_setting = false, .dies_with_namespace = true, .is_final = false},
    {.name = "vlans", .is_setting = true, .dies_with_namespace = true, .is_final = false},
    {.name = "fdb", .is_setting = false, .dies_with_namespace = true, .is_final = false},
    {.name = "peer", .is_setting = false, .dies_with_namespace = true, .is_final = false},
    // What the host lent must be back before its place goes.
    {.name = "physical", .is_setting = true, .dies_with_namespace = false, .is_final = false},
    {.name = "view", .is_setting = false, .dies_with_namespace = false, .is_final = false},
    {.name = "content", .is_setting = false, .dies_with_namespace = true, .is_final = false},
    {.name = "process", .is_setting = false, .dies_with_namespace = false, .is_final = false},
    {.name = "condition", .is_setting = false, .dies_with_namespace = true, .is_final = false},
}};

struct FindNamespace {
  const NamespaceName& operator()(const NamespaceAttributes& a) const { return a.name; }
  const NamespaceName& operator()(const BridgeAttributes& a) const { return a.device.ns; }
  const NamespaceName& operator()(const TapAttributes& a) const { return a.device.ns; }
  const NamespaceName& operator()(const LinkAttributes& a) const { return a.device.ns; }
  const NamespaceName& operator()(const InterfaceAttributes& a) const { return a.device.ns; }
  const NamespaceName& operator()(const PhysicalAttributes& a) const { return a.device.ns; }
  const NamespaceName& operator()(const VethAttributes& a) const { return a.a.ns; }
  template <class T>
  const NamespaceName& operator()(const T& a) const {
    return a.ns;
  }
};

}  // namespace

const KindTraits& Traits(Kind kind) { return kTraits[static_cast<std::size_t>(kind)]; }

bool IsOnNetwork(Kind kind) {
  return kind == Kind::kView || kind == Kind::kContent || kind == Kind::kProcess || kind == Kind::kCondition;
}

std::string ResourceId::text() const { return std::string(Traits(kind).name) + " " + name; }

std::optional<ResourceId> ResourceId::Parse(std::string_view text) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  for (std::size_t i = 0; i < kTraits.size(); ++i) {
    if (text.substr(0, space) == kTraits[i].name) {
      return ResourceId{.kind = static_cast<Kind>(i), .name = std::string(text.substr(space + 1))};
    }
  }
  return std::nullopt;
}

const NamespaceName& NamespaceOf(const Attributes& attributes) { return std::visit(FindNamespace{}, attributes); }

std::vector<NamespaceName> NamespacesOf(const Attributes& attributes) {
  if (const auto* veth = std::get_if<VethAttributes>(&attributes)) return {veth->a.ns, veth->b.ns};
  return {NamespaceOf(attributes)};
}

}  // namespace runner
