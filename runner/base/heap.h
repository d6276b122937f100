// The process's memory for a run on a large lab.
#pragma once

namespace runner {

/// Takes memory from the system in large steps and in huge pages where there are any (madvise(2), mallopt(3)), and
/// gives none back before the end: a run on a thousand nodes touches forty megabytes once, page by page a sixth of its
/// time. For commands that end soon; a process that stays is not to hold so much.
void PrepareHeap();

}  // namespace runner
