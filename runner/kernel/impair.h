// What slows, loses and limits the packets that leave an interface: tc-netem(8), and tc-tbf(8) where a rate is all.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernel/netlink.h"

namespace runner {

/// Shares are in units of 2^-32, as the kernel counts them.
struct NetemSettings {
  std::int64_t delay_ns = 0;
  std::int64_t jitter_ns = 0;
  std::uint32_t correlation = 0;  // of each delay with the one before
  std::uint32_t loss = 0;
  std::uint32_t duplicate = 0;
  std::uint32_t corrupt = 0;
  std::uint32_t reorder = 0;
  std::uint64_t rate = 0;                  // bytes a second; 0: no limit
  std::uint32_t limit = 0;                 // packets; 0: the default, 1000
  std::optional<std::uint64_t> seed = {};  // from Linux 6.6 on
  std::string distribution = {};  // normal, pareto, paretonormal, uniform; empty: uniform. The kernel does not tell it
  friend bool operator==(const NetemSettings&, const NetemSettings&) = default;
  /// Nothing but a rate: tbf can do it too.
  bool is_rate_alone() const;
};

/// The queueing discipline at an interface's root that somebody set; the kernel's own defaults are left out.
struct RootQdisc {
  int index = 0;  // the interface
  std::uint32_t handle = 0;
  std::string kind = {};
  NetemSettings netem = {};  // of kind netem; of tbf its rate
};

Result<std::vector<RootQdisc>> ReadRootQdiscs(NetlinkSocket& socket);

/// The handle of what we set: it tells ours from others' on interfaces that are not ours.
constexpr std::uint32_t kImpairHandle = 213U << 16;

/// Puts the impairment at the root, in place of what stands there. Where the kernel has no netem, tbf does what it can;
/// else fails with the kernel's answer to netem.
Status SetImpairment(NetlinkSocket& socket, int index, const NetemSettings& settings);
/// The interface's default again. Nothing there is success.
Status ClearImpairment(NetlinkSocket& socket, int index);

/// A table of `distribution` as netem takes it: 16-bit quantiles, 8192 to the standard deviation; empty for uniform.
std::vector<std::int16_t> DistributionTable(const std::string& distribution);

}  // namespace runner
