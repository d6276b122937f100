// Network namespaces for one test, without a name or a mount: they go with their descriptors. Commands and sockets in
// them show the truth that our own readers are held against.
#pragma once
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "base/ip.h"

namespace runner::test {

/// Root of some user namespace, once a process: our tests need nothing of the first one's.
inline bool BecomeRoot() {
  static const bool is_root = [] {
    if (geteuid() == 0) return true;
    const std::string map = "0 " + std::to_string(getuid()) + " 1";
    const std::string groups = "0 " + std::to_string(getgid()) + " 1";
    return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 && WriteExisting("/proc/self/setgroups", "deny").ok() &&
           WriteExisting("/proc/self/uid_map", map).ok() && WriteExisting("/proc/self/gid_map", groups).ok();
  }();
  return is_root;
}

class ThrowawayNet {
 public:
  ThrowawayNet() {
    if (!BecomeRoot()) ADD_FAILURE() << "neither root nor allowed to make a user namespace";
    const Fd home(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (unshare(CLONE_NEWNET) != 0) ADD_FAILURE() << "unshare: " << std::strerror(errno);
    ns_.Reset(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (setns(home.get(), CLONE_NEWNET) != 0) std::abort();
    Run("ip link set lo up");
  }

  int fd() const { return ns_.get(); }
  /// As iproute2 takes a namespace.
  std::string path() const { return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(ns_.get()); }

  /// Calls `body` inside and returns what it returns.
  template <class Body>
  auto Inside(const Body& body) const {
    const Fd home(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (setns(ns_.get(), CLONE_NEWNET) != 0) std::abort();
    struct Back {
      int home;
      ~Back() {
        if (setns(home, CLONE_NEWNET) != 0) std::abort();
      }
    } back{home.get()};
    return body();
  }

  /// The command's output; a failure fails the test.
  std::string Run(const std::string& command) const {
    return Inside([&] {
      std::string output;
      FILE* pipe = popen((command + " 2>&1").c_str(), "re");
      if (pipe == nullptr) std::abort();
      char buffer[4096];
      std::size_t n = 0;
      while ((n = fread(buffer, 1, sizeof(buffer), pipe)) > 0) output.append(buffer, n);
      const int status = pclose(pipe);
      EXPECT_EQ(status, 0) << command << ": " << output;
      return output;
    });
  }

 private:
  Fd ns_;
};

/// A cable between two namespaces with addresses, both ends up.
inline void Connect(const ThrowawayNet& a, const std::string& a_name, const std::string& a_address,
                    const ThrowawayNet& b, const std::string& b_name, const std::string& b_address) {
  a.Run("ip link add " + a_name + " type veth peer name " + b_name + " netns " + b.path());
  const auto dress = [](const ThrowawayNet& net, const std::string& name, const std::string& address) {
    const std::string nodad = address.find(':') != std::string::npos ? " nodad" : "";
    net.Run("ip addr add " + address + " dev " + name + nodad + " && ip link set " + name + " up");
  };
  dress(a, a_name, a_address);
  dress(b, b_name, b_address);
}

inline socklen_t FillAddress(sockaddr_storage& storage, const std::string& text, int port) {
  const IpAddress address = IpAddress::Parse(text).value();
  storage = {};
  if (address.is_ipv6()) {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&storage);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(static_cast<std::uint16_t>(port));
    std::memcpy(&in6->sin6_addr, address.bytes(), 16);
    return sizeof(sockaddr_in6);
  }
  auto* in = reinterpret_cast<sockaddr_in*>(&storage);
  in->sin_family = AF_INET;
  in->sin_port = htons(static_cast<std::uint16_t>(port));
  std::memcpy(&in->sin_addr, address.bytes(), 4);
  return sizeof(sockaddr_in);
}

inline std::string AddressText(const sockaddr_storage& storage) {
  char text[INET6_ADDRSTRLEN] = "";
  const void* bytes = storage.ss_family == AF_INET6
                          ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr)
                          : static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr);
  inet_ntop(storage.ss_family, bytes, text, sizeof(text));
  return text;
}

/// A TCP server inside a namespace; the socket stays there while the test is elsewhere.
class Listener {
 public:
  Listener(const ThrowawayNet& net, const std::string& address, int port) {
    sockaddr_storage storage;
    const socklen_t size = FillAddress(storage, address, port);
    net.Inside([&] {
      fd_.Reset(socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const int on = 1;
      setsockopt(fd_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
      if (bind(fd_.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0 || listen(fd_.get(), 8) != 0) {
        ADD_FAILURE() << "listen at " << address << " port " << port << ": " << std::strerror(errno);
      }
      return 0;
    });
  }
  /// Who connected last, as the server sees it; empty when nobody did.
  std::string AcceptPeer() const {
    pollfd waiting{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    if (poll(&waiting, 1, 3000) <= 0) return "";
    sockaddr_storage peer{};
    socklen_t size = sizeof(peer);
    const Fd client(accept4(fd_.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC));
    return client.is_open() ? AddressText(peer) : "";
  }

 private:
  Fd fd_;
};

/// 0, or the errno of a TCP connection from inside the namespace; ETIMEDOUT after the limit.
inline int TryConnect(const ThrowawayNet& net, const std::string& address, int port, int limit_ms = 3000) {
  return net.Inside([&] {
    sockaddr_storage storage;
    const socklen_t size = FillAddress(storage, address, port);
    const Fd client(socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (connect(client.get(), reinterpret_cast<const sockaddr*>(&storage), size) == 0) return 0;
    if (errno != EINPROGRESS) return errno;
    pollfd waiting{.fd = client.get(), .events = POLLOUT, .revents = 0};
    if (poll(&waiting, 1, limit_ms) <= 0) return ETIMEDOUT;
    int code = 0;
    socklen_t length = sizeof(code);
    getsockopt(client.get(), SOL_SOCKET, SO_ERROR, &code, &length);
    return code;
  });
}

}  // namespace runner::test
