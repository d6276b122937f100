// Encapsulations of routes (lwtunnel): MPLS label stacks, SRv6 segments and SRv6 actions, in ip-route(8)'s own words.
#pragma once
#include <optional>
#include <string>

#include "base/error.h"
#include "kernel/message.h"

namespace runner {

/// Writes RTA_ENCAP_TYPE and RTA_ENCAP for what follows `encap` in ip-route(8): `mpls 100/200`,
/// `seg6 mode encap segs fd00::1,fd00::2`, `seg6local action End.DX4 nh4 10.0.0.1 …`; interfaces (`iif`, `oif`) by
/// index. EINVAL where it is none of these.
Status EncodeEncap(NetlinkMessage& message, const std::string& encap);

/// The same words for what a route has, in one order; empty where it has none, "other" for an unknown one.
std::string DecodeEncap(const NetlinkAttributes& route);

}  // namespace runner
