// The lab's side of an uplink where no tap can be opened: a packet socket on the far end of a veth, whose near end is
// the node's interface. Frames come and go as from the tap, each behind a virtio_net_hdr.
#pragma once
#include <string>

#include "base/error.h"
#include "base/fd.h"

namespace runner {

/// A non-blocking socket for all frames of the interface in the namespace that `netns` is. It reads ENETDOWN once the
/// interface has gone or is down, and takes no frame over the MTU but segments.
Result<Fd> OpenPacketEnd(int netns, const std::string& name);

/// From here on the interface, a veth's near end, leaves no more undone than a tap of ours: checksums, and TCP segments
/// of both families.
Status LimitOffloads(int netns, const std::string& name);

}  // namespace runner
