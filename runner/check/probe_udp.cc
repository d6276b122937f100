// `udp`: a datagram that is answered.
#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "base/comparison.h"
#include "base/text.h"
#include "check/dns_query.h"
#include "check/names.h"
#include "check/reading.h"
#include "check/socket_address.h"

namespace runner::check {
namespace {

constexpr std::uint16_t kDnsPort = 53;

/// Something that whoever listens there may answer. A name server answers nothing but questions.
std::string Payload(std::uint16_t port) {
  constexpr std::uint16_t kId = 0x7072;
  if (port == kDnsPort) return DnsQuery(kId, "localhost", Family::kIpv4).value_or("");
  return "toporun\n";
}

}  // namespace

Result<Reading> ProbeUdp(const Check& check, const Lab& lab, Vantage& from, const Patience& patience) {
  constexpr Milliseconds kForReply{1000};
  const auto target = SplitPort(check.target);
  if (!target) return Fail(Quote(check.target) + " is no HOST:PORT");
  const IpAddress to = TRY(ResolveHost(lab, from, target->host, check.family, patience));
  const Fd socket = TRY(from.OpenSocket(FamilyNumber(to.family()), SOCK_DGRAM, 0));
  const SocketAddress address = SocketAddress::Of(to, target->port);
  const std::string who = fmt::format("{} port {}", to.text(), target->port);
  const std::string payload = Payload(target->port);
  Reading reading{.seen = "no reply from " + who};
  const Clock::time_point begin = Clock::now();
  // Connected, so that a port where nobody listens is told.
  if (connect(socket.get(), address.get(), address.size) != 0 ||
      send(socket.get(), payload.data(), payload.size(), MSG_NOSIGNAL) < 0) {
    reading.seen += std::string(": ") + std::strerror(errno);
    return reading;
  }
  if (!WaitFor(socket.get(), POLLIN, patience.AtMost(kForReply))) return reading;
  std::array<char, 2048> buffer;
  if (recv(socket.get(), buffer.data(), buffer.size(), 0) < 0) {
    reading.seen += std::string(": ") + std::strerror(errno);
    return reading;
  }
  reading.reached = true;
  const auto rtt = static_cast<double>(std::chrono::nanoseconds(Clock::now() - begin).count());
  reading.values["rtt"] = rtt;
  reading.seen = fmt::format("{} answers after {}", who, QuantityText(rtt, Quantity::kTime));
  return reading;
}

}  // namespace runner::check
