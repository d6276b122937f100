// The language's words for a choice, which are ip(8)'s too, in the order of its enumeration.
#pragma once
#include <string>
#include <vector>

#include "topology/model.h"

namespace runner {

inline const std::vector<std::string> kScopeWords = {"global", "site", "link", "host"};
inline const std::vector<std::string> kRouteTypeWords = {"unicast",     "local",    "blackhole",
                                                         "unreachable", "prohibit", "throw"};
inline const std::vector<std::string> kRuleActionWords = {"lookup", "blackhole", "unreachable", "prohibit"};

inline const std::string& WordOf(Scope scope) { return kScopeWords.at(static_cast<std::size_t>(scope)); }
inline const std::string& WordOf(RouteType type) { return kRouteTypeWords.at(static_cast<std::size_t>(type)); }
inline const std::string& WordOf(RuleAction action) { return kRuleActionWords.at(static_cast<std::size_t>(action)); }

}  // namespace runner
