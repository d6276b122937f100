// Interfaces: read, made, changed, deleted. Every creating message is exclusive and makes its object whole.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/mac.h"
#include "kernel/link_options.h"
#include "kernel/netlink.h"

namespace runner {

/// Settings of a bridge device; what is absent is left as it is, or as the kernel makes it.
struct BridgeSettings {
  std::optional<bool> stp = {};
  std::optional<std::uint16_t> priority = {};
  std::optional<std::uint32_t> ageing = {};  // seconds
  std::optional<bool> vlan_filtering = {};
  friend bool operator==(const BridgeSettings&, const BridgeSettings&) = default;
};

/// The kernel counts a bridge's times in ticks of USER_HZ, which is 100 on all that we run on.
constexpr std::uint32_t kBridgeTicksPerSecond = 100;

struct LinkInfo {
  int index = 0;
  std::string name = {};
  std::string kind = {};  // IFLA_INFO_KIND ("veth", "bridge", …); empty for lo and hardware
  bool is_tun = false;    // of kind "tun": without Ethernet, else a tap
  std::uint32_t mtu = 0;
  MacAddress mac = {};                   // zero where the device has no Ethernet address
  bool up = false;                       // as set (IFF_UP)
  bool carrier = false;                  // as it is (IFF_LOWER_UP)
  bool loopback = false;                 // IFF_LOOPBACK
  int master = 0;                        // 0: none
  int peer = 0;                          // IFLA_LINK: the other end of a veth, the parent of a vlan; 0: none
  std::optional<int> link_netnsid = {};  // the id, here, of the namespace that `peer` is an index in; absent: this one
  std::uint32_t group = 0;
  std::string alias = {};
  std::uint32_t txqueuelen = 0;
  std::optional<BridgeSettings> bridge = {};  // of a bridge, all set
  LinkOptions options = {};                   // of a type in base/link_types.h, all that the kernel tells
  std::string master_kind = {};  // IFLA_INFO_SLAVE_KIND: what it is a port of; empty: nothing with settings for ports
  std::optional<bool> ipv4_forwarding = {};  // absent where the kernel does not tell it with the link
  std::optional<bool> ipv6_forwarding = {};
  std::optional<bool> disable_ipv6 = {};
  std::optional<bool> ipv6_eui64 = {};  // the kernel makes a link-local address from the MAC (addr_gen_mode 0)
  friend bool operator==(const LinkInfo&, const LinkInfo&) = default;
};

/// All interfaces of the socket's namespace, by index.
Result<std::vector<LinkInfo>> ReadLinks(NetlinkSocket& socket);
/// One of them; nothing when there is none of that name.
Result<std::optional<LinkInfo>> ReadLink(NetlinkSocket& socket, const std::string& name);

/// What a creating message may say of any kind of interface. Absent: as the kernel chooses.
struct LinkSettings {
  const Namespace* place = nullptr;  // nullptr: the socket's own
  std::string name = {};
  int index = 0;  // 0: the kernel chooses
  std::optional<std::uint32_t> mtu = {};
  std::optional<MacAddress> mac = {};
  std::optional<std::uint32_t> txqueuelen = {};
  std::optional<std::uint32_t> group = {};
  bool up = false;
  int master = 0;  // in the place that the link is made in
  int link = 0;    // IFLA_LINK: what it stands on, in the socket's own place; 0: nothing
};

/// One end of a veth. The kernel honours `up` and `master` at the first end only; at the second they are refused here.
using VethEnd = LinkSettings;

/// Makes both ends with one message: each appears in its own namespace, nowhere else on the way, or neither does. An
/// index of `second` counts only when `first` has one too.
Status CreateVeth(NetlinkSocket& socket, const VethEnd& first, const VethEnd& second);

Status CreateBridge(NetlinkSocket& socket, const LinkSettings& link, const BridgeSettings& settings);

/// Makes an interface of any kind; `data` writes what belongs into IFLA_INFO_DATA.
Status CreateLink(NetlinkSocket& socket, const LinkSettings& link, const std::string& kind,
                  const std::function<void(NetlinkMessage&)>& data = {});
/// The same of a type in base/link_types.h.
Status CreateLink(NetlinkSocket& socket, const LinkSettings& link, const std::string& type, const LinkOptions& options);
/// Changes settings of the type; where the type is `changed_whole`, `options` are all of them.
Status ChangeLinkOptions(NetlinkSocket& socket, int index, const std::string& type, const LinkOptions& options);

/// What is absent stays as it is. One message, yet no transaction: after a failure a part may be done.
struct LinkUpdate {
  std::optional<std::string> name = {};  // the kernel may refuse it while the link is up
  std::optional<std::uint32_t> mtu = {};
  std::optional<MacAddress> mac = {};
  std::optional<bool> up = {};
  std::optional<int> master = {};         // 0: leave the master
  std::optional<std::string> alias = {};  // empty: none
  std::optional<std::uint32_t> group = {};
  std::optional<std::uint32_t> txqueuelen = {};
  std::optional<BridgeSettings> bridge = {};
  const Namespace* place = nullptr;  // move it there
};

Status ChangeLink(NetlinkSocket& socket, int index, const LinkUpdate& change);

/// Fails with ENODEV when it is gone.
Status DeleteLink(NetlinkSocket& socket, int index);
/// All links of a group (IFLA_GROUP) of the socket's namespace at once: the kernel waits for its readers once, not once
/// a link. ENODEV when there is none; EOPNOTSUPP, and none is deleted, when one of them is a device of hardware.
Status DeleteLinkGroup(NetlinkSocket& socket, std::uint32_t group);

}  // namespace runner
