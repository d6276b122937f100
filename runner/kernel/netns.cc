#include "kernel/netns.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/text.h"

namespace runner {
namespace {

// The main thread's own link is /proc/self/…; ours may be in another namespace.
constexpr const char* kOwnNamespace = "/proc/thread-self/ns/net";

#ifndef SO_NETNS_COOKIE
constexpr int SO_NETNS_COOKIE = 71;
#endif

}  // namespace

Result<Namespace> Namespace::Adopt(Fd fd, const std::string& path) {
  struct statfs system {};
  if (fstatfs(fd.get(), &system) != 0) return SystemError(errno, "look at " + Quote(path));
  if (system.f_type != NSFS_MAGIC || ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) {
    return Error{.where = {}, .tried = "open " + Quote(path), .why = "it is no network namespace", .code = EINVAL};
  }
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return SystemError(errno, "look at " + Quote(path));
  return Namespace(std::move(fd), status.st_ino);
}

Result<Namespace> Namespace::OpenPath(const std::string& path) {
  // A namespace is a plain file; O_NONBLOCK keeps a pipe or a device under this name from holding us up.
  return Adopt(TRY(OpenFile(path, O_RDONLY | O_NONBLOCK)), path);
}

Result<Namespace> Namespace::OpenPid(pid_t pid) { return OpenPath("/proc/" + std::to_string(pid) + "/ns/net"); }

Result<Namespace> Namespace::Current() { return OpenPath(kOwnNamespace); }

Result<Namespace> Namespace::OfSocket(int socket) {
  Fd fd(ioctl(socket, SIOCGSKNS));
  if (!fd.is_open()) return SystemError(errno, "find a socket's network namespace");
  return Adopt(std::move(fd), "a socket's network namespace");
}

std::uint64_t Namespace::cookie() const {
  if (cookie_) return *cookie_;
  std::uint64_t cookie = 0;
  if (const auto inside = InNamespace::Enter(*this); inside.ok()) {
    const Fd probe(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    socklen_t size = sizeof cookie;
    if (getsockopt(probe.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) != 0) cookie = 0;
  }
  cookie_ = cookie;
  return cookie;
}

Status Namespace::Enter() const {
  if (setns(fd_.get(), CLONE_NEWNET) != 0) return SystemError(errno, "enter a network namespace");
  return {};
}

Result<InNamespace> InNamespace::Enter(int netns) {
  Fd home = TRY(OpenFile(kOwnNamespace, O_RDONLY));
  if (setns(netns, CLONE_NEWNET) != 0) return SystemError(errno, "enter a network namespace");
  return InNamespace(std::move(home));
}

Result<InNamespace> InNamespace::EnterNew() {
  Fd home = TRY(OpenFile(kOwnNamespace, O_RDONLY));
  if (unshare(CLONE_NEWNET) != 0) return SystemError(errno, "make a network namespace");
  return InNamespace(std::move(home));
}

InNamespace::~InNamespace() {
  if (!home_.is_open() || setns(home_.get(), CLONE_NEWNET) == 0) return;
  std::fprintf(stderr, "toporun: error: no way back into the own network namespace: %s\n", std::strerror(errno));
  std::abort();
}

}  // namespace runner
