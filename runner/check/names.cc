#include "check/names.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>

#include <fmt/format.h>

#include "base/text.h"
#include "check/dns_query.h"
#include "check/socket_address.h"

namespace runner::check {
namespace {

constexpr std::uint16_t kDnsPort = 53;
constexpr Milliseconds kForOneServer{1000};

/// The words of a line, without its comment.
std::vector<std::string_view> WordsOf(std::string_view line) {
  line = line.substr(0, line.find_first_of("#;"));
  std::vector<std::string_view> words;
  std::size_t begin = 0;
  while ((begin = line.find_first_not_of(" \t\r", begin)) != std::string_view::npos) {
    const std::size_t end = std::min(line.find_first_of(" \t\r", begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

bool IsSameName(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

struct ResolverSettings {
  std::vector<IpAddress> servers;
  std::vector<std::string> search;
};

ResolverSettings ReadResolver(std::string_view file) {
  ResolverSettings settings;
  for (const std::string_view line : Split(file, '\n')) {
    const auto words = WordsOf(line);
    if (words.size() < 2) continue;
    if (words[0] == "nameserver") {
      if (const auto address = IpAddress::Parse(words[1])) settings.servers.push_back(*address);
    } else if (words[0] == "search" || words[0] == "domain") {
      settings.search.assign(words.begin() + 1, words.end());
    }
  }
  return settings;
}

/// As resolv.conf(5) with ndots:1: a name with a dot as it is first, another with the domains first.
std::vector<std::string> Candidates(const std::string& name, const std::vector<std::string>& search) {
  std::vector<std::string> names;
  for (const std::string& domain : search) names.push_back(name + "." + domain);
  if (name.ends_with('.')) return {name};
  names.insert(name.find('.') == std::string::npos ? names.end() : names.begin(), name);
  return names;
}

std::uint16_t RandomNumber() {
  std::uint16_t number = 0;
  // Where it fails the number is 0, which is a number too.
  [[maybe_unused]] const ssize_t got = getrandom(&number, sizeof number, 0);
  return number;
}

Result<DnsReply> AskServer(Vantage& from, const IpAddress& server, const std::string& name, Family family,
                           const Patience& patience) {
  const std::uint16_t id = RandomNumber();
  const auto query = DnsQuery(id, name, family);
  if (!query) return Fail(Quote(name) + " is no name");
  const Fd socket = TRY(from.OpenSocket(FamilyNumber(server.family()), SOCK_DGRAM, 0));
  const SocketAddress to = SocketAddress::Of(server, kDnsPort);
  const std::string tried = "ask " + server.text();
  if (connect(socket.get(), to.get(), to.size) != 0) return SystemError(errno, tried);
  if (send(socket.get(), query->data(), query->size(), MSG_NOSIGNAL) < 0) return SystemError(errno, tried);
  const Patience wait = patience.AtMost(kForOneServer);
  while (WaitFor(socket.get(), POLLIN, wait)) {
    std::array<char, 65536> buffer;
    const ssize_t size = recv(socket.get(), buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EAGAIN) continue;
    if (size < 0) return SystemError(errno, tried);
    auto reply = ParseDnsReply({buffer.data(), static_cast<std::size_t>(size)}, id, family);
    if (reply) return std::move(*reply);
  }
  return Fail(tried, "no answer");
}

Result<std::vector<IpAddress>> AskServers(Vantage& from, const ResolverSettings& settings, const std::string& name,
                                          Family family, const Patience& patience) {
  constexpr int kNoSuchName = 3;
  std::optional<Error> failure;
  for (const std::string& candidate : Candidates(name, settings.search)) {
    for (const IpAddress& server : settings.servers) {
      auto reply = AskServer(from, server, candidate, family, patience);
      if (reply.ok() && (reply->code == 0 || reply->code == kNoSuchName)) {
        if (!reply->addresses.empty()) return std::move(reply->addresses);
        break;  // it knows: there is none
      }
      failure = reply.ok() ? Fail("ask " + server.text(), fmt::format("it answers with code {}", reply->code))
                           : std::move(reply).error();
    }
  }
  if (failure) return std::move(*failure);
  return std::vector<IpAddress>();
}

}  // namespace

std::vector<IpAddress> FindInHosts(std::string_view file, std::string_view name, std::optional<Family> family) {
  std::vector<IpAddress> found;
  for (const std::string_view line : Split(file, '\n')) {
    const auto words = WordsOf(line);
    if (words.empty()) continue;
    const auto address = IpAddress::Parse(words[0]);
    if (!address || !address->is_of(family)) continue;
    const bool is_named =
        std::any_of(words.begin() + 1, words.end(), [name](std::string_view word) { return IsSameName(word, name); });
    if (is_named) found.push_back(*address);
  }
  std::ranges::stable_sort(found, {}, &IpAddress::family);
  return found;
}

Result<std::vector<IpAddress>> ResolveName(Vantage& from, const std::string& name, std::optional<Family> family,
                                           const Patience& patience) {
  std::vector<IpAddress> found = FindInHosts(from.HostsFile(), name, family);
  if (!found.empty()) return found;
  const std::string tried = "resolve " + Quote(name);
  const ResolverSettings settings = ReadResolver(from.ResolverFile());
  if (settings.servers.empty()) return Fail(tried, "its hosts file does not know it, and it has no name server");
  std::optional<Error> failure;
  for (const Family one : {Family::kIpv4, Family::kIpv6}) {
    if (family && *family != one) continue;
    auto addresses = AskServers(from, settings, name, one, patience);
    if (!addresses.ok()) {
      failure = std::move(addresses).error();
      continue;
    }
    found.insert(found.end(), addresses->begin(), addresses->end());
  }
  if (!found.empty()) return found;
  if (failure) return Fail(tried, failure->text());
  return Fail(tried, "there is no such name" + (family ? fmt::format(" in {}", FamilyName(*family)) : std::string()));
}

Result<IpAddress> ResolveHost(const Lab& lab, Vantage& from, const std::string& host, std::optional<Family> family,
                              const Patience& patience) {
  std::string_view bare = host;
  if (bare.starts_with('[') && bare.ends_with(']')) bare = bare.substr(1, bare.size() - 2);
  if (const auto address = IpAddress::Parse(bare)) {
    if (address->is_of(family)) return *address;
    return Fail("resolve " + Quote(host), fmt::format("it is no {} address", FamilyName(*family)));
  }
  const std::string none = family ? fmt::format("it has no {} address", FamilyName(*family)) : "it has no address";
  if (lab.book.Find(host) != nullptr) {
    if (const auto first = lab.book.FirstOf(host, family)) return *first;
    return Fail("resolve " + Quote(host), none);
  }
  const std::size_t colon = host.find(':');
  if (colon != std::string::npos) {
    const auto address = lab.book.Of(host.substr(0, colon), host.substr(colon + 1), family);
    if (address) return *address;
    return Fail("resolve " + Quote(host), none);
  }
  const std::vector<IpAddress> found = TRY(ResolveName(from, host, family, patience));
  return found.front();
}

std::optional<HostPort> SplitPort(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = ParseInteger(text.substr(colon + 1));
  if (!port || *port < 1 || *port > 65535) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) return std::nullopt;
  return HostPort{.host = std::string(host), .port = static_cast<std::uint16_t>(*port)};
}

}  // namespace runner::check
