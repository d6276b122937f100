// The key and the port of a wireguard interface: options of its device, set over generic netlink.
#pragma once
#include "exec/apply.h"

namespace runner {

/// What differs from `before`; all of it where there is none.
Status SetKeyAndPort(ApplyContext& context, const LinkAttributes& link, const LinkAttributes* before);

}  // namespace runner
