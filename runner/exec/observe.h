// What the kernel shows of a lab: one visit to each namespace, each kind of object dumped once and only if asked for.
#pragma once
#include "exec/key_ring.h"
#include "exec/linux_backend.h"
#include "exec/session.h"
#include "kernel/nftables.h"
#include "plan/plan.h"

namespace runner {

struct ObserveContext {
  const BackendOptions& options;
  SessionPool& sessions;
  kernel::NftWorker& nft;
  Secrets& secrets;
};

Result<Observation> ObserveKernel(const ObserveContext& context, const Graph& wish, const Record& record);

/// The value of one setting now; nothing where it cannot be read.
std::optional<Attributes> ReadSetting(const ObserveContext& context, const Resource& resource);

}  // namespace runner
