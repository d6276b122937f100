// Open namespaces: for each a descriptor and a netlink socket in it, a bounded number at once, so that a thousand nodes
// fit under a limit of a thousand descriptors.
#pragma once
#include <list>
#include <string>
#include <unordered_map>

#include "base/error.h"
#include "kernel/link.h"
#include "kernel/netlink.h"
#include "kernel/netns.h"
#include "plan/resource.h"

namespace runner {

class Session {
 public:
  Session(Namespace place, NetlinkSocket socket) : place_(std::move(place)), socket_(std::move(socket)) {}
  const Namespace& place() const { return place_; }
  NetlinkSocket& socket() { return socket_; }

  /// The interface's index; ENODEV when there is none of that name. Remembered until ForgetLink.
  Result<int> IndexOf(const std::string& interface);
  /// As it was when it was first asked for.
  Result<LinkInfo> LinkOf(const std::string& interface);
  void ForgetLink(const std::string& interface) { links_.erase(interface); }

 private:
  Namespace place_;
  NetlinkSocket socket_;
  std::unordered_map<std::string, LinkInfo> links_;
};

class SessionPool {
 public:
  /// The calling thread is in the host's namespace. Fails where too few descriptors may be open at once
  /// (RLIMIT_NOFILE).
  static Result<SessionPool> Open(NamespaceDirectory directory);

  const NamespaceDirectory& directory() const { return directory_; }
  /// The session of `LAB.NODE`, or of the host for the empty name. Good until four others have been asked for.
  Result<Session*> Get(const NamespaceName& name);
  /// Of a namespace that was just made.
  Session& Put(const NamespaceName& name, Session session);
  void Drop(const NamespaceName& name);

 private:
  using Entry = std::pair<NamespaceName, Session>;
  SessionPool(NamespaceDirectory directory, Session host, std::size_t at_once)
      : directory_(std::move(directory)), host_(std::move(host)), at_once_(at_once) {}

  NamespaceDirectory directory_;
  Session host_;
  std::size_t at_once_;
  std::list<Entry> open_;  // most recently used first
  std::unordered_map<NamespaceName, std::list<Entry>::iterator> index_;
};

}  // namespace runner
