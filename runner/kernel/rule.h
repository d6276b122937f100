// Policy routing rules.
#pragma once
#include <linux/fib_rules.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "kernel/mark.h"
#include "kernel/netlink.h"

namespace runner {

struct RuleInfo {
  Family family = Family::kIpv4;
  std::uint32_t priority = 0;
  std::optional<IpPrefix> from = {};
  std::optional<IpPrefix> to = {};
  std::string iif = {};
  std::string oif = {};
  std::optional<std::uint32_t> fwmark = {};
  std::optional<std::uint32_t> fwmask = {};  // absent: all bits, if there is a mark
  std::uint32_t table = 0;                   // with FR_ACT_TO_TBL
  std::uint8_t action = FR_ACT_TO_TBL;       // FR_ACT_…
  std::uint8_t protocol = kProtocol;
  friend bool operator==(const RuleInfo&, const RuleInfo&) = default;
};

/// All rules of both families, the kernel's own too (protocol RTPROT_KERNEL).
Result<std::vector<RuleInfo>> ReadRules(NetlinkSocket& socket);
/// EEXIST when there is one like it: without that check the kernel would keep two.
Status AddRule(NetlinkSocket& socket, const RuleInfo& rule);
/// ENOENT when there is none.
Status DeleteRule(NetlinkSocket& socket, const RuleInfo& rule);

}  // namespace runner
