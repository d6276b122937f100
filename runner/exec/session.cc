#include "exec/session.h"

#include <cerrno>

#include "base/text.h"

namespace runner {
namespace {

// Two descriptors each; well under a limit of 1024 together with the run's own.
constexpr std::size_t kOpenAtOnce = 128;

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
  Namespace host = TRY(Namespace::Current());
  NetlinkSocket socket = TRY(NetlinkSocket::Open());
  return SessionPool(std::move(directory), Session(std::move(host), std::move(socket)));
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
  if (open_.size() >= kOpenAtOnce) Drop(NamespaceName(open_.back().first));
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
