// `ping`: echo requests and their replies.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/comparison.h"
#include "base/text.h"
#include "check/names.h"
#include "check/path_mtu.h"
#include "check/reading.h"

namespace runner::check {
namespace {

constexpr Milliseconds kBetween{10};     // two requests
constexpr Milliseconds kForReply{1000};  // after the last one

class Pinging {
 public:
  Pinging(EchoSocket& socket, const IpAddress& to, int count) : socket_(socket), to_(to), count_(count) {}

  void Run(const Patience& patience) {
    for (int i = 0; i < count_ && !patience.is_over(); ++i) {
      SendNext();
      if (i + 1 < count_) Listen(patience.AtMost(kBetween), Until::kTimeIsOver);
    }
    Listen(patience.AtMost(std::max<Clock::duration>(kForReply, 2 * longest_)), Until::kAllAnswered);
  }

  Reading Told() const {
    Reading reading{.reached = !answered_.empty()};
    const std::size_t sent = sent_at_.size();
    const double loss =
        sent == 0 ? 100 : 100.0 * static_cast<double>(sent - answered_.size()) / static_cast<double>(sent);
    reading.values["loss"] = loss;
    if (reading.reached) {
      const double rtt =
          static_cast<double>(std::chrono::nanoseconds(total_).count()) / static_cast<double>(answered_.size());
      reading.values["rtt"] = rtt;
      reading.seen = fmt::format("{} answers after {}", to_.text(), QuantityText(rtt, Quantity::kTime));
      if (count_ > 1) reading.seen += fmt::format(" on average, {} lost", QuantityText(loss, Quantity::kShare));
    } else {
      reading.seen = fmt::format("no reply from {}", to_.text());
      if (!why_.empty()) reading.seen += ": " + why_;
    }
    return reading;
  }

 private:
  enum class Until { kTimeIsOver, kAllAnswered };

  void SendNext() {
    const auto sequence = static_cast<std::uint16_t>(sent_at_.size());
    sent_at_.push_back(Clock::now());
    if (const Status sent = socket_.Send({.to = to_, .sequence = sequence}); !sent.ok()) {
      why_ = sent.error().why;
      refused_.insert(sequence);
    }
  }

  void Listen(const Patience& patience, Until until) {
    do {
      while (const auto answer = socket_.Receive()) Take(*answer);
      if (until == Until::kAllAnswered && answered_.size() + refused_.size() >= sent_at_.size()) return;
    } while (WaitFor(socket_.fd(), POLLIN, patience));
  }

  void Take(const EchoAnswer& answer) {
    if (answer.sequence >= sent_at_.size()) return;
    if (answer.kind != EchoAnswer::Kind::kReply) {
      refused_.insert(answer.sequence);
      why_ = fmt::format("{} says: {}", answer.from.text(),
                         answer.kind == EchoAnswer::Kind::kTimeExceeded ? "time to live exceeded" : answer.why);
      return;
    }
    // One that is duplicated on the way counts once.
    if (!answered_.insert(answer.sequence).second) return;
    const Clock::duration took = answer.at - sent_at_[answer.sequence];
    total_ += took;
    longest_ = std::max(longest_, took);
  }

  EchoSocket& socket_;
  const IpAddress to_;
  const int count_;
  std::vector<Clock::time_point> sent_at_;
  std::set<std::uint16_t> answered_;
  std::set<std::uint16_t> refused_;
  Clock::duration total_{0};
  Clock::duration longest_{0};
  std::string why_;
};

}  // namespace

Result<Reading> ProbePing(const Check& check, const Lab& lab, Vantage& from, const Patience& patience) {
  constexpr int kMost = 10'000;
  const IpAddress to = TRY(ResolveHost(lab, from, check.target, check.family, patience));
  EchoSocket socket = TRY(EchoSocket::Open(from, to.family()));
  const int count = std::min(check.count.value_or(1), kMost);
  // What was asked for takes its time, whatever `within` says of trying again.
  Patience whole = patience;
  whole.end = std::max(whole.end, Clock::now() + count * kBetween + kForReply);
  Pinging pinging(socket, to, count);
  pinging.Run(count == 1 ? patience : whole);
  Reading reading = pinging.Told();
  if (!reading.reached || !Wants(check, "mtu")) return reading;
  if (const auto mtu = TRY(FindPathMtu(from, to, patience))) reading.values["mtu"] = static_cast<double>(*mtu);
  return reading;
}

}  // namespace runner::check
