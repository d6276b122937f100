// `defaults` and `groups`: what a node does not say itself, taken over before anything is decoded.
#pragma once
#include "topology/yaml.h"

namespace runner {

/// `own` over `inherited`, both the fields of a node: maps merge, scalars and lists replace, null takes away, and
/// what makes sense only as a whole replaces as a whole. Shares every node that stays as it was.
const YamlNode* Inherit(const YamlNode& own, const YamlNode& inherited, YamlTree& tree);

}  // namespace runner
