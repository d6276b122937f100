#include "exec/session.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include <fmt/format.h>

#include "base/text.h"

namespace runner {
namespace {

constexpr std::size_t kMostAtOnce = 4096;
// Get promises that much.
constexpr std::size_t kFewestAtOnce = 4;
constexpr rlim_t kEach = 2;
constexpr rlim_t kOthers = 40;  // that a run holds beside them

/// So many that all fit under the limit of open descriptors; a run that met it half-way could not even be undone.
Result<std::size_t> AtOnce() {
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return SystemError(errno, "read the limit of open files");
  constexpr rlim_t kNeeded = kOthers + kFewestAtOnce * kEach;
  if (files.rlim_cur < kNeeded) {
    return Fail("begin", fmt::format("this process may have {} files open, and needs {}: ulimit -n 1024",
                                     files.rlim_cur, kNeeded));
  }
  return std::min<rlim_t>((files.rlim_cur - kOthers) / kEach, kMostAtOnce);
}

}  // namespace

Result<int> Session::IndexOf(const std::string& interface) { return TRY(LinkOf(interface)).index; }

Result<LinkInfo> Session::LinkOf(const std::string& interface) {
  if (const auto known = links_.find(interface); known != links_.end()) return known->second;
  auto link = TRY(ReadLink(socket_, interface));
  if (!link) {
    return Error{.where = {}, .tried = "find interface " + Quote(interface), .why = "there is none", .code = ENODEV};
  }
  return links_.emplace(interface, std::move(*link)).first->second;
}

Result<SessionPool> SessionPool::Open(NamespaceDirectory directory) {
  const std::size_t at_once = TRY(AtOnce());
  Namespace host = TRY(Namespace::Current());
  NetlinkSocket socket = TRY(NetlinkSocket::Open());
  return SessionPool(std::move(directory), Session(std::move(host), std::move(socket)), at_once);
}

Result<Session*> SessionPool::Get(const NamespaceName& name) {
  if (name.empty()) return &host_;
  if (const auto found = index_.find(name); found != index_.end()) {
    open_.splice(open_.begin(), open_, found->second);
    return &open_.front().second;
  }
  Namespace place = TRY(Namespace::OpenPath(directory_.Path(name)));
  NetlinkSocket socket = TRY(NetlinkSocket::OpenIn(place));
  return &Put(name, Session(std::move(place), std::move(socket)));
}

Session& SessionPool::Put(const NamespaceName& name, Session session) {
  Drop(name);
  // Plans go through the nodes in the same order again and again: whoever came last comes last again.
  if (open_.size() >= at_once_) Drop(NamespaceName(std::next(open_.begin(), kFewestAtOnce)->first));
  open_.emplace_front(name, std::move(session));
  index_[name] = open_.begin();
  return open_.front().second;
}

void SessionPool::Drop(const NamespaceName& name) {
  const auto found = index_.find(name);
  if (found == index_.end()) return;
  open_.erase(found->second);
  index_.erase(found);
}

}  // namespace runner
