// Names and HOSTs as the node that a check is made from would understand them.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "check/vantage.h"

namespace runner::check {

/// The name's addresses (of the family) by the hosts file, else by the resolver; IPv4 first. An error says why there
/// are none.
Result<std::vector<IpAddress>> ResolveName(Vantage& from, const std::string& name, std::optional<Family> family,
                                           const Patience& patience);

/// HOST: an address, a node (its first address), NODE:IFNAME, or a name.
Result<IpAddress> ResolveHost(const Lab& lab, Vantage& from, const std::string& host, std::optional<Family> family,
                              const Patience& patience);

struct HostPort {
  std::string host;  // without brackets
  std::uint16_t port = 0;
};
/// `HOST:PORT`, `[ADDR6]:PORT`; nothing when there is no port.
std::optional<HostPort> SplitPort(std::string_view text);

/// What a hosts file says.
std::vector<IpAddress> FindInHosts(std::string_view file, std::string_view name, std::optional<Family> family);

}  // namespace runner::check
