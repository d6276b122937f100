#include "exec/preflight.h"

#include <cerrno>
#include <map>

#include <fmt/format.h>

#include "base/fd.h"
#include "base/text.h"
#include "exec/translate.h"
#include "machine/machine.h"

namespace runner {
namespace {

Error Refusal(const Resource& resource, std::string tried, const std::string& why, const std::string& remedy) {
  Error error = Fail(std::move(tried), why + "; " + remedy);
  error.where = resource.id.text();
  error.at = resource.at;
  return error;
}

/// How many network namespaces this user may have; nothing where the machine does not tell.
std::optional<std::int64_t> MostNamespaces() {
  const auto text = ReadFile("/proc/sys/user/max_net_namespaces");
  if (!text) return std::nullopt;
  return ParseInteger(std::string_view(*text).substr(0, text->find('\n')));
}

/// What an object needs of the kernel beyond what every lab does, as machine/links.h calls it; empty: nothing.
struct FindNeed {
  std::string operator()(const LinkAttributes& link) const {
    return link.type == "tap" || link.type == "tun" ? "" : "link " + link.type;
  }
  std::string operator()(const BridgeAttributes& bridge) const { return bridge.vlan_filtering ? "VLAN filtering" : ""; }
  std::string operator()(const VlansAttributes& /*vlans*/) const { return "VLAN filtering"; }
  std::string operator()(const ImpairmentAttributes& impairment) const {
    return NetemFrom(impairment).is_rate_alone() ? "rate limit" : "impairment";
  }
  std::string operator()(const RouteAttributes& route) const {
    if (route.label) return "label routing";
    return route.encap.empty() ? "" : "encap " + route.encap.substr(0, route.encap.find(' '));
  }
  template <class T>
  std::string operator()(const T& /*other*/) const {
    return "";
  }
};

/// Each place of the file that asks for what the kernel lacks, by a trial in a scratch namespace; only what the plan
/// needs is tried.
Errors CheckKernel(const Plan& plan) {
  std::map<std::string, std::vector<const Resource*>> needs;
  for (const Action& action : plan.actions) {
    if (action.verb != Verb::kCreate && action.verb != Verb::kChange) continue;
    const std::string need = std::visit(FindNeed{}, action.resource.attributes);
    if (!need.empty()) needs[need].push_back(&action.resource);
  }
  std::vector<std::string> names;
  for (const auto& [name, resources] : needs) names.push_back(name);
  Errors errors;
  for (const machine::Feature& feature : machine::ProbeNeeds(names)) {
    if (feature.level != machine::Level::kMissing) continue;
    // One line of the file may stand for a thousand objects.
    std::map<Position, std::vector<const Resource*>> places;
    for (const Resource* resource : needs[feature.name]) places[resource->at].push_back(resource);
    for (const auto& [at, asked] : places) {
      errors.push_back(Refusal(*asked.front(), "use " + feature.name, feature.detail, feature.remedy));
      if (asked.size() > 1) errors.back().where += fmt::format(" and {} more", asked.size() - 1);
      errors.back().code = EOPNOTSUPP;
    }
  }
  return errors;
}

}  // namespace

Errors CheckMachine(const Plan& plan) {
  Errors errors = CheckKernel(plan);
  const Resource* tap = nullptr;
  const Resource* last = nullptr;
  std::int64_t namespaces = 0;
  for (const Action& action : plan.actions) {
    if (action.verb != Verb::kCreate) continue;
    const Resource& resource = action.resource;
    if (std::holds_alternative<TapAttributes>(resource.attributes) && tap == nullptr) tap = &resource;
    const auto* place = std::get_if<NamespaceAttributes>(&resource.attributes);
    if (place == nullptr || !place->attach.empty()) continue;
    ++namespaces;
    last = &resource;
  }
  if (tap != nullptr) {
    const machine::Feature feature = machine::ProbeTap();
    if (feature.level != machine::Level::kWorks) {
      errors.push_back(Refusal(*tap, "make the tap", feature.detail, feature.remedy));
    }
  }
  if (const auto most = MostNamespaces(); last != nullptr && most && namespaces > *most) {
    errors.push_back(Refusal(*last, fmt::format("make {} network namespaces", namespaces),
                             fmt::format("this machine allows {}", *most),
                             fmt::format("sysctl user.max_net_namespaces={}", namespaces * 2)));
  }
  return errors;
}

}  // namespace runner
