// `throughput`: a short TCP stream of our own between two nodes.
#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "base/comparison.h"
#include "base/text.h"
#include "check/names.h"
#include "check/reading.h"
#include "check/socket_address.h"

namespace runner::check {
namespace {

constexpr Milliseconds kStream{1000};  // how long it is measured
constexpr std::size_t kPiece = std::size_t{1} << 16;

/// Both ends of the stream, in this process.
struct Stream {
  Fd sender;
  Fd receiver;
};

struct Listening {
  Fd socket;
  SocketAddress address;
};

Result<Listening> Listen(Vantage& at, const IpAddress& address) {
  Listening listening{.socket = TRY(at.OpenSocket(FamilyNumber(address.family()), SOCK_STREAM, 0)),
                      .address = SocketAddress::Of(address, 0)};
  const std::string tried = "listen at " + address.text();
  if (bind(listening.socket.get(), listening.address.get(), listening.address.size) != 0) {
    return SystemError(errno, tried);
  }
  if (listen(listening.socket.get(), 1) != 0) return SystemError(errno, tried);
  if (getsockname(listening.socket.get(), listening.address.get(), &listening.address.size) != 0) {
    return SystemError(errno, tried);
  }
  return listening;
}

/// Nothing when nobody came in time.
Result<std::optional<Stream>> OpenStream(Vantage& from, const Listening& listening, const Patience& patience) {
  Stream stream{.sender = TRY(from.OpenSocket(listening.address.storage.ss_family, SOCK_STREAM, 0)), .receiver = {}};
  const bool is_begun = connect(stream.sender.get(), listening.address.get(), listening.address.size) == 0;
  if (!is_begun && errno != EINPROGRESS) return std::optional<Stream>();
  if (!WaitFor(listening.socket.get(), POLLIN, patience)) return std::optional<Stream>();
  stream.receiver.Reset(accept4(listening.socket.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!stream.receiver.is_open()) return SystemError(errno, "accept");
  return std::optional(std::move(stream));
}

struct Amount {
  std::uint64_t bytes = 0;
  Clock::duration took{0};
};

/// Counts what arrives from the first byte on: what waits in queues on the way counts for nothing.
Amount Pump(const Stream& stream, const Patience& patience) {
  static const std::array<char, kPiece> kBytes = {};
  std::array<char, kPiece> buffer;
  Amount amount;
  std::optional<Clock::time_point> begin;
  Clock::time_point last;
  std::array<pollfd, 2> ends = {pollfd{.fd = stream.sender.get(), .events = POLLOUT, .revents = 0},
                                pollfd{.fd = stream.receiver.get(), .events = POLLIN, .revents = 0}};
  while (!patience.is_over() && WaitFor(ends, patience)) {
    if (ends[0].revents != 0 && send(ends[0].fd, kBytes.data(), kBytes.size(), MSG_NOSIGNAL) < 0 && errno != EAGAIN)
      break;
    if (ends[1].revents == 0) continue;
    const ssize_t got = recv(ends[1].fd, buffer.data(), buffer.size(), 0);
    if (got <= 0) continue;
    last = Clock::now();
    if (begin) {
      amount.bytes += static_cast<std::uint64_t>(got);
    } else {
      begin = last;
    }
  }
  if (begin) amount.took = last - *begin;
  return amount;
}

}  // namespace

Result<Reading> ProbeThroughput(const Check& check, const Lab& lab, Vantage& from, const Patience& patience) {
  const IpAddress to = TRY(ResolveHost(lab, from, check.target, check.family, patience));
  const NodeAddresses* owner = lab.book.Owner(to);
  if (owner == nullptr) {
    return Fail("measure the throughput to " + Quote(check.target),
                to.text() + " is no address of one node of the lab");
  }
  const Listening listening = TRY(Listen(*TRY(lab.at(owner->node)), to));
  Reading reading{.seen = fmt::format("no connection to {}", to.text())};
  const auto stream = TRY(OpenStream(from, listening, patience.AtMost(3 * kStream)));
  if (!stream) return reading;
  // The measurement has its time, whatever is left of it.
  const Amount amount = Pump(*stream, {.end = Clock::now() + kStream, .interrupted = patience.interrupted});
  reading.reached = amount.bytes > 0;
  const double seconds = std::chrono::duration<double>(amount.took).count();
  const double rate = seconds > 0 ? 8 * static_cast<double>(amount.bytes) / seconds : 0;
  reading.values["throughput"] = rate;
  reading.seen = fmt::format("{} to {}", QuantityText(rate, Quantity::kRate), to.text());
  return reading;
}

}  // namespace runner::check
