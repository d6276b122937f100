#include "main/version.h"

#include <fmt/format.h>
#include <spdlog/version.h>

#include "uplink/slirp_stack.h"

namespace runner {

std::string VersionText() {
  return fmt::format("toporun {}\nlibslirp {}\nlibnl {}\nlibnftables {}\nyaml-cpp {}\nfmt {}.{}.{}\nspdlog {}.{}.{}\n",
                     TOPORUN_VERSION, SlirpStack::Version(), LIBNL_BUILD_VERSION, NFTABLES_BUILD_VERSION,
                     YAML_CPP_BUILD_VERSION, FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100,
                     SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH);
}

}  // namespace runner
