#include "kernel/netconf.h"

#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <optional>

namespace runner {

Result<bool> ReadForwarding(NetlinkSocket& socket, int family) {
  const std::string tried = family == AF_INET ? "read whether IPv4 is forwarded" : "read whether IPv6 is forwarded";
  NetlinkMessage message(RTM_GETNETCONF, 0);
  netconfmsg header{};
  header.ncm_family = static_cast<std::uint8_t>(family);
  message.Append(header);
  message.PutU32(NETCONFA_IFINDEX, static_cast<std::uint32_t>(NETCONFA_IFINDEX_ALL));
  std::optional<std::uint32_t> forwarding;
  Status asked = socket.Get(message, tried, [&](const nlmsghdr& answer) -> Status {
    forwarding = NetlinkAttributes::Of(answer, sizeof header, NETCONFA_MAX).U32(NETCONFA_FORWARDING);
    return {};
  });
  if (!asked.ok() && (asked.error().code == EOPNOTSUPP || asked.error().code == EAFNOSUPPORT)) return false;
  TRY(std::move(asked));
  if (!forwarding) return Fail(tried, "the kernel does not tell");
  return *forwarding != 0;
}

}  // namespace runner
