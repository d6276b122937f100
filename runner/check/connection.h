// A TCP connection that is being made and used within a limit of time.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "check/vantage.h"

namespace runner::check {

struct Connection {
  Fd socket = {};            // closed where it was not made
  std::string refused = {};  // then why: "connection refused"
  Clock::duration took{0};
};
/// An error only when there can be no socket.
Result<Connection> Connect(Vantage& from, const IpAddress& to, std::uint16_t port, const Patience& patience);

/// Writes all of it.
Status SendAll(int socket, std::string_view bytes, const Patience& patience);
/// Reads until the other side ends it or `most` bytes are there; less when patience is over.
Result<std::string> ReceiveAll(int socket, std::size_t most, const Patience& patience);

}  // namespace runner::check
