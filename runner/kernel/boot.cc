#include "kernel/boot.h"

#include "base/fd.h"

namespace runner {

Result<std::string> BootId() {
  std::string id = TRY(ReadFile("/proc/sys/kernel/random/boot_id"));
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

}  // namespace runner
