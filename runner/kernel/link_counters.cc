#include "kernel/link_counters.h"

#include <linux/gen_stats.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>

namespace runner {

Result<std::vector<LinkCounters>> ReadLinkCounters(NetlinkSocket& socket) {
  NetlinkMessage message(RTM_GETLINK, 0);
  message.Append(ifinfomsg{});
  std::vector<LinkCounters> all;
  TRY(socket.Dump(message, "read counters of links", [&](const nlmsghdr& answer) -> Status {
    const auto* header = FixedPart<ifinfomsg>(answer);
    if (answer.nlmsg_type != RTM_NEWLINK || header == nullptr) return {};
    const auto attributes = NetlinkAttributes::Of(answer, sizeof *header, IFLA_MAX);
    // The kernel's structure grows from version to version, at its end.
    rtnl_link_stats64 stats{};
    const std::string_view bytes = attributes.Bytes(IFLA_STATS64);
    if (!bytes.empty()) std::memcpy(&stats, bytes.data(), std::min(bytes.size(), sizeof stats));
    all.push_back({.index = header->ifi_index,
                   .name = attributes.String(IFLA_IFNAME).value_or(""),
                   .up = (header->ifi_flags & IFF_UP) != 0,
                   .carrier = (header->ifi_flags & IFF_LOWER_UP) != 0,
                   .received = stats.rx_bytes,
                   .sent = stats.tx_bytes,
                   .dropped = stats.rx_dropped + stats.tx_dropped});
    return {};
  }));
  return all;
}

Result<std::map<int, std::uint64_t>> ReadQueueDrops(NetlinkSocket& socket) {
  NetlinkMessage message(RTM_GETQDISC, 0);
  message.Append(tcmsg{});
  std::map<int, std::uint64_t> drops;
  TRY(socket.Dump(message, "read counters of queues", [&](const nlmsghdr& answer) -> Status {
    const auto* header = FixedPart<tcmsg>(answer);
    if (answer.nlmsg_type != RTM_NEWQDISC || header == nullptr || header->tcm_parent != TC_H_ROOT) return {};
    const auto attributes = NetlinkAttributes::Of(answer, sizeof *header, TCA_MAX);
    const std::string_view bytes = attributes.Nested(TCA_STATS2, TCA_STATS_MAX).Bytes(TCA_STATS_QUEUE);
    gnet_stats_queue queue{};
    if (!bytes.empty()) std::memcpy(&queue, bytes.data(), std::min(bytes.size(), sizeof queue));
    drops[header->tcm_ifindex] = queue.drops;
    return {};
  }));
  return drops;
}

}  // namespace runner
