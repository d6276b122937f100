// What differs between two objects of a kind, field by field.
#pragma once
#include <string>
#include <vector>

#include "plan/resource.h"

namespace runner {

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
