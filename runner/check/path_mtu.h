// The largest packet that gets through whole.
#pragma once
#include <cstdint>
#include <optional>

#include "check/echo_socket.h"

namespace runner::check {

/// By echo requests that must not be cut: what a router or the own interface says is in the way is tried next; where
/// nobody says anything, by halves. Nothing when no reply came at all.
Result<std::optional<std::uint32_t>> FindPathMtu(Vantage& from, const IpAddress& to, const Patience& patience);

}  // namespace runner::check
