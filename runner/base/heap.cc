#include "base/heap.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace runner {
namespace {

constexpr int kStep = 64 << 20;
constexpr int kMostThatMallocTakes = 32 << 20;  // HEAP_MAX_SIZE / 2, above which it refuses a threshold
constexpr std::uintptr_t kHugePage = 2 << 20;

}  // namespace

void PrepareHeap() {
#ifdef __GLIBC__
  mallopt(M_TOP_PAD, kStep);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  // Large blocks too come from there.
  mallopt(M_MMAP_THRESHOLD, kMostThatMallocTakes);
  const auto begin = reinterpret_cast<std::uintptr_t>(sbrk(0));
  // The heap grows by a step; volatile, so that no compiler takes the pair for nothing.
  void* volatile block = std::malloc(kHugePage);
  std::free(block);
  const auto end = reinterpret_cast<std::uintptr_t>(sbrk(0));
  const std::uintptr_t first = (begin + kHugePage - 1) / kHugePage * kHugePage;
  // Refused by a kernel without huge pages: then it is small ones.
  if (first < end) madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);
#endif
}

}  // namespace runner
