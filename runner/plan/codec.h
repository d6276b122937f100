// Attributes as fields: to JSON and back (the journal, `--json`).
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

}  // namespace runner
