// The tap of an uplink: persistent, so that its addresses and routes outlive a helper that was killed. Without a helper
// it has no carrier.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "base/mac.h"

namespace runner {

/// Makes the tap in the namespace that `netns` (an open /…/ns/net) is; an interface of that name is an error. It is
/// left down, without addresses. RTM_DELLINK removes it.
Status CreateTap(int netns, const std::string& name, const MacAddress& mac, std::uint32_t mtu);

/// A tap or tun for other programs.
struct TapSettings {
  bool tun = false;  // without Ethernet
  bool multi_queue = false;
  std::optional<uid_t> owner = {};  // who may open it beside root; absent: nobody
};
/// Makes it persistent in the namespace `netns`, as `ip tuntap add` does; an interface of that name is an error.
Status CreatePersistentTap(int netns, const std::string& name, const TapSettings& settings);

/// Attaches to a tap made by CreateTap: non-blocking, each frame behind a virtio_net_hdr, checksums and TCP segments of
/// both families left to us. EBUSY when a helper holds it.
Result<Fd> OpenTap(int netns, const std::string& name);

/// Waits until the tap, if it is up, sends what it is given: the kernel notices a new carrier some time after OpenTap,
/// and drops every frame until then.
Status WaitForCarrier(int netns, const std::string& name, int limit_ms);
}  // namespace runner
