// `http`: a GET, and the code and body of its answer.
#include <fmt/format.h>

#include "base/text.h"
#include "check/connection.h"
#include "check/http_message.h"
#include "check/names.h"
#include "check/reading.h"

namespace runner::check {

Result<Reading> ProbeHttp(const Check& check, const Lab& lab, Vantage& from, const Patience& patience) {
  constexpr Milliseconds kForOne{5000};
  constexpr std::size_t kMost = std::size_t{1} << 20;
  const auto url = ParseHttpUrl(check.target);
  if (!url) return Fail(Quote(check.target) + " is no URL as http://HOST[:PORT]/PATH");
  const IpAddress to = TRY(ResolveHost(lab, from, url->host, check.family, patience));
  const Patience wait = patience.AtMost(kForOne);
  const Connection connection = TRY(Connect(from, to, url->port, wait));
  const std::string who = fmt::format("{} port {}", to.text(), url->port);
  Reading reading;
  if (!connection.socket.is_open()) {
    reading.seen = fmt::format("no connection to {}: {}", who, connection.refused);
    return reading;
  }
  const Clock::time_point begin = Clock::now() - connection.took;
  const std::string request =
      fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: toporun\r\nAccept: */*\r\nConnection: close\r\n\r\n",
                  url->path, url->authority);
  if (const Status sent = SendAll(connection.socket.get(), request, wait); !sent.ok()) {
    reading.seen = who + ": " + sent.error().text();
    return reading;
  }
  const auto text = ReceiveAll(connection.socket.get(), kMost, wait);
  const auto answer = text.ok() ? ParseHttpAnswer(*text) : std::nullopt;
  if (!answer) {
    reading.seen =
        who + (text.ok() ? (text->empty() ? " says nothing" : " does not speak HTTP") : ": " + text.error().text());
    return reading;
  }
  reading.reached = answer->code >= 200 && answer->code < 400;
  reading.values["code"] = static_cast<double>(answer->code);
  reading.values["status"] = static_cast<double>(answer->code);
  reading.values["rtt"] = static_cast<double>(std::chrono::nanoseconds(Clock::now() - begin).count());
  reading.values["stdout"] = answer->body;
  reading.seen = fmt::format("{} answers {}", who, answer->code);
  return reading;
}

}  // namespace runner::check
