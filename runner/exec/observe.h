// What the kernel shows of a lab: one visit to each namespace, each kind of object dumped once and only if asked for.
#pragma once
#include <set>
#include <unordered_map>

#include "exec/key_ring.h"
#include "exec/linux_backend.h"
#include "exec/session.h"
#include "kernel/nftables.h"
#include "plan/plan.h"

namespace runner {

/// One end of a cable, as it was seen at a visit to its namespace.
struct SeenEnd {
  std::optional<DeviceAttributes> device = {};
  int index = 0;
  int peer = 0;
  Observed::Owner owner = Observed::Owner::kUnknown;
};

/// What a run remembers from one look to the next.
struct Lookback {
  std::set<NamespaceName> touched = {};                                   // by plans since the first look
  std::unordered_map<ResourceId, std::pair<SeenEnd, SeenEnd>> ends = {};  // of cables
};

struct ObserveContext {
  const BackendOptions& options;
  SessionPool& sessions;
  kernel::NftWorker& nft;
  Secrets& secrets;
  Lookback& lookback;
};

/// With `first`, an earlier answer of the same run to the same questions, namespaces that no plan has touched since are
/// not visited again.
Result<Observation> ObserveKernel(const ObserveContext& context, const Graph& wish, const Record& record,
                                  const Observation* first = nullptr);

/// The value of one setting now; nothing where it cannot be read.
std::optional<Attributes> ReadSetting(const ObserveContext& context, const Resource& resource);

}  // namespace runner
