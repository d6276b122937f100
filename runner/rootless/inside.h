// Work inside a lab's namespaces: a process of its own does it, because a process can enter a user namespace once, and
// not leave it; the one outside serves it, passes signals on, and hands back what it says.
#pragma once
#include <functional>
#include <string>

#include "base/error.h"
#include "rootless/channel.h"
#include "rootless/holder.h"

namespace runner::rootless {

/// Inside: asks the process outside.
class Outside {
 public:
  explicit Outside(int socket) : socket_(socket) {}
  /// The answer to `request`; `fd` goes along with it.
  Result<std::string> Ask(const std::string& request, int fd = -1) const;

 private:
  int socket_;
};

/// Outside: answers what the process inside asks.
using Agent = std::function<std::string(Message request)>;

/// Runs `work` as root of the lab: its network is the lab's outer namespace, its current folder the caller's. Without a
/// holder the namespaces are fresh, and gone when it is done. Returns what `work` returns. The process inside is killed
/// with the caller; signals that only the caller gets are passed on to it; when it stops, the caller stops.
Result<std::string> RunInside(const Holder* holder, const Agent& agent,
                              const std::function<std::string(const Outside&)>& work);

}  // namespace runner::rootless
