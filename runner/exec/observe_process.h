// What stands of views, their files and processes, as the keepers say and their file systems show.
#pragma once
#include <map>
#include <optional>
#include <string>

#include "exec/observe.h"
#include "process/client.h"

namespace runner {

/// Asks each keeper once.
class KeeperReader {
 public:
  explicit KeeperReader(const ObserveContext& context) : context_(context) {}

  std::optional<Observed> See(const ViewAttributes& asked);
  Result<std::optional<Observed>> See(const ContentAttributes& asked);
  std::optional<Observed> See(const ProcessAttributes& asked);
  std::optional<Observed> See(const ConditionAttributes& asked);

 private:
  const process::KeeperState& StateOf(const std::string& node);
  const process::ProcessState* Find(const std::string& node, const std::string& process);
  /// In the network namespace that has the node's name now.
  bool IsInNode(const process::KeeperState& state, const NamespaceName& ns) const;

  const ObserveContext& context_;
  std::map<std::string, process::KeeperState> states_;
};

}  // namespace runner
