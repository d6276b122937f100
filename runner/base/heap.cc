#include "base/heap.h"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace runner {
namespace {

constexpr int kHeap = 512 << 20;
constexpr int kLaterStep = 128 << 10;  // as it is by default
constexpr std::uintptr_t kHugePage = 2 << 20;

bool IsLimited(__rlimit_resource resource) {
  rlimit limit = {};
  return getrlimit(resource, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY;
}

}  // namespace

void PrepareHeap() {
#ifdef __GLIBC__
  if (IsLimited(RLIMIT_AS) || IsLimited(RLIMIT_DATA)) return;
  // Large blocks too come from the heap, and it does not shrink.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, 2 * kHeap - 1);
  mallopt(M_TOP_PAD, kHeap);
  const auto begin = reinterpret_cast<std::uintptr_t>(sbrk(0));
  // Makes it grow; volatile, so that no compiler takes the pair for nothing.
  void* volatile block = std::malloc(kHugePage);
  std::free(block);
  mallopt(M_TOP_PAD, kLaterStep);
  const auto end = reinterpret_cast<std::uintptr_t>(sbrk(0));
  const std::uintptr_t first = (begin + kHugePage - 1) / kHugePage * kHugePage;
  // Refused by a kernel without huge pages: then it is small ones.
  if (first < end) madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);
#endif
}

}  // namespace runner
