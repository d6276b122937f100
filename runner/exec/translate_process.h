// Views and processes between the plan's words and the keeper's.
#pragma once
#include <string>

#include "plan/resource.h"
#include "process/spec.h"

namespace runner {

/// Where a keeper keeps its things, which the plan does not know of.
struct KeeperPlace {
  std::string lab = {};
  std::string state_folder = {};
  std::string node_files = {};
};
process::KeeperSpec KeeperSpecFrom(const ViewAttributes& view, const KeeperPlace& place);
ViewAttributes ViewFrom(const process::KeeperSpec& spec, const ViewAttributes& asked);

process::ProcessSpec ProcessSpecFrom(const ProcessAttributes& process);
ProcessAttributes ProcessFrom(const process::ProcessSpec& spec, const ProcessAttributes& asked);

/// "0644" and back.
mode_t ModeFrom(const std::string& text);
std::string ModeText(mode_t mode);

}  // namespace runner
