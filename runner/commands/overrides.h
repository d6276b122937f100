// Links that a command changes for a while: up or down, or an impairment. The record tells such a change, an override,
// apart from what the file says: it is no drift, `status --heal` keeps it, and the next `up` ends it.
//
// All of this is done inside the lab (commands/inside.h, Entry::kUse) with the lab's lock held:
//
//     const Overrides before = TRY(ReadOverrides(inside, lab));
//     TRY(SetLinks(inside, lab, {{.node = "r1", .interface = "eth1", .to = LinkState::kDown}}));
//     …
//     TRY(PutBack(inside, lab, before));
#pragma once
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "commands/context.h"
#include "commands/drift.h"
#include "plan/plan.h"

namespace runner {

/// kAsInFile ends every override of the interface.
enum class LinkState { kUp, kDown, kAsInFile };

struct LinkSetting {
  std::string node;  // a node, a switch or bridge, or "host"
  std::string interface;
  std::variant<LinkState, Impairment> to;
};

/// All of `settings`, or none. What the kernel drops with a link that goes down comes back when it is set up. Whether
/// anything was changed.
Result<bool, Errors> SetLinks(const Context& inside, const std::string& lab, const std::vector<LinkSetting>& settings);

/// All cables of a node, for SetLinks.
Result<std::vector<LinkSetting>, Errors> LinksOfNode(const Context& inside, const std::string& lab,
                                                     const std::string& node, LinkState to);

/// What is overridden at some moment.
using Overrides = std::vector<Resource>;
Result<Overrides, Errors> ReadOverrides(const Context& inside, const std::string& lab);
/// Ends the overrides that have come since, and brings back those that have gone. Whether anything was changed.
Result<bool, Errors> PutBack(const Context& inside, const std::string& lab, const Overrides& before,
                             WhenInterrupted interrupted = WhenInterrupted::kStop);

// ---- What is told of them

/// `delay 20ms loss 1%`; "nothing" where there is none.
std::string ImpairmentText(const ImpairmentAttributes* impairment);
Json ImpairmentJson(const ImpairmentAttributes* impairment);

struct OverrideNote {
  NamespaceName ns;
  std::string dev;
  std::string interface;  // NODE:IFNAME
  std::string now;        // "down", "delay 20ms"
  std::string file;
  Json json;
  /// The cells of its line, as DriftRow.
  std::vector<std::string> Row() const;
};
std::vector<OverrideNote> OverridesIn(const Record& record);

}  // namespace runner
