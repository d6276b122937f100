// A question to a name server, and what of its answer is asked for: addresses.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"

namespace runner::check {

/// A recursive query for the name's addresses of the family; nothing for what is no name (empty, a label of more than
/// 63 bytes).
std::optional<std::string> DnsQuery(std::uint16_t id, std::string_view name, Family family);

struct DnsReply {
  int code = 0;  // RCODE: 0 fine, 3 no such name
  std::vector<IpAddress> addresses = {};
};
/// Nothing for what is no whole answer to the query with this id.
std::optional<DnsReply> ParseDnsReply(std::string_view message, std::uint16_t id, Family family);

}  // namespace runner::check
