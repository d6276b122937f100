// The settings of a type of interface (base/link_types.h) in IFLA_INFO_DATA, both ways.
#pragma once
#include <map>
#include <string>

#include "base/error.h"
#include "kernel/message.h"

namespace runner {

/// By name; values as CanonicalLinkOption writes them, but for other interfaces, which are told by index.
using LinkOptions = std::map<std::string, std::string>;

/// Writes what belongs into IFLA_INFO_DATA. EINVAL for a setting that the type does not have, or a value that is none.
Status EncodeLinkOptions(NetlinkMessage& message, const std::string& type, const LinkOptions& options);

/// All that the kernel tells of the type's settings; `data` is IFLA_INFO_DATA. Unset addresses, keys and interfaces are
/// left out.
LinkOptions DecodeLinkOptions(const std::string& type, const NetlinkAttributes& data);

/// The highest attribute that any type has in IFLA_INFO_DATA.
constexpr int kHighestLinkOption = 64;

}  // namespace runner
