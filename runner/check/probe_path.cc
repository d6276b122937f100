// `path`: the nodes that packets cross, by requests that live longer hop by hop.
#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/text.h"
#include "check/names.h"
#include "check/path_mtu.h"
#include "check/reading.h"

namespace runner::check {
namespace {

constexpr int kMostHops = 30;
constexpr Milliseconds kForOneHop{500};
// One that says nothing may be a firewall; behind so many nobody is.
constexpr int kMostSilent = 4;

std::optional<EchoAnswer> AskHop(EchoSocket& socket, const IpAddress& to, int hops, const Patience& patience) {
  const auto sequence = static_cast<std::uint16_t>(hops);
  if (!socket.Send({.to = to, .sequence = sequence, .hops = hops}).ok()) return std::nullopt;
  const Patience wait = patience.AtMost(kForOneHop);
  do {
    while (auto answer = socket.Receive()) {
      if (answer->sequence == sequence) return answer;
    }
  } while (WaitFor(socket.fd(), POLLIN, wait));
  return std::nullopt;
}

}  // namespace

Result<Reading> ProbePath(const Check& check, const Lab& lab, Vantage& from, const Patience& patience) {
  const IpAddress to = TRY(ResolveHost(lab, from, check.target, check.family, patience));
  EchoSocket socket = TRY(EchoSocket::Open(from, to.family()));
  Reading reading;
  std::vector<std::string> crossed;
  int silent = 0;
  for (int hops = 1; hops <= kMostHops && silent < kMostSilent && !patience.is_over(); ++hops) {
    const auto answer = AskHop(socket, to, hops, patience);
    if (answer && answer->kind == EchoAnswer::Kind::kReply) {
      reading.reached = true;
      break;
    }
    silent = answer ? 0 : silent + 1;
    crossed.push_back(answer ? lab.book.NameOf(answer->from) : "*");
    if (answer && answer->kind != EchoAnswer::Kind::kTimeExceeded) break;
  }
  while (!reading.reached && !crossed.empty() && crossed.back() == "*") crossed.pop_back();
  reading.seen = fmt::format("{} {}", reading.reached ? "reached" : "did not reach", to.text());
  reading.seen += crossed.empty() ? " directly" : " by " + Join(crossed, ", ");
  if (!reading.reached && crossed.empty()) reading.seen = "did not reach " + to.text();
  reading.values["via"] = std::move(crossed);
  if (!reading.reached || !Wants(check, "mtu")) return reading;
  if (const auto mtu = TRY(FindPathMtu(from, to, patience))) reading.values["mtu"] = static_cast<double>(*mtu);
  return reading;
}

}  // namespace runner::check
