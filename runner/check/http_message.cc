#include "check/http_message.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/text.h"
#include "check/names.h"

namespace runner::check {
namespace {

bool IsChunked(std::string_view head) {
  std::string lower(head);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const std::size_t at = lower.find("\r\ntransfer-encoding:");
  if (at == std::string::npos) return false;
  const std::size_t end = lower.find("\r\n", at + 2);
  return lower.substr(at, end - at).find("chunked") != std::string::npos;
}

std::string JoinChunks(std::string_view body) {
  std::string whole;
  while (true) {
    const std::size_t end = body.find("\r\n");
    if (end == std::string_view::npos) return whole;
    std::size_t size = 0;
    const auto [rest, error] = std::from_chars(body.data(), body.data() + end, size, 16);
    if (error != std::errc() || size == 0) return whole;
    body.remove_prefix(end + 2);
    whole += body.substr(0, size);
    // What was cut off ends it.
    if (body.size() < size + 2) return whole;
    body.remove_prefix(size + 2);
  }
}

}  // namespace

std::optional<HttpUrl> ParseHttpUrl(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return std::nullopt;
  url.remove_prefix(kScheme.size());
  HttpUrl parsed;
  const std::size_t slash = url.find_first_of("/?");
  parsed.authority = url.substr(0, slash);
  if (slash != std::string_view::npos) {
    parsed.path = url.substr(slash, url.find('#') - slash);
    if (parsed.path.front() == '?') parsed.path.insert(0, "/");
  }
  if (const auto split = SplitPort(parsed.authority); split && (parsed.authority.back() != ']')) {
    parsed.host = split->host;
    parsed.port = split->port;
  } else {
    parsed.host = parsed.authority;
    if (parsed.host.starts_with('[') && parsed.host.ends_with(']'))
      parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
  }
  if (parsed.host.empty()) return std::nullopt;
  return parsed;
}

std::optional<HttpAnswer> ParseHttpAnswer(std::string_view message) {
  // HTTP/1.1 200 OK
  constexpr std::string_view kVersion = "HTTP/1.";
  constexpr std::size_t kCode = 9;
  if (!message.starts_with(kVersion) || message.size() < kCode + 3) return std::nullopt;
  const auto code = ParseInteger(message.substr(kCode, 3));
  if (!code || *code < 100) return std::nullopt;
  HttpAnswer answer{.code = static_cast<int>(*code)};
  const std::size_t end = message.find("\r\n\r\n");
  if (end == std::string_view::npos) return answer;
  const std::string_view body = message.substr(end + 4);
  answer.body = IsChunked(message.substr(0, end)) ? JoinChunks(body) : std::string(body);
  return answer;
}

}  // namespace runner::check
