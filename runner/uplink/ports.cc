// Whether published ports are free, before anything is changed (declared in supervisor.h).
#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <set>

#include <fmt/format.h>

#include "base/fd.h"
#include "base/text.h"
#include "kernel/netns.h"
#include "uplink/sockets.h"
#include "uplink/supervisor.h"
#include "uplink/tap.h"

namespace runner {
namespace {

using Protocol = ForwardSpec::Protocol;

// Inode numbers of the sockets that hold `port`, of either family: a dual-stack socket stands in the IPv6 table only.
std::set<std::string> HoldersOf(Protocol protocol, std::uint16_t port) {
  std::set<std::string> inodes;
  for (const char* suffix : {"", "6"}) {
    const char* name = protocol == Protocol::kTcp ? "tcp" : "udp";
    const auto table = ReadFile(fmt::format("/proc/thread-self/net/{}{}", name, suffix));
    if (!table) continue;
    const std::string wanted = fmt::format(":{:04X}", port);
    for (const std::string_view line : Split(*table, '\n')) {
      std::vector<std::string_view> words;
      for (const std::string_view word : Split(line, ' ')) {
        if (!word.empty()) words.push_back(word);
      }
      constexpr std::size_t kLocal = 1;
      constexpr std::size_t kState = 3;
      constexpr std::size_t kInode = 9;
      if (words.size() <= kInode || !words[kLocal].ends_with(wanted)) continue;
      if (protocol == Protocol::kTcp && words[kState] != "0A") continue;  // listening
      inodes.insert(fmt::format("socket:[{}]", words[kInode]));
    }
  }
  return inodes;
}

bool Holds(const std::string& folder, const std::set<std::string>& sockets) {
  const std::unique_ptr<DIR, int (*)(DIR*)> fds(opendir(folder.c_str()), closedir);
  if (fds == nullptr) return false;
  while (const dirent* entry = readdir(fds.get())) {
    std::array<char, 64> target = {};
    const ssize_t size = readlink((folder + "/" + entry->d_name).c_str(), target.data(), target.size());
    if (size > 0 && sockets.contains(std::string(target.data(), static_cast<std::size_t>(size)))) return true;
  }
  return false;
}

// " by NAME (process PID)", or nothing where it cannot be read.
std::string OwnerOf(Protocol protocol, std::uint16_t port) {
  const auto sockets = HoldersOf(protocol, port);
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(opendir("/proc"), closedir);
  if (sockets.empty() || proc == nullptr) return {};
  while (const dirent* entry = readdir(proc.get())) {
    if (!ParseInteger(entry->d_name)) continue;
    if (!Holds(fmt::format("/proc/{}/fd", entry->d_name), sockets)) continue;
    auto name = ReadFile(fmt::format("/proc/{}/comm", entry->d_name));
    if (name && name->ends_with('\n')) name->pop_back();
    return fmt::format(" by {} (process {})", name ? Quote(*name) : "a process", entry->d_name);
  }
  return {};
}

Error Refusal(int code, Protocol protocol, const IpAddress& address, std::uint16_t port) {
  const char* name = protocol == Protocol::kTcp ? "tcp" : "udp";
  Error error = SystemError(code, fmt::format("publish {} port {}/{}", address.text(), port, name));
  if (code == EADDRINUSE) {
    error.why = fmt::format("the port is in use{}", OwnerOf(protocol, port));
  } else if (code == EACCES) {
    const auto start = ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    error.why += fmt::format("; ports below {} need privilege, or sysctl net.ipv4.ip_unprivileged_port_start={}",
                             start && !start->empty() ? start->substr(0, start->find('\n')) : "1024", port);
  } else if (code == EADDRNOTAVAIL) {
    error.why = fmt::format("no interface there has the address {}", address.text());
  }
  error.failure = Failure::kConflict;
  return error;
}

Result<Fd> TryPort(Protocol protocol, const IpAddress& address, std::uint16_t port) {
  const bool tcp = protocol == Protocol::kTcp;
  Fd socket(
      ::socket(FamilyNumber(address.family()), (tcp ? SOCK_STREAM : SOCK_DGRAM | SOCK_NONBLOCK) | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return SystemError(errno, "open a socket");
  const int on = 1;
  // As the helper binds it: old connections of the port do not hold it, UDP sockets would share it.
  if ((tcp && setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) ||
      (address.is_ipv6() && setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)) {
    return SystemError(errno, "set a socket's option");
  }
  const SocketAddress at(address, port);
  if (bind(socket.get(), at.get(), at.size()) != 0) return Refusal(errno, protocol, address, port);
  if (tcp && listen(socket.get(), 1) != 0) return Refusal(errno, protocol, address, port);
  return socket;
}

Result<int> FirstUnprivilegedPort() {
  // Of the namespace that the thread is in.
  const auto start = TRY(ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start"));
  const auto number = ParseInteger(std::string_view(start).substr(0, start.find('\n')));
  if (!number) return Fail("read net.ipv4.ip_unprivileged_port_start", "it is no number");
  return static_cast<int>(*number);
}

}  // namespace

Result<std::vector<Fd>> BindLowPorts(const ForwardSpec& forward, int outer_netns) {
  std::vector<Fd> bound;
  if (outer_netns < 0) return bound;
  const auto inside = TRY(InNamespace::Enter(outer_netns));
  if (forward.first_host_port >= TRY(FirstUnprivilegedPort())) return bound;
  for (int port = forward.first_host_port; port <= forward.last_host_port; ++port) {
    bound.push_back(TRY(TryPort(forward.protocol, forward.host_address, static_cast<std::uint16_t>(port))));
  }
  return bound;
}

Status CheckPortsFree(const std::vector<ForwardSpec>& forwards, int outer_netns) {
  std::optional<Result<InNamespace>> inside;
  if (outer_netns >= 0) {
    inside.emplace(InNamespace::Enter(outer_netns));
    if (!*inside) return std::move(inside->error());
  }
  // All at once: two forwards that want the same port are found, too.
  std::vector<Fd> held;
  for (const ForwardSpec& forward : forwards) {
    for (int port = forward.first_host_port; port <= forward.last_host_port; ++port) {
      held.push_back(TRY(TryPort(forward.protocol, forward.host_address, static_cast<std::uint16_t>(port))));
    }
  }
  return {};
}

}  // namespace runner
