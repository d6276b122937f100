#include "process/children.h"

#include <sys/wait.h>

#include <utility>

namespace runner::process {

void Children::Reap() {
  while (true) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return;
    const auto found = expected_.find(pid);
    if (found == expected_.end()) continue;
    const OnEnd on_end = std::move(found->second);
    expected_.erase(found);
    on_end(status);
  }
}

}  // namespace runner::process
