// Attributes as fields: to JSON and back (the journal, `--json`), and what differs between two of them.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "plan/resource.h"

namespace runner {

Json EncodeAttributes(const Attributes& attributes);
/// Unknown fields are ignored, missing ones keep their defaults; a wrong type is an error that names the field.
Result<Attributes> DecodeAttributes(Kind kind, const Json& json);

Json EncodeResource(const Resource& resource);
Result<Resource> DecodeResource(const Json& json);

/// A rule as the node carries it out.
struct NatLine {
  NatRule rule;
  /// Of a forward that meets the target's neighbours too: the segment that they are in.
  std::optional<IpPrefix> hairpin = {};
};
/// One line of JSON and back, for NatAttributes::rules.
std::string EncodeNatRule(const NatLine& line);
Result<NatLine> DecodeNatRule(std::string_view text);

/// One field that is not as it should be; `field` has the end in front for a cable: "r1:eth0 mtu".
struct Difference {
  std::string field;
  std::string before;
  std::string after;
  Role role = Role::kInPlace;
  friend bool operator==(const Difference&, const Difference&) = default;
  /// `mtu 1500 → 1400`
  std::string text() const;
};

/// Where `observed` is not as `wish` says. A field that the wish leaves open does not count. Fields that the kernel
/// cannot tell are compared with `recorded`; without a record they count as equal. Fingerprints are compared between
/// record and kernel.
std::vector<Difference> Differences(const Attributes& wish, const Attributes& observed, const Attributes* recorded);

/// `attributes`, but each field that can be compared with the kernel as `observed` shows it. What `attributes` leaves
/// open stays open.
Attributes AsObserved(Attributes attributes, const Attributes& observed);

/// `attributes` with the kernel's renderings (Role::kFingerprint) of `observed`.
Attributes WithFingerprint(Attributes attributes, const Attributes& observed);

}  // namespace runner
