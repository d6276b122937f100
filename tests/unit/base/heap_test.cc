#include "base/heap.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

namespace runner {
namespace {

// What a sanitizer's own allocator does not show.
#if !defined(__has_feature)
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
constexpr bool kOwnHeap = false;
#else
constexpr bool kOwnHeap = true;
#endif

/// Whether `holds` is true in a process of its own, whose heap is nobody else's.
bool InChild(const std::function<bool()>& holds) {
  const pid_t child = fork();
  if (child == 0) _exit(holds() ? 0 : 1);
  int status = -1;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// So many bytes can be had, written, grown and given back.
bool Serves(std::size_t size) {
  std::string text(size, 'a');
  text.resize(2 * size, 'b');
  std::vector<std::string> many(1000, std::string(1000, 'c'));
  many.clear();
  return text[size - 1] == 'a' && text[2 * size - 1] == 'b';
}

std::ptrdiff_t Growth(const std::function<void()>& work) {
  const auto* before = static_cast<const char*>(sbrk(0));
  work();
  return static_cast<const char*>(sbrk(0)) - before;
}

TEST(Heap, IsLaidOutOnce) {
  if (!kOwnHeap) GTEST_SKIP() << "needs the system's allocator";
  EXPECT_TRUE(InChild([] {
    const bool laid_out = Growth(PrepareHeap) > (100 << 20);
    // A block that would have had a mapping of its own.
    return laid_out && Growth([] { Serves(20 << 20); }) == 0;
  }));
}

TEST(Heap, GrowsBeyondWhatWasLaidOut) {
  EXPECT_TRUE(InChild([] {
    PrepareHeap();
    constexpr std::size_t kLarger = std::size_t{700} << 20;
    // Written at both ends only: it is the addresses that count.
    auto* const block = static_cast<volatile char*>(std::malloc(kLarger));
    if (block == nullptr) return false;
    block[0] = 'a';
    block[kLarger - 1] = 'a';
    const bool is_kept = block[0] == 'a' && block[kLarger - 1] == 'a';
    std::free(const_cast<char*>(block));
    return is_kept && Serves(1 << 20);
  }));
}

TEST(Heap, IsLeftAloneWhereAddressesAreLimited) {
  if (!kOwnHeap) GTEST_SKIP() << "a sanitizer needs more addresses than any limit";
  for (const auto resource : {RLIMIT_AS, RLIMIT_DATA}) {
    EXPECT_TRUE(InChild([resource] {
      // More than would be laid out: that it is limited is enough.
      constexpr rlim_t kMost = rlim_t{2} << 30;
      const rlimit limit = {.rlim_cur = kMost, .rlim_max = kMost};
      if (setrlimit(resource, &limit) != 0) return false;
      return Growth(PrepareHeap) == 0 && Serves(20 << 20);
    }));
  }
}

}  // namespace
}  // namespace runner
