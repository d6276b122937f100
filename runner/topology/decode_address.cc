// Addresses, prefixes to hand out, and impairments.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "topology/decode.h"
#include "topology/words.h"

namespace runner {
namespace {

const std::vector<std::string> kImpairmentKeys = {"delay", "jitter",    "correlation", "distribution",
                                                  "loss",  "duplicate", "corrupt",     "reorder",
                                                  "rate",  "limit",     "seed"};

std::optional<Address> DecodeAddress(const YamlNode& item, const Reporter& reporter) {
  Address address;
  address.at = item.at;
  const auto usable = [&](const IpPrefix& prefix, const YamlNode& node) {
    if (!prefix.address().is_multicast() && !prefix.address().is_unspecified()) return true;
    reporter.Wrong(node.at, fmt::format("{} is no address that an interface may have", Quote(prefix.text())));
    return false;
  };
  if (!item.is_map() || item.single_pair) {
    const auto prefix = ReadPrefix(item, "addresses", reporter, HostBits::kAllowed);
    if (!prefix || !usable(*prefix, item)) return std::nullopt;
    address.prefix = *prefix;
    return address;
  }
  const Fields fields(item, "addresses", reporter, {"address", "peer", "scope", "preferred", "dad"});
  const YamlNode* value = fields.Require("address");
  if (value == nullptr) return std::nullopt;
  const YamlNode* peer = fields.Find("peer");
  const auto prefix = ReadPrefix(*value, "address", reporter, HostBits::kAllowed,
                                 peer == nullptr ? BareAddress::kRefused : BareAddress::kAllowed);
  if (!prefix || !usable(*prefix, *value)) return std::nullopt;
  address.prefix = *prefix;
  if (peer != nullptr) {
    address.peer = ReadPrefix(*peer, "peer", reporter, HostBits::kAllowed, BareAddress::kAllowed);
    if (address.peer && address.peer->family() != prefix->family()) {
      reporter.Wrong(peer->at, fmt::format("\"peer\" is of another family than {}", Quote(prefix->text())));
    }
  }
  if (const auto scope = fields.Word("scope", kScopeWords)) address.scope = static_cast<Scope>(*scope);
  if (const YamlNode* preferred = fields.Find("preferred")) {
    if (!preferred->is_scalar() || preferred->text != "forever") {
      address.preferred = ReadNumber<std::uint32_t>(*preferred, "preferred", reporter, 0, 0xfffffffe);
    }
  }
  address.dad = fields.Bool("dad").value_or(false);
  return address;
}

std::optional<PrefixDraft> DecodePrefix(const YamlNode& value, Pools pools, const Reporter& reporter) {
  if (!value.is_map() || value.single_pair) {
    const auto prefix = ReadPrefix(value, "prefix", reporter, HostBits::kRefused);
    if (!prefix) return std::nullopt;
    return PrefixDraft{.prefix = *prefix, .length = {}, .at = value.at};
  }
  if (pools == Pools::kRefused) {
    reporter.WrongValue(value, "prefix", "a prefix (ADDR/LEN)", "only a link takes {pool, length}");
    return std::nullopt;
  }
  const Fields fields(value, "prefix", reporter, {"pool", "length"});
  const YamlNode* pool = fields.Require("pool");
  const YamlNode* length = fields.Require("length");
  if (pool == nullptr || length == nullptr) return std::nullopt;
  const auto prefix = ReadPrefix(*pool, "pool", reporter, HostBits::kRefused);
  if (!prefix) return std::nullopt;
  const auto bits = ReadNumber<int>(*length, "length", reporter, prefix->length(), prefix->address().bits());
  if (!bits) return std::nullopt;
  return PrefixDraft{.prefix = *prefix, .length = *bits, .at = value.at};
}

}  // namespace

std::vector<Address> DecodeAddresses(const YamlNode& list, const Reporter& reporter) {
  std::vector<Address> addresses;
  ReadList(list, "addresses", reporter, [&](const YamlNode& item) {
    if (auto address = DecodeAddress(item, reporter)) addresses.push_back(std::move(*address));
  });
  return addresses;
}

std::vector<PrefixDraft> DecodePrefixes(const YamlNode& value, Pools pools, const Reporter& reporter) {
  std::vector<PrefixDraft> prefixes;
  const auto add = [&](const YamlNode& item) {
    auto prefix = DecodePrefix(item, pools, reporter);
    if (!prefix) return;
    for (const PrefixDraft& other : prefixes) {
      if (other.prefix.family() != prefix->prefix.family()) continue;
      reporter.Wrong(item.at, "a second \"prefix\" of the same family", {{.at = other.at, .text = "the first"}});
      return;
    }
    prefixes.push_back(std::move(*prefix));
  };
  if (value.is_sequence()) {
    for (const YamlNode* item : value.items) add(*item);
  } else {
    add(value);
  }
  return prefixes;
}

bool IsImpairmentKey(std::string_view key) { return std::ranges::find(kImpairmentKeys, key) != kImpairmentKeys.end(); }

std::optional<Impairment> DecodeImpairment(const YamlNode& map, const Reporter& reporter) {
  const Fields fields(map, "impair", reporter, kImpairmentKeys);
  if (!fields.is_map()) return std::nullopt;
  Impairment impairment;
  impairment.at = map.at;
  impairment.delay_ns = fields.Get<std::int64_t>("delay", ReadDuration);
  impairment.jitter_ns = fields.Get<std::int64_t>("jitter", ReadDuration);
  const auto percent = [&](std::string_view key) { return fields.Get<double>(key, ReadPercent); };
  impairment.correlation = percent("correlation");
  impairment.loss = percent("loss");
  impairment.duplicate = percent("duplicate");
  impairment.corrupt = percent("corrupt");
  impairment.reorder = percent("reorder");
  const std::vector<std::string> distributions = {"normal", "pareto", "paretonormal", "uniform"};
  if (const auto word = fields.Word("distribution", distributions)) impairment.distribution = distributions[*word];
  impairment.rate_bits = fields.Get<std::uint64_t>("rate", ReadRate);
  impairment.limit = fields.Number<std::uint32_t>("limit", 1);
  impairment.seed = fields.Number<std::uint64_t>("seed", 0, std::numeric_limits<std::int64_t>::max());
  // netem takes a jitter and a reordering as changes of a delay only.
  for (const std::string_view key : {"jitter", "reorder"}) {
    const YamlNode* value = fields.Find(key);
    if (value != nullptr && fields.Find("delay") == nullptr && !fields.has_unknown()) {
      reporter.Wrong(value->at, fmt::format("{} needs a \"delay\"", Quote(key)));
    }
  }
  return impairment;
}

}  // namespace runner
