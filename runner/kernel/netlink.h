// A netlink socket, as a rule of the route family: one request at a time, its answer waited for, the kernel's own words
// in the error.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/message.h"
#include "kernel/netns.h"

namespace runner {

/// Stays in the namespace where it was opened, wherever its user goes. Not to be shared between threads.
class NetlinkSocket {
 public:
  using Handler = std::function<Status(const nlmsghdr&)>;

  /// In the calling thread's namespace.
  static Result<NetlinkSocket> Open();
  static Result<NetlinkSocket> OpenIn(const Namespace& place);
  /// Of the generic family, in the calling thread's namespace.
  static Result<NetlinkSocket> OpenGeneric();

  /// Over a ready descriptor; tests put a kernel of their own behind it.
  static NetlinkSocket Adopt(Fd fd) { return NetlinkSocket(std::move(fd)); }

  /// Sends a request and waits for the kernel's ACK. `tried` says in an error what it was to do ("add via 10.0.0.254").
  /// An error with code ENOBUFS or ETIMEDOUT means that the outcome is unknown: look before going on.
  Status Request(NetlinkMessage& message, const std::string& tried);
  /// Asks a question with one answer, which is handed to `answer`, or an error.
  Status Get(NetlinkMessage& message, const std::string& tried, const Handler& answer);
  /// Asks for all objects of a kind. `object` gets the messages of one undisturbed dump: a dump that the kernel calls
  /// interrupted is asked for again, a few times.
  Status Dump(NetlinkMessage& message, const std::string& tried, const Handler& object);

  /// The cookie of the namespace that the socket is in; 0 where the kernel does not tell.
  std::uint64_t cookie() const;

  /// How many requests of the route family that change something this process has sent.
  static std::uint64_t mutating_requests();

 private:
  enum class Protocol { kRoute, kGeneric };
  explicit NetlinkSocket(Fd fd, Protocol protocol = Protocol::kRoute) : fd_(std::move(fd)), protocol_(protocol) {}
  static Result<NetlinkSocket> Open(Protocol protocol);
  Status Exchange(NetlinkMessage& message, int flags, const std::string& tried, const Handler& answer);
  Status Send(NetlinkMessage& message, int flags, const std::string& tried);
  Result<std::size_t> Receive(const std::string& tried);
  enum class DumpEnd { kWhole, kInterrupted };
  Result<DumpEnd> ReadDump(const std::string& tried, std::string& messages);

  Fd fd_;
  Protocol protocol_;
  std::uint32_t sequence_ = 0;
};

}  // namespace runner
