// What the kernel ends by itself after the last action: duplicate address detection.
#include <spdlog/spdlog.h>

#include <cerrno>

#include "exec/apply.h"
#include "kernel/dad.h"

namespace runner {
namespace {

// A random second, then one for each of the namespace's dad_transmits, of which more than a few are not usual.
constexpr std::chrono::seconds kLimit(10);

Error AddressError(const Resource& address, std::string why) {
  Error error = Fail("wait for duplicate address detection", std::move(why));
  error.where = address.id.text();
  error.at = address.at;
  return error;
}

std::optional<Error> Tell(const Resource& address, DadOutcome outcome) {
  switch (outcome) {
    case DadOutcome::kUnique:
      return std::nullopt;
    case DadOutcome::kDuplicate:
      return AddressError(address, "another host on the link has this address");
    case DadOutcome::kPending:
      return AddressError(address, "it has not ended after " + std::to_string(kLimit.count()) + " s");
    case DadOutcome::kGone:
      return AddressError(address, "the address is gone");
    case DadOutcome::kNoCarrier:
      spdlog::warn("{}: the link is down, so duplicates are looked for when it comes up", address.id.text());
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

Errors SettleAddresses(ApplyContext& context) {
  std::map<NamespaceName, std::vector<Resource>> by_namespace;
  for (Resource& resource : std::exchange(context.detecting, {})) {
    by_namespace[NamespaceOf(resource.attributes)].push_back(std::move(resource));
  }
  // All detect at the same time: one limit for all.
  const auto limit = std::chrono::steady_clock::now() + kLimit;
  Errors errors;
  for (const auto& [ns, addresses] : by_namespace) {
    const auto ask = [&context, limit, &ns = ns, &addresses = addresses]() -> Result<std::vector<DadOutcome>> {
      Session& session = *TRY(context.sessions.Get(ns));
      std::vector<DadQuestion> questions;
      for (const Resource& resource : addresses) {
        const auto& address = std::get<AddressAttributes>(resource.attributes);
        questions.push_back({.index = TRY(session.IndexOf(address.dev)), .prefix = address.prefix});
      }
      return WaitForDad(session.place(), questions, limit);
    };
    const auto outcomes = ask();
    if (!outcomes.ok()) {
      errors.push_back(outcomes.error());
      return errors;
    }
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      if (auto error = Tell(addresses[i], (*outcomes)[i])) errors.push_back(std::move(*error));
    }
  }
  return errors;
}

}  // namespace runner
