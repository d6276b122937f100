// The process's memory for a run on a large lab.
#pragma once

namespace runner {

/// Lays out the heap at once, in huge pages where the kernel has them (mallopt(3), madvise(2) MADV_HUGEPAGE), and keeps
/// it to the end: a run on a thousand nodes touches forty megabytes once, and where it has nothing to do a third of its
/// time went to getting them page by page. What is not touched costs addresses only. Nothing is done where those are
/// limited (RLIMIT_AS, RLIMIT_DATA) or refused. For commands that end soon.
void PrepareHeap();

}  // namespace runner
