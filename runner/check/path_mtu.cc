#include "check/path_mtu.h"

#include <algorithm>
#include <cerrno>

namespace runner::check {
namespace {

constexpr Milliseconds kForOneReply{400};

class Search {
 public:
  Search(EchoSocket& socket, const IpAddress& to, const Patience& patience)
      : socket_(socket), to_(to), patience_(patience) {}

  std::optional<std::uint32_t> Run() {
    std::uint32_t size = largest_;
    // Each turn takes something off; a router that lies would go on for ever.
    constexpr int kMostTurns = 32;
    for (int turn = 0; turn < kMostTurns && !patience_.is_over(); ++turn) {
      const Clock::time_point begin = Clock::now();
      const std::optional<std::uint32_t> limit = TryOne(size);
      if (limit == size) {
        good_ = size;
      } else if (limit && *limit > good_) {
        largest_ = std::min(largest_, *limit);
        size = largest_;
        if (good_ != 0 && good_ >= largest_) break;
        continue;
      } else {
        // Nobody said why: a black hole, or nobody there.
        largest_ = size - 1;
      }
      if (good_ >= largest_) break;
      size = good_ == 0 ? std::max(smallest_, (smallest_ + largest_) / 2) : (good_ + largest_ + 1) / 2;
      if (largest_ < smallest_) break;
      // A path whose replies take long has the time that they need.
      reply_ = std::max<Clock::duration>(reply_, limit ? 4 * (Clock::now() - begin) : Clock::duration::zero());
    }
    return good_ == 0 ? std::nullopt : std::optional(good_);
  }

 private:
  /// `size` itself when it came through, the MTU in the way, or nothing.
  std::optional<std::uint32_t> TryOne(std::uint32_t size) {
    const std::uint16_t sequence = ++sequence_;
    const Status sent =
        socket_.Send({.to = to_, .sequence = sequence, .payload = size - EchoOverhead(to_.family()), .whole = true});
    if (!sent.ok() && sent.error().code != EMSGSIZE) return std::nullopt;
    const Patience wait = patience_.AtMost(reply_);
    do {
      while (const auto answer = socket_.Receive()) {
        if (answer->kind == EchoAnswer::Kind::kTooBig && answer->mtu < size) return answer->mtu;
        if (answer->sequence != sequence) continue;
        if (answer->kind == EchoAnswer::Kind::kReply) return size;
        return std::nullopt;
      }
    } while (sent.ok() && WaitFor(socket_.fd(), POLLIN, wait));
    return std::nullopt;
  }

  EchoSocket& socket_;
  const IpAddress to_;
  const Patience& patience_;
  Clock::duration reply_ = kForOneReply;
  std::uint16_t sequence_ = 0;
  std::uint32_t good_ = 0;
  std::uint32_t largest_ = 65535;
  std::uint32_t smallest_ = to_.is_ipv6() ? 1280 : 68;
};

}  // namespace

Result<std::optional<std::uint32_t>> FindPathMtu(Vantage& from, const IpAddress& to, const Patience& patience) {
  EchoSocket socket = TRY(EchoSocket::Open(from, to.family()));
  return Search(socket, to, patience).Run();
}

}  // namespace runner::check
