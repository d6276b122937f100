#include "process/probe.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "base/fd.h"
#include "base/text.h"
#include "kernel/enter_place.h"

namespace runner::process {
namespace {

[[noreturn]] void Miss(const std::string& why) {
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, why.data(), why.size());
  _exit(1);
}

std::string Reason(int code) { return SystemError(code, "").why; }

/// An address in /proc/net/tcp: the kernel's bytes of each 32 bits, in hex.
std::optional<std::array<unsigned char, 16>> ParseAddress(std::string_view hex, std::size_t size) {
  std::array<unsigned char, 16> bytes = {};
  if (hex.size() != 2 * size) return std::nullopt;
  for (std::size_t word = 0; word < size; word += 4) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      const auto digit = HexDigit(hex[2 * word + i]);
      if (!digit) return std::nullopt;
      value = value << 4 | static_cast<std::uint32_t>(*digit);
    }
    std::memcpy(&bytes[word], &value, sizeof value);
  }
  return bytes;
}

/// A local address and port that somebody listens on, or for UDP has bound.
struct Bound {
  int family = AF_INET;
  std::array<unsigned char, 16> address = {};
  std::string state;  // as /proc/net/tcp has it; 0A listens
};

std::vector<Bound> BoundTo(const char* protocol, std::uint16_t port) {
  std::vector<Bound> found;
  for (const auto& [suffix, family] : {std::pair("", AF_INET), std::pair("6", AF_INET6)}) {
    const auto text = ReadFile(fmt::format("/proc/self/net/{}{}", protocol, suffix));
    if (!text.ok()) continue;  // No IPv6 here.
    for (const std::string_view line : Split(*text, '\n')) {
      std::vector<std::string_view> words;
      for (const std::string_view word : Split(line, ' ')) {
        if (!word.empty()) words.push_back(word);
      }
      if (words.size() < 4) continue;
      const auto parts = Split(words[1], ':');
      if (parts.size() != 2 || parts[1] != fmt::format("{:04X}", port)) continue;
      const auto address = ParseAddress(parts[0], family == AF_INET ? 4 : 16);
      if (address) found.push_back({.family = family, .address = *address, .state = std::string(words[3])});
    }
  }
  return found;
}

/// 0 or errno.
int Connect(const sockaddr* address, socklen_t size, Fd& socket) {
  socket.Reset(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return errno;
  return connect(socket.get(), address, size) == 0 ? 0 : errno;
}

int ConnectTo(const Bound& bound, std::uint16_t port) {
  Fd socket;
  if (bound.family == AF_INET) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    std::memcpy(&address.sin_addr, bound.address.data(), sizeof address.sin_addr);
    return Connect(reinterpret_cast<const sockaddr*>(&address), sizeof address, socket);
  }
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  std::memcpy(&address.sin6_addr, bound.address.data(), sizeof address.sin6_addr);
  return Connect(reinterpret_cast<const sockaddr*>(&address), sizeof address, socket);
}

/// At whatever address of the node it listens: a connection to 0.0.0.0 or :: is one to the node itself.
void ProbeTcp(std::uint16_t port) {
  constexpr const char* kListens = "0A";
  int code = 0;
  for (const Bound& bound : BoundTo("tcp", port)) {
    if (bound.state != kListens) continue;
    code = ConnectTo(bound, port);
    if (code == 0) return;
  }
  if (code == 0) Miss(fmt::format("nothing listens on TCP port {}", port));
  Miss(fmt::format("connect to TCP port {}: {}", port, Reason(code)));
}

void ProbeUdp(std::uint16_t port) {
  if (BoundTo("udp", port).empty()) Miss(fmt::format("nothing listens on UDP port {}", port));
}

std::string FirstLine(int socket) {
  std::string line;
  constexpr std::size_t kLongest = 1024;
  while (line.find('\n') == std::string::npos && line.size() < kLongest) {
    std::array<char, 256> buffer = {};
    const ssize_t size = read(socket, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    line.append(buffer.data(), static_cast<std::size_t>(size));
  }
  return line.substr(0, line.find_first_of("\r\n"));
}

Fd ConnectToHost(const HttpUrl& url) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(url.host.c_str(), url.port.c_str(), &hints, &found);
  if (failed != 0) Miss(fmt::format("find {}: {}", Quote(url.host), gai_strerror(failed)));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> list(found, freeaddrinfo);
  int code = 0;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    Fd socket;
    code = Connect(one->ai_addr, one->ai_addrlen, socket);
    if (code == 0) return socket;
  }
  Miss(fmt::format("connect to {} port {}: {}", url.host, url.port, Reason(code)));
}

void ProbeHttp(const HttpUrl& url) {
  const Fd socket = ConnectToHost(url);
  const std::string request =
      fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: toporun\r\nAccept: */*\r\nConnection: close\r\n\r\n",
                  url.path, url.host);
  if (write(socket.get(), request.data(), request.size()) < 0) Miss("send the request: " + Reason(errno));
  const std::string line = FirstLine(socket.get());
  const auto words = Split(line, ' ');
  const auto status = words.size() < 2 || !line.starts_with("HTTP/") ? std::nullopt : ParseInteger(words[1]);
  if (!status) Miss("the answer is no HTTP");
  if (*status < 200 || *status > 399) Miss(fmt::format("the answer is {}", line.substr(line.find(' ') + 1)));
}

void ProbeFile(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) Miss(fmt::format("file {}: {}", Quote(path), Reason(errno)));
}

}  // namespace

std::optional<HttpUrl> ParseHttpUrl(const std::string& text) {
  constexpr std::string_view kScheme = "http://";
  if (!text.starts_with(kScheme)) return std::nullopt;
  std::string rest = text.substr(kScheme.size());
  HttpUrl url;
  if (const std::size_t slash = rest.find_first_of("/?"); slash != std::string::npos) {
    url.path = rest[slash] == '/' ? rest.substr(slash) : "/" + rest.substr(slash);
    rest.resize(slash);
  }
  const bool bracketed = rest.starts_with('[');
  const std::size_t end = bracketed ? rest.find(']') : rest.find(':');
  if (bracketed && end == std::string::npos) return std::nullopt;
  url.host = bracketed ? rest.substr(1, end - 1) : rest.substr(0, end);
  const std::string behind = end == std::string::npos ? "" : rest.substr(bracketed ? end + 1 : end);
  if (!behind.empty()) {
    const auto port = ParseInteger(behind.substr(1));
    if (behind[0] != ':' || !port || *port < 1 || *port > 65535) return std::nullopt;
    url.port = behind.substr(1);
  }
  if (url.host.empty()) return std::nullopt;
  return url;
}

void Probe(const HealthSpec& check, const kernel::EnterSpec& as_process) {
  if (check.kind == "test") {
    kernel::EnterSpec spec = as_process;
    spec.argv = check.test;
    kernel::EnterAndExec(spec);
  }
  const auto port = static_cast<std::uint16_t>(ParseInteger(check.target).value_or(0));
  if (check.kind == "tcp") ProbeTcp(port);
  if (check.kind == "udp") ProbeUdp(port);
  if (check.kind == "file") ProbeFile(check.target);
  if (check.kind == "http") {
    const auto url = ParseHttpUrl(check.target);
    if (!url) Miss(Quote(check.target) + " is no http:// URL");
    ProbeHttp(*url);
  }
  _exit(0);
}

}  // namespace runner::process
