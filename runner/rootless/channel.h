// Messages between two processes of ours over a pair of connected sockets: a text, and at most one descriptor with it.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/fd.h"

namespace runner::rootless {

struct Message {
  std::string text;
  Fd fd = {};  // closed where none came along
};

/// Two ends, both close-on-exec.
Result<std::pair<Fd, Fd>> OpenChannel();

/// Sends the whole text; `fd` stays open here. EPIPE when the other end is gone.
Status SendMessage(int socket, std::string_view text, int fd = -1);
/// The next message; nothing when the other end is gone.
Result<std::optional<Message>> ReceiveMessage(int socket);

}  // namespace runner::rootless
