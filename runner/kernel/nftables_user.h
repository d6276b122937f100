// The user's own nftables text: checked where it can do no harm, loaded in one batch in place of what a former load
// made, and remembered by the tables that came of it.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json_fwd.h"
#include "kernel/nftables.h"

namespace runner::kernel {

/// Whose tables stand in the namespace beside those that the runner makes. In the lab's own namespace the text may
/// say `flush ruleset`; in one that existed before (a node with `attach`, the host) a text that would take or change
/// other people's tables is refused.
enum class NamespaceOwner { kLab, kSomebodyElse };

struct UserRules {
  std::string text;
  std::vector<TableId> old_tables = {};  // what the former load made: replaced
  std::vector<TableId> own_tables = {};  // the runner's: as they were, whatever the text says
  NamespaceOwner owner = NamespaceOwner::kLab;
  std::vector<std::string> interfaces = {};  // those of the namespace, for a try elsewhere: `iif eth0` needs an eth0
};

struct LoadedTable {
  TableId id;
  std::string listing;  // NormalListing of it
  friend bool operator==(const LoadedTable&, const LoadedTable&) = default;
};

/// Replaces `old_tables` by what the text makes, all in one batch, and returns the tables that came of it. The
/// runner's own tables outlive a `flush ruleset` in the text: they are put back in the same batch as they stood.
/// Errors have their place in the text in `at` (see NftWorker).
Result<std::vector<LoadedTable>> LoadUserRules(NftWorker& worker, int ns_fd, const UserRules& rules);

/// Whether the text would load in a namespace with these interfaces; touches nothing.
Status CheckUserRules(NftWorker& worker, const UserRules& rules);

/// The tables as they are now, in the order asked for; a table that is gone is left out.
Result<std::vector<LoadedTable>> ReadTables(NftWorker& worker, int ns_fd, const std::vector<TableId>& tables);

}  // namespace runner::kernel
