#include "exec/preflight.h"

#include <fmt/format.h>

#include "base/fd.h"
#include "base/text.h"
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

}  // namespace

Errors CheckMachine(const Plan& plan) {
  Errors errors;
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
