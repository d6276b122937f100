// What the kernel announces of links, addresses, routes, rules and forwarding: of any number of namespaces, on one
// descriptor.
#pragma once
#include <optional>
#include <set>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/netlink.h"
#include "kernel/netns.h"

namespace runner {

/// Listens from a network namespace of its own, which nobody else sees and which ends with the last descriptor. There
/// the namespaces that it follows get the numbers (RTM_NEWNSID) without which one socket would not be told of them.
class Monitor {
 public:
  /// The caller holds CAP_NET_BROADCAST in the user namespaces of what it will follow, and can enter its own again.
  static Result<Monitor> Open();
  /// Over the descriptor of one that another process opened.
  static Monitor Adopt(Fd fd) { return Monitor(std::move(fd)); }

  /// From now on, under the number that is returned; the same number when it is followed already. It is not kept alive:
  /// its end is news.
  Result<int> Follow(const Namespace& place);

  struct News {
    std::set<int> places;   // the numbers of the namespaces in which something changed
    bool anywhere = false;  // announcements were lost, or a namespace has ended: something may have changed in any
    bool any() const { return anywhere || !places.empty(); }
  };
  /// Takes all that has been announced, without waiting.
  Result<News> TakeNews();
  /// Readable when there may be news.
  int fd() const { return fd_.get(); }

 private:
  explicit Monitor(Fd fd) : fd_(std::move(fd)) {}
  Result<int> NumberOf(const Namespace& place);

  Fd fd_;
  std::optional<NetlinkSocket> requests_;  // in the own namespace, from the first Follow on
};

}  // namespace runner
